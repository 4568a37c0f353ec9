"""Ratings from duels: known values, what no vote may break, and intervals that hold what they claim."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import log, log10
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from grabient_assets.consensus.ratings import CHOICES, PRIOR_DUELS, Rating, Vote, duel_share, rate
from grabient_assets.errors import AnnotationsError

NAMES = "abcdef"
votes = st.lists(
    st.builds(Vote, st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(sorted(CHOICES))), max_size=40
)
quick = settings(max_examples=25, deadline=None, derandomize=True)


def won(left: str, right: str, times: int, lost: int = 0, ties: int = 0) -> list[Vote]:
    return [Vote(left, right, "left")] * times + [Vote(left, right, "right")] * lost + [Vote(left, right, "tie")] * ties


def by_name(rated: list[Rating]) -> dict[str, Rating]:
    return {one.name: one for one in rated}


def test_a_hundred_points_are_64_percent_of_the_duels():
    assert duel_share(100) == pytest.approx(0.640065)
    assert duel_share(0) == 0.5
    assert duel_share(-400) == pytest.approx(1 / 11)


def test_two_are_as_far_apart_as_their_duels():
    """640 of 1,000: 100 points. The prior of half a duel moves that by less than half a point."""
    found = by_name(rate(won("a", "b", 640, lost=360)))
    assert found["a"].rating - found["b"].rating == pytest.approx(400 * log10(64 / 36), abs=0.5)
    assert found["a"].rating + found["b"].rating == pytest.approx(2000)
    # Each is half the difference from the mean: half of 1.96 / sqrt(1000 * 0.64 * 0.36), in points.
    high, low = found["a"].high, found["a"].low
    assert high is not None and low is not None
    assert (high - low) / 2 == pytest.approx(400 / log(10) * 0.5 * 1.95996 / (1000 * 0.64 * 0.36) ** 0.5, rel=0.01)


def test_the_ratings_are_those_of_greatest_likelihood():
    """The same penalized likelihood, maximized by scipy."""
    rng = np.random.default_rng(5)
    duels = [Vote(NAMES[i], NAMES[j], str(rng.choice(sorted(CHOICES)))) for i, j in rng.integers(0, 5, (80, 2))]
    counted = [vote for vote in duels if vote.left != vote.right]

    def negative(strengths: np.ndarray) -> float:
        total = 0.0
        for vote in counted:
            apart = strengths[NAMES.index(vote.left)] - strengths[NAMES.index(vote.right)]
            share = CHOICES[vote.choice]
            total += share * np.logaddexp(0, -apart) + (1 - share) * np.logaddexp(0, apart)
        prior = np.logaddexp(0, -strengths) + np.logaddexp(0, strengths)
        return float(total + PRIOR_DUELS / 2 * prior.sum())

    best = minimize(negative, np.zeros(5), tol=1e-12).x
    expected = 1000 + 400 / log(10) * (best - best.mean())
    found = by_name(rate(duels))
    assert [found[name].rating for name in NAMES[:5]] == pytest.approx(expected.tolist(), abs=0.01)
    assert sum(one.votes for one in found.values()) == 2 * len(counted)


def test_a_tie_is_half_a_win_for_each():
    tied, even = by_name(rate(won("a", "b", 0, ties=10))), by_name(rate(won("a", "b", 5, lost=5)))
    assert tied["a"].rating == tied["b"].rating == pytest.approx(1000)
    assert tied["a"] == even["a"]
    mixed, counted = rate(won("a", "b", 3, ties=2)), rate(won("a", "b", 4, lost=1))
    assert [one.rating for one in mixed] == pytest.approx([one.rating for one in counted])


@pytest.mark.parametrize("times", [1, 10, 1000, 100_000])
def test_one_that_won_every_duel_is_not_infinite(times: int):
    a, b = rate(won("a", "b", times))
    assert (a.name, b.name) == ("a", "b")
    assert 1000 < a.rating < 3000
    assert a.low is not None and a.low < a.rating
    more, _ = rate(won("a", "b", 2 * times))
    assert more.rating > a.rating


def test_a_chain_of_one_sided_duels_is_ordered():
    duels = [vote for left, right in pairwise(NAMES) for vote in won(left, right, 500)]
    rated = rate(duels)
    assert [one.name for one in rated] == list(NAMES)
    assert {one.group for one in rated} == {0}
    assert np.mean([one.rating for one in rated]) == pytest.approx(1000)


def test_who_met_the_same_rivals_is_compared_through_them():
    found = by_name(rate(won("a", "b", 30, lost=10) + won("b", "c", 30, lost=10)))
    # 3 : 1 twice is 9 : 1, and a never met c.
    assert found["a"].rating - found["c"].rating == pytest.approx(400 * log10(9), abs=10)


def test_those_that_never_met_are_groups_of_their_own():
    duels = won("x", "y", 9, lost=1) + won("a", "b", 1, lost=3) + won("b", "c", 2, lost=1)
    rated = rate(duels, names=["alone", "a"])
    assert [(one.name, one.group) for one in rated] == [
        *(("b", 0), ("c", 0), ("a", 0)),
        *(("x", 1), ("y", 1)),
        ("alone", 2),
    ]
    for group in (0, 1):
        assert np.mean([one.rating for one in rated if one.group == group]) == pytest.approx(1000)
    assert by_name(rated)["alone"] == Rating("alone", 0, 1000.0, None, None, 2)
    # What happens in one group changes nothing in another.
    more = by_name(rate(duels + won("x", "y", 50), names=["alone"]))
    assert more["a"] == by_name(rated)["a"]
    assert more["x"].rating > by_name(rated)["x"].rating


def test_nobody_and_nothing():
    assert rate([]) == []
    assert rate([], ["a"]) == [Rating("a", 0, 1000.0, None, None, 0)]
    assert rate([Vote("a", "a", "left")]) == [Rating("a", 0, 1000.0, None, None, 0)]


def test_another_choice_is_refused():
    with pytest.raises(AnnotationsError, match="A vote has the choice 'both'; there are left, tie, right"):
        rate([Vote("a", "b", "both")])


@quick
@given(votes, st.randoms(use_true_random=False))
def test_what_holds_for_any_votes(duels: list[Vote], random: Random):
    rated = rate(duels)
    assert all(np.isfinite(one.rating) for one in rated)
    for group in {one.group for one in rated}:
        assert np.mean([one.rating for one in rated if one.group == group]) == pytest.approx(1000)
    for one in rated:
        assert one.low is None or one.high is None or one.low <= one.rating <= one.high
        assert (one.low is None) == (one.votes == 0)
    shuffled = duels[:]
    random.shuffle(shuffled)
    assert rate(shuffled) == rated
    # Exchanging the sides, or what everybody chose.
    opposite = {"left": "right", "right": "left", "tie": "tie"}
    exchanged = by_name(rate([Vote(vote.right, vote.left, opposite[vote.choice]) for vote in duels]))
    mirrored = by_name(rate([Vote(vote.left, vote.right, opposite[vote.choice]) for vote in duels]))
    for name, one in by_name(rated).items():
        assert exchanged[name].rating == pytest.approx(one.rating, abs=1e-4)
        assert mirrored[name].rating == pytest.approx(2000 - one.rating, abs=1e-4)


@quick
@given(votes, st.sampled_from(list(combinations(NAMES, 2))))
def test_one_more_win_raises_a_rating(duels: list[Vote], pair: tuple[str, str]):
    winner, loser = pair
    tied = by_name(rate([*duels, Vote(winner, loser, "tie")]))
    better = by_name(rate([*duels, Vote(winner, loser, "left")]))
    assert better[winner].rating - better[loser].rating > tied[winner].rating - tied[loser].rating


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Four, 10 duels for each pair: 95 % are claimed."""
    random = np.random.default_rng(6)
    truth = np.array([1120.0, 1040.0, 960.0, 880.0])
    held: list[bool] = []
    for _ in range(100):
        duels = [
            Vote(
                NAMES[one], NAMES[other], "left" if random.random() < duel_share(truth[one] - truth[other]) else "right"
            )
            for one, other in combinations(range(4), 2)
            for _ in range(10)
        ]
        found = by_name(rate(duels))
        for place, rating in enumerate(truth):
            low, high = found[NAMES[place]].low, found[NAMES[place]].high
            assert low is not None and high is not None
            held.append(low <= rating <= high)
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)
