"""The nine focus areas of handling objections in sales, and the words without which an area is not worth asking for."""

from __future__ import annotations

from dataclasses import dataclass

from grabient_assets.errors import UsageError


@dataclass(frozen=True, slots=True)
class FocusArea:
    """An area. `words` are beginnings of words; a text without any of them hardly speaks of it."""

    number: int
    name: str
    words: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """Regular expression, for DuckDB: the text, in lower case, has one of the words."""
        return rf"\b({'|'.join(self.words)})"


_WORDS = {
    "objection mindset": ("mindset", "attitude", "belie", "fear", "afraid", "reject", "confiden", "emotion"),
    "objection discovery": ("question", "clarif", "uncover", "discover", "curious", "dig", "understand", "root"),
    "named frameworks": ("framework", "method", "formula", "acronym", "step", "model", "system", "process"),
    "price": ("price", "pricing", "cost", "expensive", "cheap", "afford", "discount", "worth", "roi", "invest"),
    "I have to think about it": ("think about", "think it over", "sleep on", "deci", "hesita", "get back to"),
    "not interested": ("interest", "hang up", "brush", "cold call", "no thank", "don't need", "not for me"),
    "competitors": ("compet", "supplier", "vendor", "provider", "alternative", "switch", "already use", "already work"),
    "time and budget": ("time", "budget", "quarter", "busy", "calendar", "fiscal", "next year", "schedule"),
    "layering and prevention": ("prevent", "layer", "upfront", "up front", "preempt", "stack", "another objection"),
}
AREAS = tuple(FocusArea(number, name, words) for number, (name, words) in enumerate(_WORDS.items(), 1))


def read_areas(text: str | None) -> tuple[int, ...]:
    """The numbers in `1,4,7`; all nine without a text. Raises UsageError."""
    if text is None:
        return tuple(area.number for area in AREAS)
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = [0]
    if not found or any(not 1 <= number <= len(AREAS) for number in found):
        known = ", ".join(f"{area.number} {area.name}" for area in AREAS)
        raise UsageError(f"The areas are {text!r}; write numbers from 1 to 9 with commas between: {known}.")
    return tuple(found)
