from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.gradient.rounding import fixed, round3, round_half_up


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
