"""Clear harmonies and contradicted colour names of many palettes at once, on arrays.

These are the rules of harmony.py and colour_words.py, for sets of palettes that are too large to be judged one by one.
They stand apart because they need numpy, and one palette is computed without it.

A harmony is clear when it is shown, or absent, wherever in their margins the thresholds of harmony.py lie, and with or
without the colours near black and white, whose tint hardly anyone sees. docs/colour-facts.md says the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, product
from math import inf

import numpy as np
from numpy.typing import NDArray

from grabient_assets.gradient.color import NAMED_COLOURS, linear, to_oklch
from grabient_assets.gradient.colour_words import (
    NEAR_HUE,
    NEAR_LIGHTNESS,
    NEUTRAL_CHROMA,
    NEUTRAL_NAME,
    VISIBLE_CHROMA,
    measured_name,
)
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
_LINEAR = np.asarray([linear(channel) for channel in range(256)])

PAIRS_AT_ONCE = 50_000
_NAMES = {name: place for place, name in enumerate(NAMED_COLOURS)}
_NAMED = np.asarray(list(NAMED_COLOURS.values()), dtype=np.int32)

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


def oklab(rgb: NDArray[np.integer]) -> Floats:
    """Lightness, a and b in the last axis; color.to_oklch but for the last digit. `rgb`: shape (..., 3), 0 to 255."""
    red, green, blue = (_LINEAR[rgb[..., channel]] for channel in range(3))
    long = np.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = np.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = np.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return np.stack([lightness, a, b], axis=-1)


def _chroma_and_hue(rgb: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """The last digit does not matter, because of the margins."""
    lab = oklab(rgb)
    return np.hypot(lab[..., 1], lab[..., 2]), np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % 360


def contradicted_pairs(
    words: Sequence[str], word: NDArray[np.integer], rgb: NDArray[np.integer], palette: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """For every pair of a word (a place in `words`) and a palette (a row of `rgb`), whether they contradict each other.

    `rgb`: shape (palettes, colours, 3), 0 to 255.
    """
    name_of = np.asarray([_NAMES.get(one, -1) for one in words], dtype=np.int64)
    name, found = name_of[word], np.zeros(word.size, dtype=bool)
    known = np.flatnonzero(name >= 0)
    if not known.size:
        return found
    asked, row = np.unique(palette[known], return_inverse=True)
    packed = rgb[asked].astype(np.int32) @ np.asarray([1 << 16, 1 << 8, 1], dtype=np.int32)
    colours, colour = np.unique(packed, return_inverse=True)
    colour = colour.reshape(packed.shape)
    nearest, measured = _nearest(colours), _oklch(colours)
    named = np.asarray([measured_name(one) for one in NAMED_COLOURS])
    for start in range(0, known.size, PAIRS_AT_ONCE):
        part = known[start : start + PAIRS_AT_ONCE]
        of, which = colour[row[start : start + PAIRS_AT_ONCE]], name[part]
        held = (nearest[of] == which[:, None]).any(axis=1)
        found[part] = ~held & ~_supports(named[which][:, None, :], measured[of]).any(axis=1)
    return found


def _supports(named: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.bool_]:
    light = (np.abs(named[..., 0] - seen[..., 0]) <= NEAR_LIGHTNESS) & (seen[..., 1] <= NEUTRAL_CHROMA)
    apart = np.abs(named[..., 2] - seen[..., 2])
    hue = (seen[..., 1] >= VISIBLE_CHROMA) & (np.minimum(apart, 360 - apart) <= NEAR_HUE)
    return np.where(named[..., 1] < NEUTRAL_NAME, light, hue)


def _nearest(colours: NDArray[np.integer]) -> NDArray[np.int8]:
    """The place of the nearest name, the first of equals (color.nearest_name)."""
    rgb = _unpacked(colours)
    found = np.empty(colours.size, dtype=np.int8)
    for start in range(0, colours.size, PAIRS_AT_ONCE):
        apart = rgb[start : start + PAIRS_AT_ONCE, None, :] - _NAMED
        found[start : start + PAIRS_AT_ONCE] = (apart**2).sum(axis=2).argmin(axis=1)
    return found


def _oklch(colours: NDArray[np.integer]) -> NDArray[np.float64]:
    """One by one: roots and angles in numpy may differ in the last digit."""
    triples = (to_oklch((red, green, blue)) for red, green, blue in _unpacked(colours).tolist())
    return np.fromiter(chain.from_iterable(triples), dtype=np.float64, count=3 * colours.size).reshape(-1, 3)


def _unpacked(colours: NDArray[np.integer]) -> NDArray[np.int32]:
    return np.stack([colours >> 16, (colours >> 8) & 255, colours & 255], axis=1).astype(np.int32)
