from __future__ import annotations

import pytest

from grabient_assets.gradient.harmony import HARMONIES, detect_harmonies, hue_distance
from grabient_assets.gradient.palette import colors
from grabient_assets.gradient.seed import decode_seed
from grabient_assets_tests.vectors import vectors

GREY, RED, ORANGE, YELLOW = (128, 128, 128), (255, 0, 0), (255, 140, 0), (230, 220, 0)
GREEN, TEAL, BLUE, PURPLE = (0, 200, 60), (0, 170, 180), (60, 40, 255), (150, 40, 220)


def at_samples(a, b, c, d, e):
    """Eleven colours with the given ones at the five places that are read."""
    return [a, GREY, b, GREY, GREY, c, GREY, GREY, d, GREY, e]


def test_every_vector_has_the_harmonies_of_the_site():
    for case in vectors("harmony_shared.json")["cases"]:
        assert list(detect_harmonies(colors(decode_seed(case["seed"])))) == case["harmonies"], case["seed"]


@pytest.mark.parametrize(
    ("five", "expected"),
    [
        ((GREY, GREY, GREY, GREY, GREY), ()),
        ((RED, GREY, GREY, GREY, GREY), ("monochromatic",)),
        ((RED, (120, 0, 0), (255, 90, 90), RED, GREY), ("monochromatic",)),
        ((RED, ORANGE, ORANGE, RED, GREY), ("analogous",)),
        ((BLUE, YELLOW, BLUE, YELLOW, GREY), ("complementary",)),
        ((RED, GREEN, BLUE, RED, GREY), ("triadic",)),
    ],
)
def test_schemes(five: tuple, expected: tuple):
    assert detect_harmonies(at_samples(*five)) == expected


def test_only_five_of_the_eleven_are_read():
    colours = at_samples(RED, RED, RED, RED, RED)
    colours[1] = colours[3] = TEAL
    assert detect_harmonies(colours) == ("monochromatic",)


def test_the_heaviest_hue_leads():
    # 150 and 210 degrees from the red are a green and a blue; seen from the green there is no such pair.
    red, green, blue = (255, 70, 70), (70, 150, 120), (70, 130, 165)
    assert "split-complementary" in detect_harmonies(at_samples(red, red, green, blue, red))
    assert "split-complementary" not in detect_harmonies(at_samples(green, PURPLE, PURPLE, GREEN, GREEN))


def test_the_words_are_those_of_the_site():
    facts = vectors("facts.json")["harmony_detected_algorithmically"]
    assert sorted(HARMONIES) == sorted(facts["types"])


def test_hue_distance_goes_the_short_way():
    assert hue_distance(350, 10) == 20
    assert hue_distance(10, 350) == 20
    assert hue_distance(0, 180) == 180
    assert hue_distance(400, 30) == 10
