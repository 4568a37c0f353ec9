"""The one error table: whatever an SDK or its HTTP layer raises, as an error of `errors.py`.

SDK exceptions are read by their attributes, not their classes, because the four SDKs ship four copies of the same
ones. The original is never chained: its text may hold the key.

| what came                               | reading              | creating a batch     | a direct call        |
|-----------------------------------------|----------------------|----------------------|----------------------|
| 404 for a batch                         | BatchUnknown         | -                    | -                    |
| 403 or 404 for a file                   | Results              | -                    | -                    |
| 401, 402, 403, quota used up, bad key   | Credentials          | Credentials          | Credentials          |
| 404 or any 4xx that names the model     | ModelUnavailable     | ModelUnavailable     | ModelUnavailable     |
| 400, 403, 404 that misses the new file  | -                    | InputFileUnseen      | -                    |
| 408                                     | Busy                 | AmbiguousSubmission  | AmbiguousSubmission  |
| 409                                     | Busy                 | AmbiguousSubmission  | Busy                 |
| 429                                     | Busy                 | Busy                 | Busy                 |
| 504, 524                                | Busy                 | AmbiguousSubmission  | AmbiguousSubmission  |
| any other 5xx                           | Busy                 | AmbiguousSubmission  | Busy                 |
| 400, 413, 422 about anything else       | RequestRejected      | RequestRejected      | an errored line      |
| any other 3xx and 4xx                   | RequestRejected      | RequestRejected      | RequestRejected      |
| no connection was made                  | Unreachable          | Unreachable          | Unreachable          |
| connection lost, timed out              | Unreachable          | AmbiguousSubmission  | AmbiguousSubmission  |
| an answer that cannot be read           | Results              | AmbiguousSubmission  | AmbiguousSubmission  |

A server that says that it failed has not billed a direct call. A gateway that says that it waited too long (408, 504,
524) does not know.
"""

from __future__ import annotations

import json
import math
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from grabient_assets import interrupts
from grabient_assets.errors import (
    AmbiguousSubmissionError,
    BatchUnknownError,
    CredentialsError,
    GrabientError,
    InputFileUnseenError,
    ModelUnavailableError,
    ProviderBusyError,
    ProviderError,
    ProviderUnreachableError,
    RequestRejectedError,
    ResultsError,
)
from grabient_assets.providers.values import UnreadableAnswer, inside, items
from grabient_assets.secrets import redact

_NO_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_error", "billing_not_active"}
_BAD_KEY = {"API_KEY_INVALID", "invalid_api_key", "authentication_error"}
_UNSEEN = re.compile(
    r"not (?:be )?found|no such|(?:does not|doesn't|may not|not) exist"
    r"|(?:cannot|can't|could not|couldn't|unable to|failed to) (?:find|locate|see|fetch|access|retrieve|read|open)"
    r"|not (?:yet )?(?:been )?(?:in an? )?(?:processed|ready|active|available|visible|uploaded)"
    r"|(?:being|state) process|is (?:pending|processing)|unknown (?:input )?file|invalid input file id"
)
NO_MODEL = frozenset(
    {
        *("model_not_found", "model_decommissioned", "model_not_active", "model_deprecated"),
        # Groq's, of models that are switched off for an organization or whose terms nobody has accepted
        *("model_permission_blocked_org", "model_permission_blocked_project", "model_terms_required"),
    }
)
"""Codes that concern one model. The key and the provider's other models are good."""
_WAITED_TOO_LONG = (408, 504, 524)
# The request never left: no socket, no TLS, no free connection, or an address that is none.
_NOTHING_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "InvalidURL"}


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """An HTTP answer that is not a success. `text` is the provider's message, `code` its short word for it."""

    status: int
    code: str
    text: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """A call to a provider, as its errors describe it. `doing` completes "While ...": "submitting batch b-1".

    `creating`: a batch, `direct`: it asks for one answer. `batch` is the provider's id of the batch that the call
    concerns, if any. `file`: it concerns a file of a batch that the same key could see just before.
    """

    provider: str
    key: str
    doing: str
    creating: bool = False
    direct: bool = False
    batch: str | None = None
    file: bool = False

    def opening(self, response: ErrorResponse) -> str:
        """The sentence that states the answer."""
        what = redact(f"{response.status} {response.code}".strip() + f": {response.text}", self.key)[:800]
        opening = f"While {self.doing}, {self.provider} answered {what}"
        return opening if opening.endswith(".") else opening + "."

    def without_answer(self, what: str, otherwise: type[ProviderError]) -> ProviderError:
        """The error of a call that got no usable answer: ambiguous where it may have had an effect."""
        kind = AmbiguousSubmissionError if self.creating or self.direct else otherwise
        return kind(self.provider, f"While {self.doing}, {self.provider} {what}. {self.next_step}")

    @property
    def next_step(self) -> str:
        """The sentence that tells a person what to do after a call without an answer."""
        if self.direct:
            return (
                "The call may have been answered and billed, and nobody can look for it: asking again may cost twice."
            )
        return "The batch may exist: look for it before sending again." if self.creating else "Try again later."


