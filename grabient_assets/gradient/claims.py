"""Whether a palette can be said to hold a colour of a name. Written down in docs/colour-facts.md; change both together.

Only what no reading of the name allows is a contradiction: a green in a palette without any hue near green, a white
where nothing is light. The measures are those of OkLCh, whose hue fits what people call blue better than that of LCH.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from grabient_assets.gradient.color import to_oklch
from grabient_assets.gradient.cosine import RGB
from grabient_assets.gradient.names import NAMED_COLOURS, nearest_name

NEUTRAL_NAME = 0.04
"""Names of less chroma (colour_words.NEUTRAL_NAMES) claim lightness."""
NEAR_LIGHTNESS, NEUTRAL_CHROMA = 0.35, 0.12
VISIBLE_CHROMA, NEAR_HUE = 0.03, 60.0


def is_contradicted(name: str, rgb: Sequence[RGB]) -> bool:
    """Whether none of the colours (RGB 0-255) comes near to the named one. A word that is no name never is, nor is the
    nearest name of one of the colours: that much is said of it already."""
    named = NAMED_COLOURS.get(name)
    if named is None or any(nearest_name(one) == name for one in rgb):
        return False
    return not any(_supports(_measured(named), _measured(one)) for one in rgb)


def _supports(named: tuple[float, float, float], seen: tuple[float, float, float]) -> bool:
    if named[1] < NEUTRAL_NAME:
        return abs(named[0] - seen[0]) <= NEAR_LIGHTNESS and seen[1] <= NEUTRAL_CHROMA
    apart = abs(named[2] - seen[2])
    return seen[1] >= VISIBLE_CHROMA and min(apart, 360 - apart) <= NEAR_HUE


@lru_cache(maxsize=65_536)
def _measured(rgb: RGB) -> tuple[float, float, float]:
    return to_oklch(rgb)
