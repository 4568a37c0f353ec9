"""Clear harmonies do not move with the limits; the rules for many palettes say what the rules for one say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from grabient_assets.gradient import harmony
from grabient_assets.gradient.color import NAMED_COLOURS, to_oklch
from grabient_assets.gradient.colour_words import is_contradicted
from grabient_assets.gradient.harmony import HARMONIES, detect_harmonies
from grabient_assets.gradient.palette import colors
from grabient_assets.gradient.vectorized import clear_harmonies, contradicted_pairs, oklab
from grabient_assets.groups.palettes.palette_file import SAMPLES, read_palette_file

GREY = (128, 128, 128)
MOVED: list[tuple[str, Any]] = [
    ("CLUSTER_DEGREES", 23.0),
    ("CLUSTER_DEGREES", 27.0),
    ("SCHEME_TOLERANCE", 18.0),
    ("SCHEME_TOLERANCE", 22.0),
    ("MONOCHROMATIC_DEGREES", 13.0),
    ("MONOCHROMATIC_DEGREES", 17.0),
    ("COMPLEMENTARY_DEGREES", 158.0),
    ("COMPLEMENTARY_DEGREES", 162.0),
    ("ANALOGOUS_DEGREES", (23.0, 92.0)),
    ("ANALOGOUS_DEGREES", (27.0, 88.0)),
    ("MIN_CHROMA", 0.015),
    ("MIN_CHROMA", 0.025),
]


def many() -> list[list[tuple[int, int, int]]]:
    """The bundled palettes, random colours, and dull ones, whose chroma is near the limit."""
    random = np.random.default_rng(3)
    dull = np.clip(random.integers(60, 200, (80, 11, 1)) + random.integers(-9, 10, (80, 11, 3)), 0, 255)
    rows = np.concatenate([random.integers(0, 256, (200, 11, 3)), dull]).tolist()
    bundled = [list(colors(row.palette)) for row in read_palette_file(SAMPLES).rows]
    return [*bundled, *([(r, g, b) for r, g, b in row] for row in rows)]


def shown(palettes: list[list[tuple[int, int, int]]]) -> NDArray[np.bool_]:
    return np.asarray([[name in detect_harmonies(rgb) for name in HARMONIES] for rgb in palettes])


def test_what_is_clear_stays_when_a_limit_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    palettes = many()
    clear = clear_harmonies(np.asarray(palettes))
    monkeypatch.setattr(harmony, "MAX_HARMONIES", len(HARMONIES))
    changed = np.zeros(clear.shape, dtype=bool)
    for name, value in [("MAX_HARMONIES", len(HARMONIES)), *MOVED]:
        with monkeypatch.context() as moved:
            moved.setattr(harmony, name, value)
            now = shown(palettes)
        assert (now[clear == 1]).all() and not (now[clear == 0]).any(), (name, value)
        changed |= now != shown(palettes)
    assert changed.sum() > 20 and (clear[changed] == -1).all()
    doubtful = (clear == -1).mean(axis=0)
    assert doubtful.max() < 0.25 and 0 < (clear < 0).any(axis=1).mean() < 0.5


def at_hues(*hues: float) -> list[tuple[int, int, int]]:
    """Eleven colours, those at the five places that are read near these hues in OkLCh."""
    every = [(r, g, b) for r in range(0, 256, 15) for g in range(0, 256, 15) for b in range(0, 256, 15)]

    def near(hue: float) -> tuple[int, int, int]:
        return min(every, key=lambda rgb: harmony.hue_distance(to_oklch(rgb)[2], hue) + 9 * (to_oklch(rgb)[1] < 0.05))

    found: list[tuple[int, int, int]] = [GREY] * 11
    for place, hue in zip(harmony.SAMPLED, hues, strict=True):
        found[place] = near(hue)
    return found


@pytest.mark.parametrize(
    ("hues", "name", "expected"),
    [
        ((30, 30, 30, 30, 30), "monochromatic", 1),
        ((30, 30, 30, 30, 30), "analogous", 0),
        ((30, 90, 30, 90, 30), "analogous", 1),
        ((30, 119, 30, 119, 30), "analogous", -1),
        ((30, 210, 30, 210, 30), "complementary", 1),
        ((60, 220, 60, 220, 60), "complementary", -1),
        ((30, 140, 30, 140, 30), "complementary", 0),
        ((30, 55, 30, 55, 30), "analogous", -1),
    ],
)
def test_near_and_far(hues: tuple[float, ...], name: str, expected: int) -> None:
    [clear] = clear_harmonies(np.asarray([at_hues(*hues)]))
    assert clear[HARMONIES.index(name)] == expected


def test_greys_show_none_for_certain_and_no_palette_is_nothing() -> None:
    assert clear_harmonies(np.asarray([[GREY] * 11])).tolist() == [[0] * len(HARMONIES)]
    assert clear_harmonies(np.zeros((0, 11, 3), dtype=np.uint8)).shape == (0, len(HARMONIES))


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


def test_oklab_of_many_is_that_of_each():
    rgb = np.random.default_rng(5).integers(0, 256, (20, 10, 3))
    lightness, a, b = np.moveaxis(oklab(rgb), -1, 0)
    each = np.array([[to_oklch(tuple(one)) for one in row] for row in rgb.tolist()])
    assert lightness == pytest.approx(each[..., 0])
    assert np.hypot(a, b) == pytest.approx(each[..., 1])
    assert np.degrees(np.arctan2(b, a)) % 360 == pytest.approx(each[..., 2])