@contextmanager
def translated(call: ProviderCall) -> Iterator[None]:
    """Turns what the block raises into this project's errors.

    A call that is creating a batch, or a direct one, may be finished after the signal to stop; one that has not begun
    is not made.
    """
    interrupts.check()
    try:
        with interrupts.finishing() if call.creating or call.direct else nullcontext():
            yield
    except GrabientError:
        raise
    except Exception as error:
        fault = translate(error, call)
        if fault is None:
            raise
        raise fault from None


def translate(error: Exception, call: ProviderCall) -> ProviderError | None:
    """The error of `errors.py` for `error`, or None when it is not about the provider at all (a bug of ours)."""
    response = error_response_of(error)
    if response is not None:
        return _of_response(response, call)
    cause = error.__cause__ if error.__cause__ is not None and _is_wrapper(error) else error
    what = redact(f"{type(cause).__name__}: {cause}", call.key)[:500]
    if _is_unreadable(error):
        return call.without_answer(f"answered something that is not its API ({what})", ResultsError)
    if not _is_transport(cause) and not _is_wrapper(error):
        return None
    if type(cause).__name__ in _NOTHING_SENT:
        return ProviderUnreachableError(
            call.provider,
            f"While {call.doing}, {call.provider} could not be reached ({what}). Nothing was sent; check network and "
            "base URL.",
        )
    return call.without_answer(f"gave no answer ({what})", ProviderUnreachableError)


def _of_response(response: ErrorResponse, call: ProviderCall) -> ProviderError:
    provider, status, opening = call.provider, response.status, call.opening(response)
    if call.file and _denies_the_file(response):
        why = "The file is not there any more"
        if status == 403:
            why += f", or this key may see batches but not read files; what it is allowed to do is set at {provider}"
        return ResultsError(provider, f"{opening} {why}. The results can no longer be fetched this way.")
    if call.batch is not None and status == 404:
        return BatchUnknownError(
            provider,
            f"{opening} It has no such batch, or not any more. To close it here: `grabient cancel {call.batch} "
            "--give-up`.",
        )
    if call.creating and status in (400, 403, 404) and means_unseen_file(response.code, response.text):
        return InputFileUnseenError(
            provider, f"{opening} The file was uploaded just before, so that is not believed yet. Try again later."
        )
    if not _is_final(response) and (
        (call.creating and (status >= 500 or status in (408, 409))) or (call.direct and status in _WAITED_TOO_LONG)
    ):
        return AmbiguousSubmissionError(provider, f"{opening} {call.next_step}")
    if status in (404, 405) and response.code not in NO_MODEL and "model" not in response.text.lower():
        return RequestRejectedError(
            provider, f"{opening} There is no such call at this address: check the base URL of {provider}."
        )
    return error_of(response, provider, opening)


def error_of(response: ErrorResponse, provider: str, opening: str) -> ProviderError:
    """The error for an answer that concerns no batch yet. `opening` states the answer, in a sentence."""
    status, code = response.status, response.code
    if code in NO_MODEL or (status == 404 and "model" in response.text.lower()):
        return ModelUnavailableError(
            provider, f"{opening} The model is not served to this key; choose another in the registry."
        )
    if code == "not_available_for_plan":
        return CredentialsError(
            provider,
            f"{opening} The plan of this key has no batch API; upgrade it, or leave {provider} out.",
        )
    if status == 402 or code in _NO_MONEY:
        return CredentialsError(provider, f"{opening} The account has no credit left; add some at {provider}.")
    if status in (401, 403) or _is_bad_key(response):
        return CredentialsError(provider, f"{opening} Check the API key of {provider} and what it is allowed to do.")
    if status == 429 or status >= 500 or status in (408, 409):
        return ProviderBusyError(provider, f"{opening} Try again later.", response.retry_after)
    if status < 400:
        return RequestRejectedError(provider, f"{opening} It points elsewhere; check the base URL of {provider}.")
    return RequestRejectedError(provider, f"{opening} Sending the same again is useless.")


def concerns_one_request(response: ErrorResponse, provider: str) -> bool:
    """Whether a direct call was answered with an error that concerns only this request."""
    return response.status in (400, 413, 422) and type(error_of(response, provider, "")) is RequestRejectedError


def _is_final(response: ErrorResponse) -> bool:
    """Whether the code is more specific than the status."""
    known = (*NO_MODEL, *_NO_MONEY, "not_available_for_plan")
    return response.code in known or _is_bad_key(response)


