"""Krippendorff's alpha for categories, on published examples and at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from grabient_assets.consensus.agreement import Alpha, Bootstrap, item_entropy, nominal_alpha, tag_entropy
from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.majority import majority
from grabient_assets.errors import AnnotationsError
from grabient_assets_tests.consensus.invented import invented
from grabient_assets_tests.consensus.said import columns, said

# K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011). B: nominal data, two observers, twelve units;
# A: binary data, two observers, ten units; C: four observers, twelve units, missing data.
B_MEG = [*"aabbdcccedda"]
B_OWEN = [*"babbbccceddd"]
A_JON = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
A_HAN = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
C_OBSERVERS = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]


def alpha(annotations: Annotations, bootstrap: Bootstrap | None = None) -> Alpha:
    of = annotations.candidates
    votes = majority(annotations).votes
    return nominal_alpha(
        of.item, of.value, votes, items=annotations.items, values=annotations.values, bootstrap=bootstrap
    )


def test_four_observers_with_missing_data() -> None:
    rows = [[None if mark == "." else int(mark) - 1 for mark in row] for row in C_OBSERVERS]
    found = alpha(columns(*rows, values=5))
    assert found.value == pytest.approx(0.743, abs=5e-4)
    # The twelfth unit has one value only and pairs with nothing.
    assert (found.units, found.votes) == (11, 40)


def test_two_observers_binary_data() -> None:
    assert alpha(columns(A_JON, A_HAN, values=2)).value == pytest.approx(0.095, abs=5e-4)


def test_two_observers_five_categories() -> None:
    meg, owen = ([ord(mark) - ord("a") for mark in row] for row in (B_MEG, B_OWEN))
    assert alpha(columns(meg, owen, values=5)).value == pytest.approx(0.692, abs=5e-4)


def test_several_answers_of_a_model_are_one_vote() -> None:
    once = said({(item, one): [int(item % 2 == one % 2)] for item in range(9) for one in range(3)}, values=2)
    often = said({(item, one): [int(item % 2 == one % 2)] * 5 for item in range(9) for one in range(3)}, values=2)
    assert alpha(once) == alpha(often)


def test_the_interval_holds_the_value_and_narrows() -> None:
    few, many = (alpha(invented([0.8] * 4, items=items, values=3, seed=1)[0], Bootstrap(7)) for items in (100, 10_000))
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
    found = alpha(annotations, Bootstrap(3, 4000))
    random, values = np.random.default_rng(0), []
    table = np.zeros((60, 3))
    of = annotations.candidates
    table[of.item, of.value] = majority(annotations).votes
    for _ in range(4000):
        drawn = table[random.integers(0, 60, 60)]
        observed = ((9 - (drawn**2).sum(axis=1)) / 2).sum() / 180
        expected = (180**2 - (drawn.sum(axis=0) ** 2).sum()) / (180 * 179)
        values.append(1 - observed / expected)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=0.02)


def test_the_same_seed_gives_the_same_interval() -> None:
    annotations, _ = invented([0.7] * 3, items=200, values=3, seed=2)
    assert alpha(annotations, Bootstrap(1)) == alpha(annotations, Bootstrap(1))
    assert alpha(annotations, Bootstrap(1)).low != alpha(annotations, Bootstrap(2)).low


def test_one_model_has_no_alpha() -> None:
    found = alpha(columns([0, 1, 1], values=2), Bootstrap(1))
    assert (found.value, found.reason) == (None, "No item has votes of two annotators.")


def test_all_equal_has_no_alpha() -> None:
    found = alpha(columns([1, 1], [1, 1], values=2), Bootstrap(1))
    assert (found.value, found.low, found.units) == (None, None, 2)
    assert found.reason == "Every vote is the same, so chance would agree as well."


def test_no_answer_has_no_alpha() -> None:
    assert alpha(said({}, values=2, items=3, annotators=2)).value is None


def test_one_item() -> None:
    assert alpha(columns([0], [1], [1], values=2)).value == pytest.approx(0.0)


def test_all_different_is_worse_than_chance() -> None:
    found = alpha(columns([0, 0], [1, 1], [2, 2], values=3), Bootstrap(1))
    assert found.value == pytest.approx(1 - 1 / (24 / 30))


def test_perfect_agreement_is_one() -> None:
    assert alpha(columns([0, 1], [0, 1], values=2)).value == 1.0


def test_more_votes_than_can_be_counted_are_refused() -> None:
    with pytest.raises(AnnotationsError, match="has 65536 votes for one value"):
        nominal_alpha(np.array([0]), np.array([0]), np.array([65_536]), items=1, values=1)


def test_entropy_of_items() -> None:
    votes = np.array([4, 1, 1, 1, 1, 2, 1])
    found = item_entropy(np.array([0, 1, 1, 1, 1, 2, 2]), votes, 4)
    assert found[:3] == pytest.approx([0, 2, -(2 / 3) * np.log2(2 / 3) - (1 / 3) * np.log2(1 / 3)])
    assert np.isnan(found[3])


def test_entropy_of_tags() -> None:
    found = tag_entropy(np.array([0, 0, 1]), np.array([1.0, 0.5, 0.0]), 3)
    assert found[:2] == pytest.approx([0.5, 0.0])
    assert np.isnan(found[2])
