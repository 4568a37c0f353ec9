"""Why a source gave no text: a class for the queue, and a sentence for the person."""

from __future__ import annotations

from typing import Literal, get_args

from grabient_assets.errors import GrabientError

Transient = Literal["blocked", "http_5xx", "network", "timeout", "empty_body"]
_OfVideos = Literal["disabled", "unavailable", "age_restricted", "unplayable", "no_transcript"]
_OfAddresses = Literal["not_found", "refused", "private_address", "too_many_redirects", "too_large", "wrong_type"]
_OfTexts = Literal["error_page", "too_little_text", "no_text", "encrypted", "broken", "binary", "one_word"]
_OfFiles = Literal["too_many_pages", "gone_file", "unforeseen"]
ErrorClass = Transient | _OfVideos | _OfAddresses | _OfTexts | _OfFiles
"""`refused` is 401, 403 and every 4xx without a class of its own; `no_text` is a scan; `unforeseen` a fault of ours."""
TRANSIENT = frozenset(get_args(Transient))


class SourceProblem(GrabientError):
    """A source could not be fetched or read.

    `permanent` is False where trying again may help. `retry_after` is the seconds that a 429 or 503 asked for.
    """

    def __init__(self, error_class: ErrorClass, sentence: str, retry_after: float | None = None) -> None:
        self.error_class, self.sentence, self.retry_after = error_class, sentence, retry_after
        self.permanent = error_class not in TRANSIENT
        super().__init__(sentence)


def status_problem(what: str, status: int, retry_after: str | None) -> SourceProblem:
    """The problem of an HTTP status that is no success. `retry_after` is the header; a date in it is not read."""
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    if status == 429:
        return SourceProblem("blocked", f"{what} answered 429, too many requests.", seconds)
    if status >= 500:
        return SourceProblem("http_5xx", f"{what} answered {status}.", seconds)
    if status in (404, 410):
        return SourceProblem("not_found", f"{what} answered {status}: it is not there. Check the address.")
    return SourceProblem("refused", f"{what} answered {status} and gives nothing. Save the text as a file instead.")