def means_unseen_file(code: str | None, text: str | None) -> bool:
    """Whether a provider reports that it does not know, or cannot use yet, the file a batch is made of.

    OpenAI has reported that for files that were uploaded seconds before (tobert/kaibo#169).
    """
    words = f"{code or ''} {text or ''}".replace("_", " ").lower()
    return "file" in words and "model" not in words and _UNSEEN.search(words) is not None


def _denies_the_file(response: ErrorResponse) -> bool:
    """Whether a file is not available although the key as such is good. Gemini answers 403 for a file that is gone."""
    if response.code in _NO_MONEY or response.code == "not_available_for_plan" or _is_bad_key(response):
        return False
    return response.status in (403, 404)


def _is_bad_key(response: ErrorResponse) -> bool:
    return response.code in _BAD_KEY or "api key not valid" in response.text.lower()


def _is_wrapper(error: Exception) -> bool:
    """The SDKs wrap transport errors in APIConnectionError or APITimeoutError."""
    return any(kind.__name__ == "APIConnectionError" for kind in type(error).__mro__)


def is_timeout(error: Exception) -> bool:
    """Whether the time for the whole answer was over (Python's own error), or for its next bytes."""
    import httpx
    import httpx2

    return isinstance(error, (TimeoutError, httpx.TimeoutException, httpx2.TimeoutException))


def _is_transport(error: BaseException) -> bool:
    import httpx
    import httpx2

    kinds = (
        httpx.TransportError,
        httpx2.TransportError,
        httpx.InvalidURL,
        httpx2.InvalidURL,
        ConnectionError,
        TimeoutError,
    )
    return isinstance(error, kinds)


def _is_unreadable(error: Exception) -> bool:
    import httpx
    import httpx2

    names = {"APIResponseValidationError", "UnknownApiResponseError", "ValidationError"}
    kinds = (UnreadableAnswer, json.JSONDecodeError, UnicodeDecodeError, httpx.DecodingError, httpx2.DecodingError)
    if isinstance(error, RecursionError):  # brackets in brackets, ten thousand deep
        return True
    return isinstance(error, kinds) or type(error).__name__ in names or _stumbled(error)


def _stumbled(error: Exception) -> bool:
    """Whether an SDK failed on the answer itself: a list where it expects an object, or a number of 5,000 digits. A bug
    of ours does not count."""
    kinds = (AttributeError, TypeError, LookupError, ValueError, ArithmeticError)
    if not isinstance(error, kinds) or error.__traceback__ is None:
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return not frame.f_globals.get("__name__", "").startswith("grabient_assets")


def error_response_of(error: Exception) -> ErrorResponse | None:
    """The HTTP answer inside an SDK's status error, or None."""
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if not isinstance(status, int):
        status = getattr(response, "status_code", None)
    if not isinstance(status, int) or status < 300:
        return None
    body = getattr(error, "body", None) or getattr(error, "details", None) or _body_of(response)
    code, text = _read_error(body)
    headers = getattr(response, "headers", None) or {}
    retry_after = _retry_after(headers)
    return ErrorResponse(status, code, text or str(error), _named_delay(body) if retry_after is None else retry_after)


def _read_error(body: object) -> tuple[str, str]:
    """The provider's code and message, out of `{"error": {…}}` or the inner object alone."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, Mapping):
        return "", str(body or "")  # cut where keys are taken out: a key cut in two would not be found
    inner = body.get("error", body)
    if not isinstance(inner, Mapping):
        return "", str(inner)
    reasons = [reason for detail in items(inner.get("details")) if (reason := inside(detail, "reason"))]
    code = reasons[0] if reasons else inner.get("code")
    if not isinstance(code, str):
        code = inner.get("status") or inner.get("type")
    return str(code or ""), str(inner.get("message") or "")


def _named_delay(body: object) -> float | None:
    """Seconds that Google names in the details of an error: {"retryDelay": "34s"}."""
    if isinstance(body, list) and body:
        body = body[0]
    for detail in items(inside(body, "error", "details") or inside(body, "details")):
        delay = inside(detail, "retryDelay")
        if isinstance(delay, str) and re.fullmatch(r"\d{1,9}(\.\d{1,9})?s", delay):
            return float(delay[:-1])
    return None


def _body_of(response: object) -> object:
    try:
        text = getattr(response, "text", "")
    except RuntimeError:  # the body of a stream that was never read
        return ""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # not JSON, or brackets in brackets, ten thousand deep
        return text


def _retry_after(headers: Any) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date); None for what is no time."""
    milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after")
    if milliseconds is None and value is None:
        return None
    try:
        seconds = float(value) if milliseconds is None else float(milliseconds) / 1000
    except ValueError:
        seconds = _seconds_until(str(value))
    return max(0.0, seconds) if seconds is not None and math.isfinite(seconds) else None


def _seconds_until(date: str) -> float | None:
    try:
        return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError, OverflowError):  # no date, one without a zone, or one beyond the calendar
        return None
