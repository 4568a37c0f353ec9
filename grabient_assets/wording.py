"""How counts and foreign texts are written for people, and which texts are the same to them."""

from __future__ import annotations

import traceback
import unicodedata
from pathlib import Path

from grabient_assets.errors import GrabientError
from grabient_assets.secrets import redact

_STEERING = dict.fromkeys(
    [
        *(code for code in range(0x20) if chr(code) not in "\t\n"),
        *range(0x7F, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    ]
)
"""Characters that steer a terminal instead of being shown: C0 and C1 controls, and those that turn the direction."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 palette`, `1,000 palettes`; `plural` where it is not the noun with an s."""
    return f"1 {noun}" if number == 1 else f"{number:,} {plural or f'{noun}s'}"


def harmless(text: str) -> str:
    """The text without characters that steer a terminal; tabs and line ends stay. Names come out of files, and reasons
    from providers."""
    return text.translate(_STEERING)


def one_line(text: str) -> str:
    """A name as it stands within a sentence or a table: harmless, and on one line."""
    return " ".join(harmless(text).split())


def folded(text: str) -> str:
    """The text as it is compared when somebody looks for a word: `STRASSE` is `Straße`."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def describe_error(error: Exception, doing: str) -> str:
    """What is wrong, in a sentence; a mistake of ours with the place where it is. `doing`: "Collecting batch b-1"."""
    if isinstance(error, GrabientError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    what = redact(f"{type(error).__name__}: {error}", "")
    return f"{doing} met a mistake in this program: {what} ({Path(where.filename).name}:{where.lineno})."
