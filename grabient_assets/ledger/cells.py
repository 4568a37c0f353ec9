"""Raw answers as table cells."""

from __future__ import annotations

LONGEST_CELL = 100_000
"""Characters of an answer kept in a table: a hundred times a long answer. The archive keeps every byte."""


def storable(text: str | None) -> str | None:
    """The answer cut to a sensible length and to valid UTF-8: models send lone surrogates."""
    return None if text is None else text[:LONGEST_CELL].encode("utf-8", "replace").decode("utf-8")
