"""Intervals, effects, chance and numbers needed, against values from tables and from scipy."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from grabient_assets.consensus.effects import (
    Effect,
    Fingerprint,
    adjust,
    adjusted,
    compare,
    fingerprint,
    needed_for,
    student_quantile,
)
from grabient_assets.errors import AnnotationsError

quick = settings(max_examples=30, deadline=None, derandomize=True)
numbers = st.floats(-1000, 1000).map(lambda value: round(value, 3))
samples = st.lists(numbers, min_size=1, max_size=9)
ps = st.lists(st.none() | st.floats(0, 1), max_size=12)


@pytest.mark.parametrize(
    ("probability", "freedom", "value"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.3027), (0.975, 5, 2.5706), (0.975, 10, 2.2281), (0.975, 30, 2.0423)],
)
def test_quantiles_of_the_usual_table(probability: float, freedom: int, value: float):
    assert student_quantile(probability, freedom) == pytest.approx(value, abs=6e-5)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 50, 199, 200, 201, 1000, 100_000])
def test_quantiles_are_exact(freedom: int):
    for probability in (0.001, 0.1, 0.5, 0.55, 0.8, 0.975, 0.999):
        expected = stats.t.ppf(probability, freedom)
        assert student_quantile(probability, freedom) == pytest.approx(expected, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(("probability", "freedom"), [(0.0, 3), (1.0, 3), (1.2, 3), (0.5, 0)])
def test_quantiles_that_there_are_not(probability: float, freedom: int):
    with pytest.raises(AnnotationsError, match="has no quantile"):
        student_quantile(probability, freedom)


def test_a_fingerprint_is_a_mean_with_its_interval():
    found = fingerprint([1, 2, 3, 4, 5])
    # sd sqrt(2.5); t of 4 degrees of freedom 2.7764; half width 2.7764 * 1.5811 / sqrt(5) = 1.9632
    assert (found.n, found.mean) == (5, 3)
    assert found.sd == pytest.approx(math.sqrt(2.5))
    assert (found.low, found.high) == pytest.approx((3 - 1.96324, 3 + 1.96324), abs=1e-4)


def test_few_values_have_no_interval():
    assert fingerprint([]) == Fingerprint(0, None, None, None, None)
    assert fingerprint([7.5]) == Fingerprint(1, 7.5, None, None, None)
    assert fingerprint([7.5, 7.5]) == Fingerprint(2, 7.5, 0.0, 7.5, 7.5)


def test_the_interval_holds_the_mean_as_often_as_it_says():
    random = np.random.default_rng(1)
    found = [fingerprint(random.normal(10, 3, 6).tolist()) for _ in range(1500)]
    held = [one.low <= 10 <= one.high for one in found if one.low is not None and one.high is not None]
    assert np.mean(held) == pytest.approx(0.95, abs=0.018)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_was_not_measured_is_refused(value: float):
    with pytest.raises(AnnotationsError, match=f"Value 1 is {value}; leave out what was not measured"):
        fingerprint([1.0, value])
    with pytest.raises(AnnotationsError, match="Value 0"):
        compare([1.0], [value])


def test_a_difference_by_hand():
    found = compare([4, 5, 6], [1, 2, 3])
    # d = 3 / 1; Hedges' factor of 4 degrees of freedom 0.79788. Of 20 arrangements 2 are as far apart.
    assert found.difference == 3
    assert found.effect == pytest.approx(3 * 0.7978846)
    assert found.p == found.p_adjusted == pytest.approx(0.1)
    assert not found.enough
    assert found.higher is None


@pytest.mark.parametrize("freedom", [2, 4, 8, 30])
def test_hedges_factor_is_that_of_the_paper(freedom: int):
    """Gamma(m / 2) / (sqrt(m / 2) Gamma((m - 1) / 2)) by degrees of freedom m: nearly 1 - 3 / (4 m - 1)."""
    table = {2: 0.5642, 4: 0.7979, 8: 0.9027, 30: 0.9748}
    n = freedom // 2 + 1
    left = np.arange(n) - (n - 1) / 2
    found = compare((left + 1).tolist(), left.tolist())
    assert found.effect is not None
    assert found.effect * left.std(ddof=1) == pytest.approx(table[freedom], abs=1e-4)


def test_all_arrangements_are_looked_at_while_they_are_few():
    random = np.random.default_rng(2)
    for n_left, n_right in ((3, 5), (5, 3), (6, 6), (1, 9), (2, 40)):
        left, right = random.normal(1, 1, n_left), random.normal(0, 1, n_right)
        pool, seen, as_far = np.concatenate([left, right]), abs(left.mean() - right.mean()), []
        for taken in combinations(range(pool.size), n_left):
            one = np.zeros(pool.size, dtype=bool)
            one[list(taken)] = True
            as_far.append(abs(pool[one].mean() - pool[~one].mean()) >= seen - 1e-12)
        assert compare(left.tolist(), right.tolist()).p == pytest.approx(np.mean(as_far))


def test_20_000_arrangements_are_the_limit():
    """19,900 of 2 among 200: the pair that lies apart is one of them. 20,100 of 2 among 201 are drawn."""
    assert compare([5.0, 6.0], list(np.linspace(-1, 1, 198))).p == pytest.approx(1 / 19_900)
    drawn = (compare([5.0, 6.0], list(np.linspace(-1, 1, 199))).p or 0) * 20_001
    assert 1 <= round(drawn) <= 6
    assert drawn == pytest.approx(round(drawn), abs=1e-6)


def test_chance_is_drawn_where_arrangements_are_many():
    random = np.random.default_rng(3)
    left, right = random.normal(0.6, 1, 40), random.normal(0, 1, 40)
    found = compare(left.tolist(), right.tolist())
    assert found.p == pytest.approx(stats.ttest_ind(left, right)[1], abs=0.006)
    assert found == compare(left.tolist(), right.tolist())
    apart = compare((left + 100).tolist(), right.tolist())
    assert apart.p == 1 / 20_001
    assert apart.enough
    assert apart.higher == "left"


def test_no_difference_is_found_no_more_often_than_by_chance():
    random = np.random.default_rng(4)
    found = [compare(random.normal(size=5).tolist(), random.normal(size=5).tolist()) for _ in range(250)]
    small = np.mean([one.p is not None and one.p <= 0.05 for one in found])
    # 252 arrangements: the largest p up to 0.05 is 12 / 252.
    assert small == pytest.approx(12 / 252, abs=0.04)


def power_of_the_t_test(effect: float, n: int) -> float:
    freedom, distance = 2 * n - 2, effect * math.sqrt(n / 2)
    limit = stats.t.ppf(0.975, freedom)
    return float(1 - stats.nct.cdf(limit, freedom, distance) + stats.nct.cdf(-limit, freedom, distance))


@pytest.mark.parametrize(
    ("effect", "needed"), [(0.2, 394), (0.5, 64), (0.8, 26), (1.0, 17), (1.5, 9), (2.0, 6), (4.0, 3), (6.0, 2)]
)
def test_so_many_are_needed(effect: float, needed: int):
    """Cohen (1988), table 2.4.1, for 0.2, 0.5 and 0.8; the exact power for all."""
    assert needed_for(effect) == needed_for(-effect) == needed
    assert power_of_the_t_test(effect, needed) >= 0.8
    if needed > 2:
        assert power_of_the_t_test(effect, needed - 1) < 0.8


def test_nobody_can_draw_as_many_as_hardly_any_effect_needs():
    assert needed_for(0.0) is None
    assert needed_for(0.003) is None
    assert (needed_for(0.005) or 0) == pytest.approx(15.698 / 0.005**2, rel=1e-3)


def test_one_value_each_names_no_winner_and_says_what_is_needed():
    found = compare([1.0], [5.0])
    assert found == Effect(1, 1, -4.0, None, 1.0, 1.0, 64)
    assert not found.enough
    assert found.higher is None


def test_a_side_without_values_has_no_difference():
    assert compare([], [1.0, 2.0]) == Effect(0, 2, None, None, None, None, 64)


def test_sides_of_one_value_each_differ_for_certain_and_have_no_size():
    assert compare([2.0] * 5, [2.0] * 5) == Effect(5, 5, 0.0, 0.0, 1.0, 1.0, None)
    few, many = compare([2.0] * 5, [1.0] * 5), compare([2.0] * 64, [1.0] * 64)
    assert (few.effect, few.needed, few.enough) == (None, 64, False)
    assert (many.effect, many.needed, many.higher) == (None, 64, "left")


@pytest.mark.parametrize(
    ("n", "p_adjusted", "needed", "enough"),
    [
        (64, 0.05, 64, True),
        (63, 0.05, 64, False),
        (64, 0.051, 64, False),
        (64, 0.01, None, False),
        (64, None, 64, False),
    ],
)
def test_a_winner_takes_numbers_and_an_unlikely_chance(
    n: int, p_adjusted: float | None, needed: int | None, enough: bool
):
    found = Effect(n, 100, -0.5, -0.5, 0.001, p_adjusted, needed)
    assert found.enough is enough
    assert found.higher == ("right" if enough else None)


def test_several_pairs_make_chance_likelier():
    """Holm: 0.01 * 4, 0.02 * 3, 0.03 * 2, 0.04; none below the one before."""
    assert adjust([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert adjust([0.5, None, 0.9]) == [1.0, None, 1.0]
    assert adjust([]) == []
    single = Effect(64, 64, 1.0, 0.5, 0.03, 0.03, 64)
    assert single.enough
    both = adjusted([single, single])
    assert [one.p_adjusted for one in both] == [0.06, 0.06]
    assert not any(one.enough for one in both)
    assert [one.p for one in both] == [0.03, 0.03]


@quick
@given(ps)
def test_adjusting_keeps_the_order_and_makes_nothing_likelier(p_values: list[float | None]):
    found = adjust(p_values)
    known = [(before, after) for before, after in zip(p_values, found, strict=True) if before is not None]
    assert [after is None for after in found] == [before is None for before in p_values]
    for before, after in known:
        assert after is not None and before <= after <= 1
    ordered = [after for _, after in sorted(known, key=lambda pair: (pair[0], pair[1] or 0))]
    assert ordered == sorted(ordered, key=lambda after: after or 0)


def shifted(values: list[float], by: float) -> list[float]:
    return [value + by for value in values]


@quick
@given(samples, samples, st.integers(0, 100))
def test_what_holds_for_any_two_sides(left: list[float], right: list[float], by: int):
    found, exchanged = compare(left, right), compare(right, left)
    assert found.difference is not None
    assert exchanged.difference == pytest.approx(-found.difference, abs=1e-9)
    assert (exchanged.p, exchanged.needed) == (found.p, found.needed)
    assert compare(left[::-1], right[::-1]).p == found.p
    assert found.p is not None and 0 < found.p <= 1
    assert compare(shifted(left, by), shifted(right, by)).p == pytest.approx(found.p, abs=1e-9)
    if found.effect is not None and exchanged.effect is not None:
        assert exchanged.effect == pytest.approx(-found.effect, abs=1e-9)
        assert found.effect * found.difference >= 0
    assert compare(left, left).higher is None
    if len(left) + len(right) < 6:
        assert not found.enough


@quick
@given(st.lists(numbers, min_size=2, max_size=30))
def test_an_interval_is_around_its_mean(values: list[float]):
    found = fingerprint(values)
    assert found.mean is not None and found.low is not None and found.high is not None
    assert found.low <= found.mean + 1e-9 and found.mean <= found.high + 1e-9
    assert min(values) - 1e-9 <= found.mean <= max(values) + 1e-9
