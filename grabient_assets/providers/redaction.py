"""Takes keys out of everything that is shown or kept: providers echo them in errors, states and result lines."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import replace

from grabient_assets.providers.contract import BatchState, Result
from grabient_assets.secrets import hide_in_bytes, redact


def redacted(result: Result, key: str) -> Result:
    """`result` with its error text redacted; what the model wrote stays as it is."""
    return result if result.error is None else replace(result, error=redact(result.error, key))


def redacted_state(state: BatchState, key: str) -> BatchState:
    """`state` with every text redacted that the provider words freely. Ids and label stay: they are asked for again."""
    return replace(
        state,
        raw_status=redact(state.raw_status, key),
        error_code=None if state.error_code is None else redact(state.error_code, key),
        error=None if state.error is None else redact(state.error, key),
    )


def without_key(lines: Iterable[bytes], key: str) -> Generator[bytes, None, None]:
    """The raw lines without `key`. They are kept for years, and read again when the key of that time is long forgotten.
    Nothing else is taken out: what a model wrote stays as it came."""
    for line in lines:
        yield hide_in_bytes(line, key)
