"""What must hold for any answers: order is nothing, repetition is nothing, probabilities sum to 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.consensus.agreement import Bootstrap, nominal_alpha, set_alpha
from grabient_assets.consensus.annotations import Annotations, categorical_annotations, tag_annotations
from grabient_assets.consensus.dawid_skene import estimate, estimate_tags
from grabient_assets.consensus.expectation import ErrorModel
from grabient_assets.consensus.majority import majority, tag_majority

ITEMS, ANNOTATORS, VALUES = 6, 4, 4
Row = tuple[int, int, int]
Answer = tuple[int, int, frozenset[int]]

rows = st.lists(
    st.tuples(st.integers(0, ITEMS - 1), st.integers(0, ANNOTATORS - 1), st.integers(-1, VALUES - 1)), max_size=40
)
answers = st.lists(
    st.tuples(
        st.integers(0, ITEMS - 1),
        st.integers(0, ANNOTATORS - 1),
        st.frozensets(st.integers(0, VALUES - 1)),
    ),
    max_size=30,
)
quick = settings(max_examples=60, deadline=None, derandomize=True)


def categorical(given_rows: list[Row]) -> Annotations:
    table = np.array(given_rows, dtype=np.int64).reshape(-1, 3)
    return categorical_annotations(*table.T, items=ITEMS, annotators=ANNOTATORS, values=VALUES)


def open_tags(given_answers: list[Answer]) -> Annotations:
    who = np.array([(item, one) for item, one, _ in given_answers], dtype=np.int64).reshape(-1, 2)
    pairs = [(number, tag) for number, (_, _, tags) in enumerate(given_answers) for tag in tags]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return tag_annotations(*who.T, *table.T, items=ITEMS, annotators=ANNOTATORS, tags=VALUES)


def of_categories(annotations: Annotations) -> dict[str, Any]:
    """Everything computed, with the candidates spread over (item, value)."""
    found, of = majority(annotations), annotations.candidates
    votes = np.zeros((ITEMS, VALUES))
    votes[of.item, of.value] = found.votes
    alpha = nominal_alpha(annotations, Bootstrap(1, 50))
    fits = [estimate(annotations, model) for model in ErrorModel]
    for fit in fits:
        assert fit.posterior.sum(axis=1) == pytest.approx(1)
        assert (fit.posterior >= 0).all()
        assert fit.parameters.confusion.sum(axis=2) == pytest.approx(1)
        assert fit.parameters.prevalence.sum() == pytest.approx(1)
    assert alpha.value is None or alpha.value <= 1
    return {
        "votes": votes,
        "top": found.top,
        "decided_by": found.decided_by,
        "alpha": [alpha.value, alpha.low, alpha.high],
        "posterior": np.stack([fit.posterior for fit in fits]),
        "confusion": np.stack([fit.parameters.confusion for fit in fits]),
    }


def of_tags(annotations: Annotations) -> dict[str, Any]:
    found, of = tag_majority(annotations), annotations.candidates
    votes, probability = np.zeros((ITEMS, VALUES)), np.full((ITEMS, VALUES), np.nan)
    fit = estimate_tags(annotations)
    assert ((fit.probability >= 0) & (fit.probability <= 1)).all()
    votes[of.item, of.value], probability[of.item, of.value] = found.votes, fit.probability
    alpha = set_alpha(annotations, Bootstrap(1, 50))
    return {"votes": votes, "probability": probability, "alpha": [alpha.value, alpha.low, alpha.high]}


def assert_equal(one: dict[str, Any], other: dict[str, Any], but: tuple[str, ...] = ()) -> None:
    for name in one:
        if name not in but:
            left, right = np.array(one[name], dtype=float), np.array(other[name], dtype=float)
            assert left == pytest.approx(right, abs=1e-4, nan_ok=True), name


@quick
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_nothing(said: list[Row], random: Any) -> None:
    shuffled = random.sample(said, len(said))
    assert_equal(of_categories(categorical(said)), of_categories(categorical(shuffled)))


@quick
@given(answers, st.randoms(use_true_random=False))
def test_the_order_of_tag_answers_is_nothing(said: list[Answer], random: Any) -> None:
    shuffled = random.sample(said, len(said))
    assert_equal(of_tags(open_tags(said)), of_tags(open_tags(shuffled)))


@quick
@given(rows, st.permutations(range(ANNOTATORS)))
def test_the_order_of_annotators_is_nothing(said: list[Row], order: list[int]) -> None:
    before = of_categories(categorical(said))
    after = of_categories(categorical([(item, order[one], value) for item, one, value in said]))
    assert_equal(before, after, but=("confusion",))
    assert before["confusion"] == pytest.approx(after["confusion"][:, order], abs=1e-4)


@quick
@given(answers, st.permutations(range(ANNOTATORS)))
def test_the_order_of_annotators_is_nothing_for_tags(said: list[Answer], order: list[int]) -> None:
    after = of_tags(open_tags([(item, order[one], tags) for item, one, tags in said]))
    assert_equal(of_tags(open_tags(said)), after)


@quick
@given(rows, st.permutations(range(ITEMS)))
def test_the_order_of_items_is_nothing(said: list[Row], order: list[int]) -> None:
    before = of_categories(categorical(said))
    after = of_categories(categorical([(order[item], one, value) for item, one, value in said]))
    for name in ("votes", "top", "decided_by"):
        assert np.array_equal(before[name], after[name][order])
    assert before["posterior"] == pytest.approx(after["posterior"][:, order], abs=1e-4)
    assert_equal({"alpha": before["alpha"]}, {"alpha": after["alpha"]})


@quick
@given(rows, st.integers(0, ANNOTATORS - 1), st.integers(2, 5))
def test_an_annotator_asked_more_often_weighs_no_more(said: list[Row], who: int, times: int) -> None:
    often = [row for row in said for _ in range(times if row[1] == who else 1)]
    assert_equal(of_categories(categorical(said)), of_categories(categorical(often)))


@quick
@given(answers, st.integers(0, ANNOTATORS - 1), st.integers(2, 5))
def test_an_annotator_asked_more_often_weighs_no_more_for_tags(said: list[Answer], who: int, times: int) -> None:
    often = [row for row in said for _ in range(times if row[1] == who else 1)]
    assert_equal(of_tags(open_tags(said)), of_tags(open_tags(often)))
