"""Krippendorff's alpha for categories, on published examples and at the edges."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from grabient_assets.consensus.agreement import Bootstrap, item_entropy, nominal_alpha, tag_entropy
from grabient_assets.consensus.annotations import categorical_annotations
from grabient_assets_tests.consensus.invented import invented
from grabient_assets_tests.consensus.said import columns, said

# K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011). B: nominal data, two observers, twelve units;
# A: binary data, two observers, ten units; C: four observers, twelve units, missing data.
B_MEG = [*"aabbdcccedda"]
B_OWEN = [*"babbbccceddd"]
A_JON = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
A_HAN = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
C_OBSERVERS = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]


def test_four_observers_with_missing_data() -> None:
    rows = [[None if mark == "." else int(mark) - 1 for mark in row] for row in C_OBSERVERS]
    found = nominal_alpha(columns(*rows, values=5))
    assert found.value == pytest.approx(0.743, abs=5e-4)
    # The twelfth unit has one value only and pairs with nothing.
    assert (found.units, found.votes) == (11, 40)


def test_two_observers_binary_data() -> None:
    assert nominal_alpha(columns(A_JON, A_HAN, values=2)).value == pytest.approx(0.095, abs=5e-4)


def test_two_observers_five_categories() -> None:
    meg, owen = ([ord(mark) - ord("a") for mark in row] for row in (B_MEG, B_OWEN))
    assert nominal_alpha(columns(meg, owen, values=5)).value == pytest.approx(0.692, abs=5e-4)


def test_several_answers_of_a_model_are_one_vote() -> None:
    once = said({(item, one): [int(item % 2 == one % 2)] for item in range(9) for one in range(3)}, values=2)
    often = said({(item, one): [int(item % 2 == one % 2)] * 5 for item in range(9) for one in range(3)}, values=2)
    assert nominal_alpha(once) == nominal_alpha(often)


def test_the_interval_holds_the_value_and_narrows() -> None:
    few, many = (
        nominal_alpha(invented([0.8] * 4, items=items, values=3, seed=1)[0], Bootstrap(7)) for items in (100, 10_000)
    )
    for found in (few, many):
        assert found.low is not None
        assert found.high is not None
        assert found.value is not None
        assert found.low < found.value < found.high
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    # A hundred times the items, a tenth of the width.
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10, rel=0.3)


def test_the_interval_is_that_of_drawing_items() -> None:
    annotations, _ = invented([0.7] * 3, items=60, values=3, seed=2)
    found = nominal_alpha(annotations, Bootstrap(3, 4000))
    random, values = np.random.default_rng(0), []
    table = np.zeros((60, 3))
    np.add.at(table, (annotations.ballot_item[annotations.entry_ballot], annotations.entry_value), 1)
    for _ in range(4000):
        drawn = table[random.integers(0, 60, 60)]
        observed = ((9 - (drawn**2).sum(axis=1)) / 2).sum() / 180
        expected = (180**2 - (drawn.sum(axis=0) ** 2).sum()) / (180 * 179)
        values.append(1 - observed / expected)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=0.02)


def test_the_same_seed_gives_the_same_interval() -> None:
    annotations, _ = invented([0.7] * 3, items=200, values=3, seed=2)
    assert nominal_alpha(annotations, Bootstrap(1)) == nominal_alpha(annotations, Bootstrap(1))
    assert nominal_alpha(annotations, Bootstrap(1)).low != nominal_alpha(annotations, Bootstrap(2)).low


def test_one_model_has_no_alpha() -> None:
    found = nominal_alpha(columns([0, 1, 1], values=2), Bootstrap(1))
    assert (found.value, found.reason) == (None, "No item has votes of two annotators.")


def test_all_equal_has_no_alpha() -> None:
    found = nominal_alpha(columns([1, 1], [1, 1], values=2), Bootstrap(1))
    assert (found.value, found.low, found.units) == (None, None, 2)
    assert found.reason == "Every vote is the same, so chance would agree as well."


def test_no_answer_has_no_alpha() -> None:
    assert nominal_alpha(said({}, values=2, items=3, annotators=2)).value is None


def test_one_item() -> None:
    assert nominal_alpha(columns([0], [1], [1], values=2)).value == pytest.approx(0.0)


def test_all_different_is_worse_than_chance() -> None:
    found = nominal_alpha(columns([0, 0], [1, 1], [2, 2], values=3), Bootstrap(1))
    assert found.value == pytest.approx(1 - 1 / (24 / 30))


def test_perfect_agreement_is_one() -> None:
    assert nominal_alpha(columns([0, 1], [0, 1], values=2)).value == 1.0


@pytest.mark.parametrize("answers", [2, 4])
@pytest.mark.parametrize("right", [0.25, 0.5, 0.8])
def test_asking_more_often_makes_no_agreement(right: float, answers: int) -> None:
    """Ten models that err on their own. Of four values a guess is right in a quarter: two of them agree by chance, and
    alpha is 0. Two right in 8 of 10 agree in 0.64 + 3 (0.2 / 3)^2 = 0.6533 cases: alpha 0.5378."""
    items, annotators = np.indices((400, 10)).reshape(2, -1).repeat(answers, axis=1)
    random = np.random.default_rng(5)
    truth = random.integers(0, 4, 400)
    off = np.where(random.random(items.size) < right, 0, random.integers(1, 4, items.size))
    said_ = (truth[items] + off) % 4
    found = nominal_alpha(categorical_annotations(items, annotators, said_, items=400, annotators=10, values=4))
    agree = right**2 + (1 - right) ** 2 / 3
    assert found.value == pytest.approx(1 - (1 - agree) / 0.75, abs=0.02)


def test_half_votes_by_hand() -> None:
    """Unit 0: {a, b} against a, half of the pairs differ; unit 1: b against b. Expected, over the pairs of different
    ballots: {a, b} a 1/2, {a, b} b twice 1/2, a b twice 1, b b 0: 3.5 of 6."""
    torn = said({(0, 0): [0, 1], (0, 1): [0], (1, 0): [1], (1, 1): [1, None]}, values=2)
    found = nominal_alpha(torn)
    assert (found.observed, found.expected) == (pytest.approx(0.25), pytest.approx(3.5 / 6))
    assert (found.units, found.votes) == (2, 4)


def test_half_votes_against_plain_pair_counting() -> None:
    """Three answers each with gaps: all pairs of answers of different models, each ballot weighing one."""
    random = np.random.default_rng(3)
    given = {
        (item, who): [None if one < 0 else int(one) for one in random.integers(-1, 4, random.integers(1, 4))]
        for item in range(12)
        for who in range(5)
        if random.random() < 0.8
    }
    ballots: dict[int, list[list[int]]] = {}
    for (item, _), values in given.items():
        if kept := [one for one in values if one is not None]:
            ballots.setdefault(item, []).append(kept)
    units = [unit for unit in ballots.values() if len(unit) > 1]

    def apart(one: list[int], other: list[int]) -> float:
        return sum(a != b for a in one for b in other) / (len(one) * len(other))

    every = [ballot for unit in units for ballot in unit]
    n = len(every)
    observed = sum(2 * apart(*pair) / (len(unit) - 1) for unit in units for pair in combinations(unit, 2)) / n
    expected = sum(2 * apart(*pair) for pair in combinations(every, 2)) / (n * (n - 1))
    found = nominal_alpha(said(given, values=4), Bootstrap(1))
    assert (found.value, found.votes) == (pytest.approx(1 - observed / expected), n)
    assert found.low is not None and found.high is not None and found.low < 1 - observed / expected < found.high


def test_entropy_of_items() -> None:
    rows = [[0, 0, 0, None], [0, 1, 0, None], [0, 2, 1, None], [0, 3, None, None]]
    found = item_entropy(columns(*rows, values=4))
    assert found[:3] == pytest.approx([0, 2, -(2 / 3) * np.log2(2 / 3) - (1 / 3) * np.log2(1 / 3)])
    assert np.isnan(found[3])
    assert item_entropy(said({(0, 0): [0, 1], (0, 1): [0]}, values=2)) == pytest.approx([0.8113], abs=5e-5)


def test_entropy_of_tags() -> None:
    found = tag_entropy(np.array([0, 0, 1]), np.array([1.0, 0.5, 0.0]), 3)
    assert found[:2] == pytest.approx([0.5, 0.0])
    assert np.isnan(found[2])
