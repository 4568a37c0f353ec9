"""Why there is no image, in one word."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast

from grabient_assets.ledger.settling import Settled
from grabient_assets.providers.contract import BAD_IMAGE, NO_IMAGE
from grabient_assets.providers.deadlines import TIME_IS_OVER

ErrorKind: TypeAlias = Literal[
    "api_no_response",
    "api_empty_data",
    "invalid_image_data",
    "rate_limit",
    "connection_error",
    "auth_error",
    "refused",
    "no_reference_image",
    "parent_removed",
    "bad_mask",
    "too_large",
    "timeout",
    "cancelled",
    "unexpected_error",
]
"""The words that users of the API rely on. The view `edits` says which of them may be asked again."""
_RATE_LIMITS = ("rate_limit_exceeded", "RESOURCE_EXHAUSTED", "429")


def error_kind(settled: Settled) -> ErrorKind:
    """The kind of a failure. A verdict that knows it has it as its payload."""
    if isinstance(settled.verdict.payload, str):
        return cast("ErrorKind", settled.verdict.payload)
    match settled.verdict.fate:
        case "refused":
            return "refused"
        case "invalid" | "truncated":
            return "invalid_image_data"
        case "expired":
            return "timeout"
        case "missing":
            return "timeout" if TIME_IS_OVER in (settled.verdict.error or "") else "api_no_response"
        case "cancelled":
            return "cancelled"
        case "errored" if settled.error_code == NO_IMAGE:
            return "api_empty_data"
        case "errored" if settled.error_code == BAD_IMAGE:
            return "invalid_image_data"
        case "errored" if settled.error_code in _RATE_LIMITS:
            return "rate_limit"
        case _:
            return "unexpected_error"
