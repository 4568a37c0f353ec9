"""Whether a quote stands in a text, and where: white space folded; quotation marks, apostrophes and dashes unified."""

from __future__ import annotations

import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Sequence

from grabient_assets.sources.transcripts import Segment

_SAME = {
    **dict.fromkeys("\"'`´“”„‟«»‹›‘’‚‛′″＂＇", "'"),
    **dict.fromkeys("-‐‑‒–—―−﹘﹣－", "-"),
    **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),
    "…": "...",
}
_RUNS = (" ", "-")
"""Of these, several in a row count as one."""


class FoldedText:
    """A text in which many quotes are looked for. It is folded once, in linear time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._folds: dict[bool, tuple[str, array[int]]] = {}

    def find(self, quote: str) -> tuple[int, int] | None:
        """Start and end in the text as it was given; case counts first, then it does not. None: it is not there."""
        for written in dict.fromkeys((quote, unicodedata.normalize("NFC", quote))):
            for caseless in (False, True):
                folded, places = self._fold(caseless)
                wanted = _folded(written, caseless)[0].strip()
                for form in dict.fromkeys((wanted, wanted.strip("' "))):  # models put quotation marks around a quote
                    if form.strip("'-. ") and (at := folded.find(form)) >= 0:
                        return places[at], places[at + len(form) - 1] + 1
        return None

    def _fold(self, caseless: bool) -> tuple[str, array[int]]:
        if caseless not in self._folds:
            self._folds[caseless] = _folded(self._text, caseless)
        return self._folds[caseless]


def second_of(segments: Sequence[Segment] | None, char_offset: int) -> float | None:
    """The second at which what stands at `char_offset` is said. None for prose."""
    if not segments:
        return None
    return segments[max(bisect_right(segments, char_offset, key=lambda one: one.char_start) - 1, 0)].t


def _folded(text: str, caseless: bool) -> tuple[str, array[int]]:
    """The folded text, and for each of its characters the place in `text` that it comes from."""
    folded: list[str] = []
    places = array("q")
    for place, character in enumerate(text):
        same = " " if character.isspace() else _SAME.get(character, character)
        for one in same.casefold() if caseless else same:
            if one not in _RUNS or not folded or folded[-1] != one:
                folded.append(one)
                places.append(place)
    return "".join(folded), places
