"""claims.is_contradicted for many palettes at once: the same rule with the same arithmetic, on arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from grabient_assets.gradient.claims import (
    NEAR_HUE,
    NEAR_LIGHTNESS,
    NEUTRAL_CHROMA,
    NEUTRAL_NAME,
    VISIBLE_CHROMA,
    measured_name,
)
from grabient_assets.gradient.color import to_oklch
from grabient_assets.gradient.names import NAMED_COLOURS

PAIRS_AT_ONCE = 50_000
_NAMES = {name: place for place, name in enumerate(NAMED_COLOURS)}
_NAMED = np.asarray(list(NAMED_COLOURS.values()), dtype=np.int32)


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
    """The place of the nearest name, the first of equals (names.nearest_name)."""
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
