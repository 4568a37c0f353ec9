"""Open tags: a probability for every tag that somebody named."""

from __future__ import annotations

import numpy as np
import pytest

from grabient_assets.consensus.annotations import Annotations, tag_annotations
from grabient_assets.consensus.dawid_skene import estimate_tags, held_out_tags, tag_gold, tag_probabilities
from grabient_assets.consensus.gold import ABSENT, AMBIGUOUS, PRESENT, UNKNOWN
from grabient_assets.consensus.grouping import Ints
from grabient_assets.consensus.majority import tag_majority
from grabient_assets_tests.consensus.said import tagged

SENSITIVITY = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.7])
FALSE_ALARMS = np.array([0.05, 0.1, 0.2, 0.1, 0.3, 0.15])


def invented_tags(
    items: int, tags: int = 10_000, analyses: int = 2, seed: int = 0, asked: float = 1.0
) -> tuple[Annotations, Ints]:
    """Ten tags come to mind per item, three of them are true; and gold for every candidate."""
    random = np.random.default_rng(seed)
    mind = (random.integers(0, tags, (items, 1)) + np.arange(10) * 7) % tags
    rate = np.where((np.arange(10) < 3)[:, None], SENSITIVITY, FALSE_ALARMS)
    named = random.random((items, 6, analyses, 10)) < rate.T[None, :, None, :]
    there = random.random((items, 6)) < asked
    item, annotator, _ = (part[there].ravel() for part in np.indices((items, 6, analyses)))
    answer, place = np.nonzero(named[there].reshape(-1, 10))
    annotations = tag_annotations(
        item, annotator, answer, mind[item[answer], place], items=items, annotators=6, tags=tags
    )
    gold = tag_gold(annotations, np.ones(items, dtype=bool), np.repeat(np.arange(items), 3), mind[:, :3].ravel())
    return annotations, gold


def test_ten_thousand_tags() -> None:
    annotations, gold = invented_tags(3000)
    assert np.unique(annotations.candidates.value).size > 9000
    found = estimate_tags(annotations)
    assert found.fit.converged
    assert found.probability.shape == gold.shape
    assert found.sensitivity == pytest.approx(SENSITIVITY, abs=0.03)
    # Among candidates wrong tags are named more often than among all that come to mind: somebody named each.
    assert (found.specificity < 1 - FALSE_ALARMS).all()
    assert np.argsort(found.specificity).tolist() == np.argsort(1 - FALSE_ALARMS, kind="stable").tolist()
    right = ((found.probability > 0.5) == (gold == PRESENT)).mean()
    counted = ((tag_majority(annotations).share >= 0.5) == (gold == PRESENT)).mean()
    assert right > counted + 0.01


def test_an_absent_model_is_not_a_no() -> None:
    given = tagged({(0, 0): [[1]], (0, 1): [[1]], (1, 0): [[1]], (1, 1): [[1]], (1, 2): [[2]]}, tags=3)
    known = estimate_tags(invented_small()).parameters
    alone, contradicted = tag_probabilities(given, known)[[0, 1]]
    assert alone > contradicted


def invented_small() -> Annotations:
    """Three good annotators."""
    random = np.random.default_rng(3)
    return tagged(
        {
            (item, one): [[tag for tag in range(3) if (tag == item % 3) == (random.random() < 0.85)]]
            for item in range(60)
            for one in range(3)
        },
        tags=3,
    )


def test_a_tag_that_one_of_two_answers_holds_is_half_a_yes() -> None:
    known = estimate_tags(invented_small()).parameters
    twice = tag_probabilities(tagged({(0, 0): [[1], []], (0, 1): [[1]], (0, 2): [[]]}, tags=3), known)
    logs = np.log(known.confusion)
    odds = np.log(known.prevalence[PRESENT] / known.prevalence[ABSENT])
    for annotator, yes in ((0, 0.5), (1, 1.0), (2, 0.0)):
        ratio = logs[annotator, PRESENT] - logs[annotator, ABSENT]
        odds += yes * ratio[PRESENT] + (1 - yes) * ratio[ABSENT]
    assert twice == pytest.approx([1 / (1 + np.exp(-odds))])


