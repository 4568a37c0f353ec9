from __future__ import annotations

from coloraide import Color
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.gradient.color import NAMED_COLOURS, color_names, nearest_name, to_hex, to_hsl, to_lch, to_oklch
from grabient_assets.gradient.harmony import SAMPLED, hue_distance
from grabient_assets_tests.vectors import vectors

channels = st.integers(0, 255)
rgbs = st.tuples(channels, channels, channels)


def test_every_vector_has_the_notations_of_the_site():
    for case in vectors("hex11_shared.json")["cases"]:
        rgb = [tuple(one) for one in case["rgb"]]
        assert [to_hex(one) for one in rgb] == case["hex"], case["seed"]
        assert [list(to_hsl(one)) for one in rgb] == case["hsl"], case["seed"]
        assert [list(to_lch(one)) for one in rgb] == case["lch"], case["seed"]


def test_every_vector_has_the_oklch_of_the_site():
    rgb = {case["seed"]: case["rgb"] for case in vectors("hex11_shared.json")["cases"]}
    for case in vectors("harmony_shared.json")["cases"]:
        for at, expected in zip(SAMPLED, case["oklch"], strict=True):
            lightness, chroma, hue = to_oklch(tuple(rgb[case["seed"]][at]))
            # The vectors are rounded to 6, 6 and 4 decimals.
            assert [round(lightness, 6), round(chroma, 6), round(hue, 4)] == expected, case["seed"]


def test_known_colours():
    assert to_hex((10, 31, 60)) == "#0a1f3c"
    assert to_hsl((255, 0, 0)) == (0, 100, 50)
    assert to_hsl((0, 128, 128)) == (180, 100, 25)
    assert to_hsl((128, 128, 128)) == (0, 0, 50)
    assert to_lch((255, 0, 0)) == (53, 105, 40)
    assert to_lch((0, 0, 255)) == (32, 134, 306)
    assert to_lch((0, 0, 0)) == (0, 0, 0)


def test_a_hue_just_below_red_is_360():
    assert to_hsl((255, 0, 1)) == (360, 100, 50)


def test_the_hue_of_a_grey_is_noise_but_always_the_same_noise():
    assert {to_lch((value, value, value))[1:] for value in range(1, 256)} == {(0, 158)}


@given(rgbs)
def test_lch_agrees_with_an_independent_library(rgb: tuple[int, int, int]):
    lightness, chroma, hue = to_lch(rgb)
    oracle = Color("srgb", [one / 255 for one in rgb]).convert("lch-d65")
    assert abs(lightness - oracle["lightness"]) < 0.52
    assert abs(chroma - oracle["chroma"]) < 0.52
    if chroma > 2:
        assert hue_distance(hue, oracle["hue"]) < 0.8


@given(rgbs)
def test_oklch_agrees_with_an_independent_library(rgb: tuple[int, int, int]):
    lightness, chroma, hue = to_oklch(rgb)
    oracle = Color("srgb", [one / 255 for one in rgb]).convert("oklch")
    assert abs(lightness - oracle["lightness"]) < 1e-4
    assert abs(chroma - oracle["chroma"]) < 1e-4
    if chroma > 0.02:
        assert hue_distance(hue, oracle["hue"]) < 0.1


def test_every_vector_has_the_names_of_the_site():
    for case in vectors("hex11_shared.json")["cases"]:
        assert list(color_names(tuple(one) for one in case["rgb"])) == case["colorNames"], case["seed"]


def test_the_table_is_that_of_the_site():
    table = [[name, *rgb] for name, rgb in NAMED_COLOURS.items()]
    assert table == vectors("facts.json")["named_colours_41_in_order"]


def test_the_first_of_two_equal_names_wins():
    assert nearest_name((0, 255, 255)) == "cyan"
    assert {name for name, rgb in NAMED_COLOURS.items() if nearest_name(rgb) != name} == {"aqua"}


def test_a_colour_takes_the_nearest_name():
    assert nearest_name((12, 5, 120)) == "navy"
    assert nearest_name((200, 200, 190)) == "silver"


def test_each_name_once_in_order_of_appearance():
    assert color_names([(255, 0, 0), (0, 0, 0), (250, 4, 4), (255, 255, 255)]) == ("red", "black", "white")
