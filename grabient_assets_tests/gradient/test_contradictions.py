"""The rule for many palettes says exactly what the rule for one says."""

from __future__ import annotations

import numpy as np

from grabient_assets.gradient.claims import is_contradicted
from grabient_assets.gradient.contradictions import contradicted_pairs
from grabient_assets.gradient.names import NAMED_COLOURS


def test_every_name_beside_many_palettes() -> None:
    """Random colours, dull ones (near the limits of chroma), greys, and each named colour and its neighbours."""
    random = np.random.default_rng(1)
    named = np.asarray(list(NAMED_COLOURS.values()))
    greys = np.repeat(random.integers(0, 256, (40, 11, 1)), 3, axis=2)
    dull = np.clip(greys + random.integers(-14, 15, (40, 11, 3)), 0, 255)
    near = np.clip(named[:, None, :] + random.integers(-3, 4, (len(named), 11, 3)), 0, 255)
    rgb = np.concatenate([random.integers(0, 256, (60, 11, 3)), greys, dull, near]).astype(np.uint8)
    words = ("no colour", *NAMED_COLOURS)
    palette, word = (axis.ravel() for axis in np.indices((len(rgb), len(words))))

    found = contradicted_pairs(words, word, rgb, palette)
    expected = [
        is_contradicted(words[w], [(int(r), int(g), int(b)) for r, g, b in rgb[p]])
        for p, w in zip(palette.tolist(), word.tolist(), strict=True)
    ]
    assert found.tolist() == expected
    assert 0.2 < found.mean() < 0.9 and not found[word == 0].any()


def test_no_pairs() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    assert contradicted_pairs(("red",), nothing, np.zeros((0, 11, 3), dtype=np.uint8), nothing).tolist() == []
