"""Takes keys out of texts that people will read."""

from __future__ import annotations

import re
from dataclasses import replace

from grabient_assets.providers.contract import Result

HIDDEN = "[key]"

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
