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


AREAS = tuple(
    FocusArea(number, name, tuple(words.split(", ")))
    for number, (name, words) in enumerate(
        {
            "objection mindset": "objection, mindset, attitude, belie, fear, afraid, reject, confiden, resist, emotion, no",
            "objection discovery": "objection, question, ask, why, understand, clarif, listen, concern, behind, curious, what",
            "named frameworks": "framework, method, step, model, formula, technique, acronym, system, process, laer, feel",
            "price": "price, pricing, cost, expensive, cheap, afford, discount, money, worth, value, dollar, pay, roi, fee",
            "I have to think about it": "think, decide, decision, later, sleep on, consider, delay, hesita, tomorrow, wait",
            "not interested": "interest, busy, hang up, brush, cold call, not for me, don't need, no thanks, already have",
            "competitors": "competit, supplier, vendor, provider, alternative, other company, switch, compare, already",
            "time and budget": "time, budget, busy, quarter, year, schedule, month, week, fund, money, priorit",
            "layering and prevention": "prevent, before, layer, another objection, several, again, upfront, advance, pre, stack",
        }.items(),
        1,
    )
)


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
