from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.gradient.palette import colors, fixed, round3, round_half_up
from grabient_assets.gradient.seed import decode_seed
from grabient_assets_tests.vectors import vectors


def test_halves_of_a_thousandth_go_away_from_zero():
    assert [round3(value) for value in (0.0625, -0.0625, 0.1875, -1.0625)] == [0.063, -0.063, 0.188, -1.063]


def test_the_exact_binary_value_decides():
    # 1.0005 is stored as 1.000499999999999989...
    assert round3(1.0005) == 1.0
    assert round3(0.0005) == 0.001


def test_minus_zero_does_not_survive():
    assert math.copysign(1, round3(-0.0001)) == 1


def test_half_up_also_below_zero():
    assert [round_half_up(value) for value in (0.5, 1.5, 2.5, -0.5, -1.5)] == [1, 2, 3, 0, -1]


def test_fixed_writes_what_to_fixed_writes():
    assert fixed(0.0625, 3) == "0.063"
    assert fixed(-1e-17, 3) == "-0.000"
    assert fixed(-0.0, 3) == "0.000"
    assert fixed(225.61028345356956, 3) == "225.610"
    assert fixed(440, 6) == "440.000000"


@given(st.integers(min_value=-131_072, max_value=131_071))
def test_three_decimals_stay(thousandths: int):
    assert round3(thousandths / 1000) == thousandths / 1000


def test_every_vector_has_the_colours_of_the_site():
    for case in vectors("hex11_shared.json")["cases"]:
        assert [list(rgb) for rgb in colors(decode_seed(case["seed"]))] == case["rgb"], case["seed"]


def test_ties_round_up():
    assert colors(decode_seed("0.1,0.3,0.5,0,0,0,1,1,1,0,0,0"), steps=2) == [(26, 77, 128), (26, 77, 128)]


def test_channels_are_clamped():
    assert colors(decode_seed("9,-9,0.5,0,0,0.5,1,1,0.5,0,0,0"), steps=3) == [(255, 0, 255), (255, 0, 128), (255, 0, 0)]


def test_modifiers_act_on_the_colours():
    plain = decode_seed("0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0.3,0.3,0.3")
    modified = decode_seed("0.25,0.25,0.25,0.25,0.25,0.25,0.5,0.5,0.5,0.1,0.1,0.1,0.25,2,2,0.2")
    assert colors(modified) == colors(plain)


def test_as_many_colours_as_steps_from_end_to_end():
    grey = decode_seed("0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0,0,0")
    assert [rgb[0] for rgb in colors(grey, steps=5)] == [255, 218, 128, 37, 0]
    assert len(colors(grey)) == 11


def test_one_step_is_no_gradient():
    with pytest.raises(ValueError, match="at least 2 steps, not 1"):
        colors(decode_seed("0,0,0,0,0,0,0,0,0,0,0,0"), steps=1)
