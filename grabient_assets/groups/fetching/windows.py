"""Windows: the part of a source that a model reads at once, with the place of every segment."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from grabient_assets.sources.grounding import FoldedText


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """A window as it is stored. `segments` are (second or None, first character in the text, words)."""

    title: str
    char_start: int
    segments: tuple[tuple[float | None, int, str], ...]

    @property
    def text(self) -> str:
        """The window's part of the source's text. Between segments there is white space only."""
        parts: list[str] = []
        end = self.char_start
        for _, start, words in self.segments:
            parts += ["\n" * (start - end), words]
            end = start + len(words)
        return "".join(parts)

    def second(self, place: int) -> float | None:
        """The second in which the character `place` of the window is said."""
        starts = [start for _, start, _ in self.segments]
        return self.segments[max(0, bisect_right(starts, self.char_start + place) - 1)][0]


@lru_cache(maxsize=32)
def stored_window(title: str, char_start: int, segments: str) -> tuple[StoredWindow, FoldedText]:
    """The window of a row of `source_windows`, and its text made ready to look for quotes in it."""
    found = StoredWindow(title, char_start, tuple((t, start, text) for t, start, text in json.loads(segments)))
    return found, FoldedText(found.text)