def test_gold_measures_where_agreement_misleads() -> None:
    """Five of six name the same wrong tag on every item. Gold of a part tells so for the rest."""
    given = {(item, one): [[0] if one < 5 else [1]] for item in range(200) for one in range(6)}
    annotations = tagged(given, tags=2)
    true = np.arange(100)
    gold = tag_gold(annotations, np.arange(200) < 100, true, np.ones(100, dtype=np.int64))
    assert np.bincount(gold + 1).tolist() == [200, 100, 100]
    free, anchored = estimate_tags(annotations), estimate_tags(annotations, gold)
    wrong, right = (annotations.candidates.value == tag for tag in (0, 1))
    assert free.probability[wrong & (gold == UNKNOWN)].min() > 0.9
    assert anchored.probability[wrong & (gold == UNKNOWN)].max() < 0.1
    assert anchored.probability[right & (gold == UNKNOWN)].min() > 0.9
    assert anchored.sensitivity[5] > 0.9


def test_ambiguous_candidates_teach_nothing() -> None:
    annotations, gold = invented_tags(300)
    half = annotations.candidates.item < 150
    anchored = estimate_tags(annotations, np.where(half, gold, AMBIGUOUS))
    part = annotations.of_items(np.arange(300) < 150)
    alone = estimate_tags(part, gold[half])
    assert anchored.parameters.confusion == pytest.approx(alone.parameters.confusion)


def test_gold_is_judged_without_having_been_seen() -> None:
    annotations, gold = invented_tags(400, seed=2)
    known = np.where(annotations.candidates.item % 2 == 0, gold, UNKNOWN)
    judged = held_out_tags(annotations, known)
    assert np.array_equal(np.isnan(judged), known == UNKNOWN)
    right = (judged[known >= 0] > 0.5) == (known[known >= 0] == PRESENT)
    assert 0.9 < right.mean() < 1


def test_what_a_fold_is_said_to_be_does_not_change_how_it_is_judged() -> None:
    annotations, gold = invented_tags(100, seed=5)
    first = annotations.candidates.item % 5 == 0
    honest, lied = held_out_tags(annotations, gold), held_out_tags(annotations, np.where(first, 1 - gold, gold))
    assert np.array_equal(honest[first], lied[first])
    assert not np.array_equal(honest[~first], lied[~first])


def test_a_model_absent_from_half_the_items_keeps_its_rates() -> None:
    annotations, _ = invented_tags(2000, asked=0.5, seed=4)
    assert estimate_tags(annotations).sensitivity == pytest.approx(SENSITIVITY, abs=0.05)


def test_a_tag_in_every_answer_is_there() -> None:
    random = np.random.default_rng(1)
    given = {(item, one): [[0, int(random.integers(1, 9))]] for item in range(40) for one in range(4)}
    annotations = tagged(given, tags=9)
    found = estimate_tags(annotations)
    assert found.probability[annotations.candidates.value == 0].min() > 0.95


@pytest.mark.parametrize(
    "given",
    [
        {(0, 0): [[1, 2]], (1, 0): [[1]]},
        {(0, 0): [[1]], (0, 1): [[1]], (0, 2): [[1]]},
        {(0, 0): [[0]], (0, 1): [[1]], (0, 2): [[2]]},
        {(0, 0): [[]], (0, 1): [[]]},
        {},
    ],
    ids=["one model", "one item, all equal", "one item, all different", "empty answers", "no answer"],
)
def test_small_panels_have_probabilities(given: dict[tuple[int, int], list[list[int]]]) -> None:
    annotations = tagged(given, tags=3, items=2, annotators=3)
    found = estimate_tags(annotations)
    assert found.probability.shape == annotations.candidates.item.shape
    assert ((found.probability > 0) & (found.probability < 1)).all()
    assert np.isfinite(found.fit.objective)
