"""Dawid-Skene for categories: what gold, spammers, absence and silence do to the probabilities."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.dawid_skene import Estimate, estimate, held_out, posteriors
from grabient_assets.consensus.expectation import ErrorModel, ErrorRates, Stop
from grabient_assets.consensus.gold import AMBIGUOUS, UNKNOWN
from grabient_assets.consensus.grouping import Ints
from grabient_assets.consensus.majority import majority
from grabient_assets.errors import AnnotationsError
from grabient_assets_tests.consensus.invented import invented
from grabient_assets_tests.consensus.said import columns, said

BOTH = pytest.mark.parametrize("model", list(ErrorModel))


@BOTH
def test_skill_is_found_without_gold(model: ErrorModel) -> None:
    skills = [0.9, 0.8, 0.7, 0.6, 0.5]
    annotations, truth = invented(skills, items=4000, values=3, seed=1)
    found = estimate(annotations, model)
    assert found.fit.converged
    assert found.parameters.accuracy == pytest.approx(skills, abs=0.03)
    # Weighing the votes by skill beats counting them.
    assert (found.top == truth).mean() > (majority(annotations).top == truth).mean() + 0.02


def test_the_confusion_of_each_annotator_is_found() -> None:
    truth = np.random.default_rng(2).choice(3, 6000, p=[0.5, 0.3, 0.2])
    confused = np.where((truth == 2) & (np.arange(6000) % 2 == 0), 1, truth)
    annotations = columns(confused.tolist(), truth.tolist(), truth.tolist(), values=3)
    found = estimate(annotations).parameters
    assert found.confusion[0, 2] == pytest.approx([0, 0.5, 0.5], abs=0.02)
    assert found.prevalence == pytest.approx([0.5, 0.3, 0.2], abs=0.02)


@BOTH
def test_the_objective_never_falls(model: ErrorModel) -> None:
    annotations, _ = invented([0.7, 0.6, 0.5, 0.4], items=300, values=4, seed=3)
    reached = [estimate(annotations, model, stop=Stop(number, 0.0)).fit for number in range(1, 25)]
    objectives = [fit.objective for fit in reached]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(objectives))
    assert objectives[-1] > objectives[0]
    assert [fit.iterations for fit in reached] == list(range(1, 25))


def test_the_likelihood_is_that_of_the_votes() -> None:
    annotations, _ = invented([0.8, 0.6], items=40, values=2, seed=4)
    found = estimate(annotations)
    confusion, prevalence = found.parameters.confusion, found.parameters.prevalence
    total = 0.0
    for item in range(40):
        joint = prevalence.copy()
        for row in np.flatnonzero(annotations.ballot_item[annotations.entry_ballot] == item):
            annotator = annotations.ballot_annotator[annotations.entry_ballot[row]]
            joint = joint * confusion[annotator, :, annotations.entry_value[row]]
        total += np.log(joint.sum())
        assert found.posterior[item] == pytest.approx(joint / joint.sum(), abs=1e-9)
    assert found.fit.log_likelihood == pytest.approx(total)


def trapped(items: int) -> tuple[Annotations, Ints]:
    """Four of five annotators take 2 for 1; a sober one does not."""
    random = np.random.default_rng(6)
    truth = random.choice(3, items, p=[0.5, 0.25, 0.25])
    rows = [np.where((truth == 2) & (random.random(items) < 0.9), 1, truth) for _ in range(4)]
    rows.append(np.where(random.random(items) < 0.95, truth, 0))
    return columns(*(row.tolist() for row in rows), values=3), truth


def test_gold_frees_from_a_mistake_that_most_share() -> None:
    annotations, truth = trapped(2000)
    gold = np.where(np.arange(2000) < 500, truth, UNKNOWN)
    rest = gold == UNKNOWN
    free, anchored = estimate(annotations, ErrorModel.ONE_COIN), estimate(annotations, ErrorModel.FULL, gold)
    assert (free.top == truth)[rest].mean() < 0.85
    assert (anchored.top == truth)[rest].mean() > 0.93
    assert np.array_equal(anchored.posterior[~rest], np.eye(3)[truth[~rest]])
    assert anchored.parameters.confusion[0, 2, 1] == pytest.approx(0.9, abs=0.03)


def test_ambiguous_items_teach_nothing() -> None:
    annotations, truth = invented([0.9, 0.8, 0.7], items=600, values=3, seed=7)
    first = np.arange(600) < 300
    anchored = estimate(annotations, ErrorModel.FULL, np.where(first, truth, AMBIGUOUS))
    alone = estimate(annotations.of_items(first), ErrorModel.FULL, np.where(first, truth, UNKNOWN))
    assert anchored.parameters.confusion == pytest.approx(alone.parameters.confusion)
    assert anchored.parameters.prevalence == pytest.approx(alone.parameters.prevalence)
    assert anchored.posterior[~first] == pytest.approx(posteriors(annotations, alone.parameters)[~first])


def test_gold_is_judged_without_having_been_seen() -> None:
    annotations, truth = trapped(1500)
    gold = np.where(np.arange(1500) % 2 == 0, truth, UNKNOWN)
    judged = held_out(annotations, gold)
    assert np.isnan(judged[gold == UNKNOWN]).all()
    seen = judged[gold >= 0]
    assert seen.sum(axis=1) == pytest.approx(1)
    assert 0.93 < (seen.argmax(axis=1) == truth[gold >= 0]).mean() < 1
    assert not np.array_equal(seen, np.eye(3)[truth[gold >= 0]])


def test_what_a_fold_is_said_to_be_does_not_change_how_it_is_judged() -> None:
    annotations, truth = trapped(300)
    lied = truth.copy()
    lied[::5] = (truth[::5] + 1) % 3
    # With five folds every fifth item is the first fold.
    assert np.array_equal(held_out(annotations, truth)[::5], held_out(annotations, lied)[::5])
    assert not np.array_equal(held_out(annotations, truth)[1::5], held_out(annotations, lied)[1::5])


def copied_annotator(annotations: Annotations, which: int) -> Annotations:
    """One annotator, six times."""
    one = annotations.of_annotators([which])
    table = np.full((one.items, 6), -1)
    table[one.ballot_item[one.entry_ballot]] = one.entry_value[:, None]
    return columns(*([None if v < 0 else int(v) for v in column] for column in table.T), values=one.values)


def parameters_of_copies(parameters: ErrorRates, which: int) -> ErrorRates:
    return ErrorRates(parameters.prevalence, np.stack([parameters.confusion[which]] * 6))


def test_votes_that_count_less_are_believed_less() -> None:
    """Six whose errors correlate by 0.2 are worth three votes, four of them 2.5, one of them one."""
    annotations, _ = invented([0.8] * 6, items=200, values=2, seed=8)
    parameters = estimate(annotations).parameters
    mixed = annotations.only((annotations.ballot_item >= 100) | (annotations.ballot_annotator < 4))
    mixed = mixed.only((mixed.ballot_item != 150) | (mixed.ballot_annotator == 0))
    full, less = posteriors(mixed, parameters), posteriors(mixed, parameters, correlation=0.2)
    prior = np.diff(np.log(parameters.prevalence))
    evidence = [np.diff(np.log(found), axis=1)[:, 0] - prior for found in (full, less)]
    weight = np.where(np.arange(200) < 100, 2.5 / 4, 3 / 6)
    weight[150] = 1.0
    assert evidence[1] == pytest.approx(evidence[0] * weight)
    once = posteriors(mixed.of_annotators([2]), parameters)
    copies = posteriors(copied_annotator(mixed, 2), parameters_of_copies(parameters, 2), correlation=1.0)
    assert copies == pytest.approx(once)


def test_gold_that_does_not_fit_is_refused() -> None:
    annotations = columns([0, 1], values=2)
    for gold in (np.array([0]), np.array([0, 2]), np.array([0, -3])):
        with pytest.raises(AnnotationsError, match="Gold should hold 2 codes from -2 to 1"):
            estimate(annotations, gold=gold)


def finite(found: Estimate) -> Estimate:
    assert np.isfinite(found.posterior).all()
    assert found.posterior.sum(axis=1) == pytest.approx(1)
    assert np.isfinite([found.fit.log_likelihood, found.fit.objective]).all()
    return found


@BOTH
def test_one_model(model: ErrorModel) -> None:
    assert finite(estimate(columns([0, 1, 1, 2], values=3), model)).top.tolist() == [0, 1, 1, 2]


@BOTH
def test_one_item(model: ErrorModel) -> None:
    assert finite(estimate(columns([1], [1], [0], values=2), model)).top.tolist() == [1]


@BOTH
def test_all_equal(model: ErrorModel) -> None:
    found = finite(estimate(columns([1] * 50, [1] * 50, [1] * 50, values=3), model))
    assert found.top.tolist() == [1] * 50
    assert found.posterior[:, 1].min() > 0.95


@BOTH
def test_all_different(model: ErrorModel) -> None:
    found = finite(estimate(columns([0], [1], [2], values=3), model))
    assert found.posterior[0] == pytest.approx([1 / 3] * 3)


@BOTH
def test_no_usable_answer(model: ErrorModel) -> None:
    found = finite(estimate(said({(0, 0): [None], (1, 0): [0], (1, 1): [0], (2, 1): [0]}, values=2, items=4), model))
    assert found.answered.tolist() == [False, True, True, False]
    assert found.top.tolist() == [-1, 0, 0, -1]
    assert found.posterior[0] == pytest.approx(found.parameters.prevalence)
    nothing = finite(estimate(said({}, values=3, items=2, annotators=2), model))
    assert nothing.top.tolist() == [-1, -1]


@BOTH
def test_one_possible_value(model: ErrorModel) -> None:
    assert finite(estimate(columns([0, 0], [0, None], values=1), model)).posterior.tolist() == [[1.0], [1.0]]


@BOTH
def test_a_model_absent_from_half_the_items_is_judged_on_the_rest(model: ErrorModel) -> None:
    annotations, truth = invented([0.85, 0.8, 0.75, 0.9], items=2000, values=3, seed=9)
    absent = (annotations.ballot_annotator == 3) & (annotations.ballot_item < 1000)
    found = finite(estimate(annotations.only(~absent), model))
    assert found.parameters.accuracy[3] == pytest.approx(0.9, abs=0.03)
    assert (found.top == truth).mean() > 0.9


def test_a_tie_between_equally_good_annotators_is_even() -> None:
    found = estimate(columns([0, 0, 1, 1], [0, 1, 0, 1], values=2), ErrorModel.ONE_COIN)
    assert found.posterior[1] == pytest.approx(found.posterior[2])
    assert found.posterior[1] == pytest.approx([0.5, 0.5])
