"""Whether a palette can be said to hold a colour of a name. Written down in docs/colour-facts.md; change both together.

Only what no reading of the name allows is a contradiction: a green in a palette without any hue near green, a white
where nothing is light. The measures are those of OkLCh, whose hue fits what people call blue better than that of LCH.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import combinations

from grabient_assets.gradient.color import to_oklch
from grabient_assets.gradient.cosine import RGB
from grabient_assets.gradient.names import NAMED_COLOURS, nearest_name

NEUTRAL_NAME = 0.04
"""Names of less chroma (colour_words.NEUTRAL_NAMES) claim lightness."""
NEAR_LIGHTNESS, NEUTRAL_CHROMA = 0.35, 0.12
VISIBLE_CHROMA, NEAR_HUE = 0.03, 60.0
NOT_OPPOSITE = 135.0
"""Two hues so far apart, but no farther, have hues between them: blue and green are 122 degrees apart."""
ROUNDING = 1e-9
_HUES = {"brown": 55.0}
"""Names whose value of CSS is no middle of what they mean: its brown is a red (26), and browns reach to olive."""


def is_contradicted(name: str, rgb: Sequence[RGB]) -> bool:
    """Whether none of the colours (RGB 0-255) comes near to the named one. A word that is no name never is, nor is the
    nearest name of one of the colours: that much is said of it already."""
    if name not in NAMED_COLOURS or any(nearest_name(one) == name for one in rgb):
        return False
    return not any(_supports(measured_name(name), _measured(one)) for one in rgb)


def are_contradicted(names: Iterable[str], rgb: Sequence[RGB]) -> bool:
    """Whether none of the colours comes near to any of the names that one colour is given together, nor lies between
    two of them: teal is far from blue and from green, and is a blue green."""
    names = sorted(names)
    return all(is_contradicted(name, rgb) for name in names) and not any(
        _is_between(measured_name(one), measured_name(other), _measured(seen))
        for one, other in combinations(names, 2)
        for seen in rgb
    )


@cache
def measured_name(name: str) -> tuple[float, float, float]:
    """The lightness, chroma and hue that a name stands for. KeyError for a word that is none."""
    lightness, chroma, hue = to_oklch(NAMED_COLOURS[name])
    return lightness, chroma, _HUES.get(name, hue)


def _supports(named: tuple[float, float, float], seen: tuple[float, float, float]) -> bool:
    if named[1] < NEUTRAL_NAME:
        return abs(named[0] - seen[0]) <= NEAR_LIGHTNESS and seen[1] <= NEUTRAL_CHROMA
    return seen[1] >= VISIBLE_CHROMA and _apart(named[2], seen[2]) <= NEAR_HUE


def _is_between(
    one: tuple[float, float, float], other: tuple[float, float, float], seen: tuple[float, float, float]
) -> bool:
    if min(one[1], other[1]) < NEUTRAL_NAME or seen[1] < VISIBLE_CHROMA:
        return False
    apart = _apart(one[2], other[2])
    return apart <= NOT_OPPOSITE and _apart(one[2], seen[2]) + _apart(other[2], seen[2]) <= apart + ROUNDING


def _apart(one: float, other: float) -> float:
    apart = abs(one - other)
    return min(apart, 360 - apart)


@lru_cache(maxsize=65_536)
def _measured(rgb: RGB) -> tuple[float, float, float]:
    return to_oklch(rgb)
