"""Taking secrets out of text. Pure.

A key is taken out as it stands, and only where it can be one: local servers are used with keys such as `g` or `none`,
and those are letters of paid answers.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache

HIDDEN = "[key]"

SHORTEST = 8
"""Characters of the shortest key that is taken out, if it has a digit."""
SHORTEST_WITHOUT_DIGIT = 12
"""Without a digit it may be a word: `emulator`, `not-needed`."""
LONG = 20
"""A key of so many characters with a digit among them is no part of a word. It is taken out wherever it stands."""

# How the four providers' keys begin (sk- and sk-ant-, gsk_, AIza and AQ.), and any bearer token; `*` and `.` because
# providers echo a wrong key with its middle starred out. "Bearer token" is no token: that takes more than letters.
_LOOKS_LIKE_A_KEY = re.compile(
    r"\b(?:sk-|gsk_|AIza|AQ\.)[A-Za-z0-9_\-*.]{4,}[A-Za-z0-9_\-*]"
    r"|(?i:(?<=bearer ))(?=\S*(?:[0-9_~+/=*]|\.\w)|[A-Za-z-]{20})[A-Za-z0-9_\-.~+/*=]{4,}"
)
# JSON writes a line end as a backslash and a letter: what stands behind it stands for itself.
_BEGINS = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
_ENDS = r"(?![A-Za-z0-9_-])"


def can_be_secret(key: str) -> bool:
    """Whether the key is long and odd enough to be one, and not a word that stands in its place."""
    if any(character.isdigit() for character in key):
        return len(key) >= SHORTEST
    return len(key) >= (LONG if key.isalpha() else SHORTEST_WITHOUT_DIGIT)


def hide(text: str, key: str, instead: str = HIDDEN) -> str:
    """`text` without `key`, also where JSON writes it with escapes. What only holds it as a part of a word stays."""
    pattern = _pattern(key)
    return text if pattern is None else pattern.sub(instead, text)


def hide_in_bytes(line: bytes, key: str) -> bytes:
    """The same for bytes, of which nothing else is changed."""
    pattern = _pattern(key)
    if pattern is None:
        return line
    # Every byte is one character of latin-1, and a key is ASCII.
    return pattern.sub(HIDDEN, line.decode("latin-1")).encode("latin-1")


def redact(text: str, key: str) -> str:
    """`text` without `key` and without anything that looks like a provider's key."""
    return _LOOKS_LIKE_A_KEY.sub(HIDDEN, hide(text, key))


@lru_cache(maxsize=64)
def _pattern(key: str) -> re.Pattern[str] | None:
    if not can_be_secret(key):
        return None
    spellings = sorted({key, json.dumps(key)[1:-1], key.replace("/", "\\/")}, key=len, reverse=True)
    either = "|".join(map(re.escape, spellings))
    if len(key) >= LONG and any(character.isdigit() for character in key):
        return re.compile(either)
    return re.compile(f"{_BEGINS}(?:{either}){_ENDS}")
