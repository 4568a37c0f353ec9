"""Which harmonies of a palette are beyond dispute, for many palettes at once.

Those are the ones that stay, and those that stay away, wherever in their margins the thresholds of harmony.py lie. The
colours near black and white, whose tint hardly anyone sees, change nothing either. docs/colour-facts.md says the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import inf

import numpy as np
from numpy.typing import NDArray

from grabient_assets.gradient.color import linear
from grabient_assets.gradient.facts import NEAR_BLACK, NEAR_WHITE
from grabient_assets.gradient.harmony import (
    ANALOGOUS_DEGREES,
    CLUSTER_DEGREES,
    COMPLEMENTARY_DEGREES,
    HARMONIES,
    MIN_CHROMA,
    MONOCHROMATIC_DEGREES,
    SAMPLED,
    SCHEME_TOLERANCE,
    SCHEMES,
)

DEGREES_MARGIN, CHROMA_MARGIN = 2.0, 0.005
_CLUSTER_STEPS = (-2.0, -1.0, 0.0, 1.0, 2.0)
_CHROMA_STEPS = (-CHROMA_MARGIN, 0.0, CHROMA_MARGIN)
_AT_ONCE = 20_000

Floats = NDArray[np.float64]


def clear_harmonies(rgb: NDArray[np.integer]) -> NDArray[np.int8]:
    """For every palette and each of HARMONIES: 1 shown under every reading, 0 under none, -1 under some.

    `rgb`: shape (palettes, 11, 3), 0 to 255. The limit of three harmonies is not applied.
    """
    found = np.empty((len(rgb), len(HARMONIES)), dtype=np.int8)
    for start in range(0, len(rgb), _AT_ONCE):
        found[start : start + _AT_ONCE] = _clear(rgb[start : start + _AT_ONCE, SAMPLED])
    return found


def _clear(rgb: NDArray[np.integer]) -> NDArray[np.int8]:
    chroma, hue = _chroma_and_hue(rgb)
    lightness = (rgb.max(axis=-1) + rgb.min(axis=-1).astype(int)) * 100 / (2 * 255)
    faint = (lightness <= NEAR_BLACK) | (lightness >= NEAR_WHITE)
    without_faint = np.flatnonzero((faint & (chroma >= MIN_CHROMA - CHROMA_MARGIN)).any(axis=1))
    seen = np.where(faint, 0.0, chroma)
    always = np.ones((len(hue), len(HARMONIES)), dtype=bool)
    ever = np.zeros_like(always)
    for chromas, among in ((chroma, np.arange(len(hue))), (seen, without_faint)):
        for min_chroma, cluster, some in _readings(chromas[among], hue[among]):
            rows = among[some]
            hues = _main_hues(chromas[rows], hue[rows], MIN_CHROMA + min_chroma, CLUSTER_DEGREES + cluster)
            always[rows] &= _shown(hues, -DEGREES_MARGIN)
            ever[rows] |= _shown(hues, DEGREES_MARGIN)
    return np.where(always, 1, np.where(ever, -1, 0)).astype(np.int8)


def _readings(chroma: Floats, hue: Floats) -> Iterator[tuple[float, float, NDArray[np.integer]]]:
    """How far the limits of grouping are moved, and for which palettes that can make a difference."""
    apart = _distance(hue[:, :, None], hue[:, None, :])
    near = (np.abs(apart - CLUSTER_DEGREES) <= DEGREES_MARGIN).any(axis=(1, 2))
    near |= (np.abs(chroma - MIN_CHROMA) <= CHROMA_MARGIN).any(axis=1)
    for min_chroma, cluster in product(_CHROMA_STEPS, _CLUSTER_STEPS):
        as_it_is = min_chroma == cluster == 0.0
        yield min_chroma, cluster, np.arange(len(hue)) if as_it_is else np.flatnonzero(near)


def _main_hues(chroma: Floats, hue: Floats, min_chroma: float, cluster: float) -> Floats:
    """One hue per group, the group with most chroma first; NaN where there are fewer groups."""
    left = chroma >= min_chroma
    x, y = chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))
    hues, weights = np.full(hue.shape, np.nan), np.full(hue.shape, -inf)
    for place in range(hue.shape[1]):
        some = left.any(axis=1)
        centre = np.take_along_axis(hue, left.argmax(axis=1)[:, None], axis=1)
        group = left & (_distance(hue, centre) <= cluster)
        mean = np.degrees(np.arctan2((y * group).sum(axis=1), (x * group).sum(axis=1))) % 360
        hues[some, place], weights[some, place] = mean[some], (chroma * group).sum(axis=1)[some]
        left &= ~group
    return np.take_along_axis(hues, np.argsort(-weights, axis=1, kind="stable"), axis=1)


def _shown(hues: Floats, margin: float) -> NDArray[np.bool_]:
    """Which harmonies these hues show when every range is wider by `margin` at both ends."""
    count = (~np.isnan(hues)).sum(axis=1)
    widest = np.nan_to_num(_distance(hues[:, :, None], hues[:, None, :]), nan=0.0).max(axis=(1, 2))
    several = (count > 1) & (widest > MONOCHROMATIC_DEGREES - margin)
    shown = {
        "monochromatic": (count > 0) & (widest <= MONOCHROMATIC_DEGREES + margin * (count > 1)),
        "complementary": several & (widest >= COMPLEMENTARY_DEGREES - margin),
        "analogous": several & (widest >= ANALOGOUS_DEGREES[0] - margin) & (widest <= ANALOGOUS_DEGREES[1] + margin),
    }
    for name, offsets in SCHEMES.items():
        apart = _distance(hues[:, 1:, None], hues[:, :1, None] + np.asarray(offsets))
        fits = np.all((apart <= SCHEME_TOLERANCE + margin).any(axis=1), axis=-1)
        shown[name] = several & (count > len(offsets)) & fits
    return np.stack([shown[name] for name in HARMONIES], axis=1)


def _distance(one: Floats, other: Floats) -> Floats:
    gap = np.abs(one - other) % 360
    return np.minimum(gap, 360 - gap)


_LINEAR = np.asarray([linear(channel) for channel in range(256)])


def _chroma_and_hue(rgb: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """As color.to_oklch; here the last digit does not matter, because of the margins."""
    red, green, blue = (_LINEAR[rgb[..., channel]] for channel in range(3))
    long = np.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = np.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = np.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
