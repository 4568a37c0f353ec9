"""Refusals that come after a batch was accepted: with the batch that failed, or line by line with one that ended.

Providers check a batch when they work on it. Such an error would also have been the answer to the create call, so it
means the same (the error table in error_table.py), and sending the same again is as useless. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from grabient_assets.errors import CredentialsError, ModelUnavailableError, ProviderError, RequestRejectedError
from grabient_assets.providers.contract import BatchState, Result
from grabient_assets.providers.error_table import NO_MODEL, ErrorResponse, error_of, means_unseen_file
from grabient_assets.secrets import redact

LATER_CODES = frozenset(
    {"token_limit_exceeded", "rate_limit_exceeded", "insufficient_quota", "RESOURCE_EXHAUSTED", "429", "8"}
)
"""Reasons of a failed batch that mean "not now" rather than "not so": OpenAI's and Groq's `errors.data[].code`, and
Google's reason, which may be given as a word, as an HTTP status or as a number of gRPC."""

_STATUS: Mapping[str, int] = {
    # OpenAI and Groq
    **dict.fromkeys(NO_MODEL, 404),
    "invalid_api_key": 401,
    "unauthorized": 401,
    **dict.fromkeys(("permission_denied", "access_denied", "forbidden"), 403),
    **dict.fromkeys(("organization_restricted", "blocked_api_access"), 403),
    **dict.fromkeys(("bad_request", "validation_error", "json_parse_error"), 400),
    **dict.fromkeys(("file_too_large", "batch_size_exceeded"), 400),
    "insufficient_quota": 402,
    "billing_hard_limit_reached": 402,
    "billing_not_active": 402,
    "not_available_for_plan": 403,
    "too_many_tasks": 400,
    "empty_file": 400,
    # Anthropic
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    # Google, as a word and as a number of gRPC
    **dict.fromkeys(("INVALID_ARGUMENT", "3", "FAILED_PRECONDITION", "9", "OUT_OF_RANGE", "11"), 400),
    **dict.fromkeys(("UNAUTHENTICATED", "16", "API_KEY_INVALID"), 401),
    **dict.fromkeys(("PERMISSION_DENIED", "7"), 403),
    **dict.fromkeys(("NOT_FOUND", "5"), 404),
    **dict.fromkeys(("UNIMPLEMENTED", "12"), 400),
}
"""The HTTP status with which a create call would report these errors of a batch."""

_REJECTION_CODE = re.compile(
    r"(invalid|unsupported|missing|duplicate|mismatched|malformed|incorrect|unrecognized)_\w+"
    r"|unknown_(model|parameter|url|endpoint|method|field)"
    r"|\w+_(mismatch|mismatched|unsupported|not_supported|not_allowed|not_found|not_available)"
)
"""OpenAI's codes for a file or a request that it does not take. It publishes no list of them."""
_NAMES_NO_MODEL = re.compile(
    r"\bmodel\b.{0,120}\b(?:(?:does not|doesn't|do not) exist|(?:was |is )?not (?:found|supported|available|active)"
    r"|decommissioned|deprecated|retired|shut down|no longer (?:available|supported))",
    re.IGNORECASE | re.DOTALL,
)
"""Messages about a model that is not served, where they come without a code, or with one that is not specific."""

_OF_ONE_REQUEST = frozenset(
    {
        "content_policy_violation",
        "content_filter",
        "invalid_prompt",
        "invalid_image",
        "invalid_image_format",
        "invalid_base64_image",
        "image_parse_error",
        "context_length_exceeded",
        "string_above_max_length",
        "request_too_large",
    }
)
"""Errors about the content of one request, which do not apply to the next one."""


def refused_later(
    state: BatchState, results: Mapping[str, Result], requests: int, provider: str, batch_id: str
) -> str | None:
    """The sentence why the model rejects every request it was sent, or None when it does not.

    Either the batch failed for good, or every one of its requests was refused.
    """
    if state.outcome == "failed" and not results:
        if state.error_code in LATER_CODES:
            return None
        return _sentence(provider, batch_id, state.error_code, state.error)
    refused = [result for result in results.values() if _is_refusal(result)]
    if not refused or len(refused) < requests:
        return None
    first = refused[0]
    return _sentence(provider, batch_id, first.error_code, first.error)


def _is_refusal(result: Result) -> bool:
    return (
        result.fate == "errored"
        and not result.has_response
        and not result.retryable
        and _status(result.error_code) is not None
        and result.error_code not in _OF_ONE_REQUEST
    )


def _sentence(provider: str, batch_id: str, code: str | None, message: str | None) -> str | None:
    error = _error(provider, batch_id, code, message)
    permanent = isinstance(error, (CredentialsError, ModelUnavailableError, RequestRejectedError))
    return str(error) if permanent else None


def _error(provider: str, batch_id: str, code: str | None, message: str | None) -> ProviderError | None:
    reason = redact(f"{code or 'no code'}: {message or 'no reason given'}", "")[:800]
    opening = f"While working on batch {batch_id}, {provider} said {reason}"
    opening = opening if opening.endswith(".") else f"{opening}."
    if means_unseen_file(code, message):
        return RequestRejectedError(
            provider, f"{opening} So it was with one file after the other; look at the files at {provider}."
        )
    status = _status(code)
    if status is None and _NAMES_NO_MODEL.search(message or ""):
        status = 404
    return None if status is None else error_of(ErrorResponse(status, code or "", message or ""), provider, opening)


def _status(code: str | None) -> int | None:
    """The equivalent HTTP status of a code that means "not so"; None for any other."""
    if code is None:
        return None
    if code in _STATUS:
        return _STATUS[code]
    number = re.fullmatch(r"(?:http_)?(4\d\d)", code)
    if number is not None:
        return None if number[1] in ("408", "409", "425", "429") else int(number[1])
    return 400 if _REJECTION_CODE.fullmatch(code.lower()) else None
