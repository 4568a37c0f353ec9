"""Takes keys out of everything that is shown or kept: providers echo them in errors, states and result lines."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable
from dataclasses import replace

from grabient_assets.providers.contract import BatchState, Result

HIDDEN = "[key]"
_HIDDEN_BYTES = HIDDEN.encode()

# How the four providers' keys begin (sk- and sk-ant-, gsk_, AIza and AQ.), and any bearer token. `*` and `.` because
# providers echo a wrong key with its middle starred out.
_LOOKS_LIKE_A_KEY = re.compile(
    r"\b(?:sk-|gsk_|AIza|AQ\.)[A-Za-z0-9_\-*.]{4,}[A-Za-z0-9_\-*]|(?i:(?<=bearer )[A-Za-z0-9_\-.~+/*=]{4,})"
)


def redact(text: str, key: str) -> str:
    """`text` without `key` and without anything that looks like a provider's key."""
    if key:
        text = text.replace(key, HIDDEN)
    return _LOOKS_LIKE_A_KEY.sub(HIDDEN, text)


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
    """The raw lines without `key`, also where JSON writes it with escapes. They are kept for years, and read again when
    the key of that time is long forgotten. Nothing else is taken out: what a model wrote stays as it came."""
    spellings = [one.encode() for one in {key, json.dumps(key)[1:-1], key.replace("/", "\\/")} if one]
    for line in lines:
        for spelling in spellings:
            line = line.replace(spelling, _HIDDEN_BYTES)
        yield line
