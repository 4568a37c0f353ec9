"""Which colour harmonies a palette shows, from its hues in OkLCh.

Hues are read at five of the eleven colours; near hues are one hue; what remains is compared with the angles
of the classical schemes. docs/colour-facts.md says the same in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import atan2, cos, degrees, radians, sin

from grabient_assets.gradient.color import to_oklch
from grabient_assets.gradient.palette import RGB

HARMONIES = ("monochromatic", "analogous", "complementary", "split-complementary", "triadic", "tetradic")

SAMPLED = (0, 2, 5, 8, 10)
MIN_CHROMA = 0.02
CLUSTER_DEGREES = 25.0
SCHEME_TOLERANCE = 20.0
MONOCHROMATIC_DEGREES = 15.0
COMPLEMENTARY_DEGREES = 160.0
ANALOGOUS_DEGREES = (25.0, 90.0)
# Other hues of a scheme, in degrees from the hue with most chroma, in the order in which they are reported.
SCHEMES = {
    "triadic": (120.0, 240.0),
    "split-complementary": (150.0, 210.0),
    "tetradic": (90.0, 180.0, 270.0),
}
MAX_HARMONIES = 3


def detect_harmonies(rgb: Sequence[RGB]) -> tuple[str, ...]:
    """Up to three of HARMONIES for eleven colours; none for greys and for hues that fit no scheme."""
    hues = _main_hues([to_oklch(rgb[at]) for at in SAMPLED])
    if not hues:
        return ()
    gaps = [hue_distance(one, other) for one, other in combinations(hues, 2)]
    if max(gaps, default=0.0) <= MONOCHROMATIC_DEGREES:
        return ("monochromatic",)
    found: list[str] = []
    if max(gaps) >= COMPLEMENTARY_DEGREES:
        found.append("complementary")
    if ANALOGOUS_DEGREES[0] <= max(gaps) <= ANALOGOUS_DEGREES[1]:
        found.append("analogous")
    found += [name for name, offsets in SCHEMES.items() if _fits(hues, offsets)]
    return tuple(found[:MAX_HARMONIES])


def hue_distance(one: float, other: float) -> float:
    """The smaller angle between two hues, 0-180 degrees."""
    gap = abs(one - other) % 360
    return min(gap, 360 - gap)


def _main_hues(oklch: Sequence[tuple[float, float, float]]) -> list[float]:
    """One hue per group of near hues, the group with most chroma first."""
    left = [(chroma, hue) for _, chroma, hue in oklch if chroma >= MIN_CHROMA]
    groups: list[tuple[float, float]] = []
    while left:
        centre = left[0][1]
        group = [one for one in left if hue_distance(one[1], centre) <= CLUSTER_DEGREES]
        left = [one for one in left if hue_distance(one[1], centre) > CLUSTER_DEGREES]
        x = sum(chroma * cos(radians(hue)) for chroma, hue in group)
        y = sum(chroma * sin(radians(hue)) for chroma, hue in group)
        groups.append((sum(chroma for chroma, _ in group), degrees(atan2(y, x)) % 360))
    return [hue for _, hue in sorted(groups, key=lambda group: -group[0])]


def _fits(hues: Sequence[float], offsets: Sequence[float]) -> bool:
    main, others = hues[0], hues[1:]
    return len(others) >= len(offsets) and all(
        any(hue_distance(other, main + offset) <= SCHEME_TOLERANCE for other in others) for offset in offsets
    )
