"""Items whose true class is known, and what is measured on them: annotators and probabilities.

Gold is an array of codes beside the items. A code is a class (0 or more), UNKNOWN or AMBIGUOUS. An unknown item is
used in a fit like any other. An ambiguous item, of which two readings are right, gets its probabilities from the fit
and is not used in it. Scores leave both out.

The unit of every score of an annotator is the item, not the answer: two answers of one model to one palette are not
two measurements. An annotator that was right in one of two answers counts half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.grouping import Flags, Floats, Ints
from grabient_assets.errors import AnnotationsError

UNKNOWN = -1
AMBIGUOUS = -2
# The classes of a candidate tag.
ABSENT, PRESENT = 0, 1

# The normal quantile of a 95 % interval.
Z = 1.959963984540054
# Of a reliability curve.
BINS = 10


def checked_gold(gold: Ints | None, items: int, classes: int) -> Ints:
    """`gold` as int64, all UNKNOWN when it is None. Raises AnnotationsError when it does not fit."""
    if gold is None:
        return np.full(items, UNKNOWN, dtype=np.int64)
    if gold.shape != (items,) or (items and not AMBIGUOUS <= int(gold.min()) <= int(gold.max()) < classes):
        raise AnnotationsError(
            f"Gold should hold {items} codes from {AMBIGUOUS} to {classes - 1}; it has shape {gold.shape} "
            f"and runs from {gold.min(initial=0)} to {gold.max(initial=0)}."
        )
    return gold.astype(np.int64)


def folds_of(gold: Ints, folds: int) -> Ints:
    """The fold of every item whose class is known, -1 for the others: in turn, so every fold is as large."""
    known = np.flatnonzero(gold >= 0)
    fold = np.full(gold.size, -1, dtype=np.int64)
    fold[known] = np.arange(known.size) % folds
    return fold


@dataclass(frozen=True, eq=False)
class GoldRates:
    """`value` = successes / trials, with its 95 % interval `low` to `high`; NaN where there were no trials."""

    value: Floats
    low: Floats
    high: Floats
    trials: Floats


def wilson(successes: Floats | Ints, trials: Floats | Ints) -> GoldRates:
    """Wilson's score interval (E. B. Wilson, JASA 22 (1927) 209-212); it stays in 0 to 1 and holds for few trials.

    Successes may be parts: an annotator that was right in one of two answers on an item has half a success.
    """
    successes, trials = successes.astype(np.float64), trials.astype(np.float64)
    tried = trials > 0
    n = np.where(tried, trials, 1.0)
    share = successes / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(np.maximum(share * (1 - share), 0) / n + Z**2 / (4 * n**2))
    # At 0 and 1 the bound is the share itself; rounding would move it off by a little.
    low = np.where(successes <= 0, 0.0, np.minimum(np.maximum(middle - half, 0), share))
    high = np.where(successes >= trials, 1.0, np.maximum(np.minimum(middle + half, 1), share))
    value, low, high = (np.where(tried, part, np.nan) for part in (share, low, high))
    return GoldRates(value, low, high, trials)


def macro_average(rates: GoldRates) -> GoldRates:
    """The plain mean over the last axis of what was tried there, whatever the trials, with the sum of them.

    Interval: the distances of the single bounds from their rates, added in squares (the "method of variance estimates
    recovery": G. Y. Zou and A. Donner, Statistics in Medicine 27 (2008) 1693-1702).
    """
    tried = rates.trials > 0
    number = tried.sum(axis=-1)

    def mean(part: Floats) -> Floats:
        total = np.where(tried, part, 0.0).sum(axis=-1)
        return np.divide(total, number, out=np.full(number.shape, np.nan), where=number > 0)

    value = mean(rates.value)
    down, up = (np.sqrt(mean((part - rates.value) ** 2) / np.maximum(number, 1)) for part in (rates.low, rates.high))
    return GoldRates(value, np.maximum(value - down, 0.0), np.minimum(value + up, 1.0), rates.trials.sum(axis=-1))


@dataclass(frozen=True, eq=False)
class Skill:
    """Measured on gold. `confusion[annotator, true value, given value]` in items; ballots of blanks are not in it.

    `accuracy`: shape (annotators,), of the items for which it named a value. `sensitivity` (named k when it was k) and
    `specificity` (did not name k when it was not): shape (annotators, values), of all items it answered; a blank names
    no value, so it is a miss and no false alarm. All with 95 % intervals.
    """

    confusion: Floats
    accuracy: GoldRates
    sensitivity: GoldRates
    specificity: GoldRates


@dataclass(frozen=True, eq=False)
class TagSkill:
    """Measured on gold candidates, shape (annotators,): named a true tag, did not name a wrong candidate."""

    sensitivity: GoldRates
    specificity: GoldRates


def measure_skill(annotations: Annotations, gold: Ints) -> Skill:
    """Skill in a categorical field. `gold`: a code per item; raises AnnotationsError when it does not fit."""
    gold = checked_gold(gold, annotations.items, annotations.values)
    named = _confusion(annotations, gold, annotations.entry_weight)
    right, given = np.einsum("akk->a", named), named.sum(axis=(1, 2))
    part = annotations.entry_times / annotations.ballot_answers[annotations.entry_ballot]
    responses = _confusion(annotations, gold, part)
    asked = _asked(annotations, gold)
    hits = np.einsum("akk->ak", responses)
    others = asked.sum(axis=1, keepdims=True) - asked
    false_alarms = responses.sum(axis=1) - hits
    return Skill(named, wilson(right, given), wilson(hits, asked), wilson(others - false_alarms, others))


def blank_answers(annotations: Annotations) -> Ints:
    """How many usable answers of each annotator give no value of a categorical field, shape (annotators,)."""
    who, number = annotations.ballot_annotator, annotations.annotators
    answers = np.bincount(who, weights=annotations.ballot_answers, minlength=number)
    named = np.bincount(who[annotations.entry_ballot], weights=annotations.entry_times, minlength=number)
    return np.rint(answers - named).astype(np.int64)


def _confusion(annotations: Annotations, gold: Ints, weight: Floats) -> Floats:
    """The weight of entries on gold items, shape (annotators, true values, given values)."""
    ballot, values = annotations.entry_ballot, annotations.values
    true = gold[annotations.ballot_item[ballot]]
    known = true >= 0
    cell = (annotations.ballot_annotator[ballot].astype(np.int64) * values + true) * values + annotations.entry_value
    found = np.bincount(cell[known], weights=weight[known], minlength=annotations.annotators * values**2)
    return found.reshape(annotations.annotators, values, values).astype(np.float64)


def _asked(annotations: Annotations, gold: Ints) -> Floats:
    """On how many gold items of each true value each annotator has a ballot, shape (annotators, values)."""
    true, values = gold[annotations.ballot_item], annotations.values
    known = true >= 0
    cell = annotations.ballot_annotator[known].astype(np.int64) * values + true[known]
    found = np.bincount(cell, minlength=annotations.annotators * values)
    return found.reshape(annotations.annotators, values).astype(np.float64)


def measure_tag_skill(annotations: Annotations, gold: Ints) -> TagSkill:
    """Skill in a tag field. `gold`: a code per candidate (dawid_skene.tag_gold)."""
    of = annotations.candidates
    gold = checked_gold(gold, of.item.size, 2)
    responses = np.zeros((of.item.size, annotations.annotators))
    ballot = annotations.entry_ballot
    responses[of.of_entry, annotations.ballot_annotator[ballot]] = (
        annotations.entry_times / annotations.ballot_answers[ballot]
    )
    asked = annotations.present[of.item]
    true, wrong = gold == PRESENT, (gold > UNKNOWN) & (gold != PRESENT)
    return TagSkill(
        wilson(responses[true].sum(axis=0), asked[true].sum(axis=0)),
        wilson((asked - responses)[wrong].sum(axis=0), asked[wrong].sum(axis=0)),
    )


def errors_on_gold(annotations: Annotations, gold: Ints) -> Floats:
    """How wrong each annotator was on each gold item, shape (gold items, annotators).

    0 is right, 1 is wrong, NaN means that the annotator gave no value.
    """
    gold = checked_gold(gold, annotations.items, annotations.values)
    ballot = annotations.entry_ballot
    errors = np.full((annotations.items, annotations.annotators), np.nan)
    where = annotations.ballot_item[ballot], annotations.ballot_annotator[ballot]
    errors[where] = 1.0
    hit = annotations.entry_value == gold[where[0]]
    errors[where[0][hit], where[1][hit]] = 1 - annotations.entry_weight[hit]
    return errors[gold >= 0]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Judged predictions in equal bins of what they claimed, shape (bins,).

    `confidence`: the mean claim in the bin (NaN when empty); `correct`: how often it was right, with interval.
    """

    edges: Floats
    count: Ints
    confidence: Floats
    correct: GoldRates


@dataclass(frozen=True, eq=False)
class Calibration:
    """`brier`: mean squared distance from the truth (Brier 1950), over all classes: 0 perfect, 2 certain and wrong.

    For yes-or-no probabilities it is the usual one-sided score, 0 to 1. `expected_error`: expected calibration error,
    the mean distance of claim and outcome over the bins, weighted by their counts (Naeini, Cooper and Hauskrecht,
    AAAI 2015). `judged`: predictions; all scores are None when there are none.
    """

    judged: int
    accuracy: float | None
    brier: float | None
    expected_error: float | None
    reliability: Reliability


def calibration(posterior: Floats, truth: Ints, bins: int = BINS) -> Calibration:
    """Judge `posterior` (items, values) by `truth` (a value per item; negative is left out).

    The claim is the probability of the most probable value. Rows with NaN are left out.
    """
    judged = (truth >= 0) & np.isfinite(posterior).all(axis=1)
    given, truth = posterior[judged], truth[judged]
    right = given.argmax(axis=1) == truth if given.size else np.zeros(0, dtype=bool)
    distance = given - (np.arange(posterior.shape[1]) == truth[:, None])
    return _judge(given.max(axis=1, initial=0.0), right, right, (distance**2).sum(axis=1), bins)


def tag_calibration(probability: Floats, truth: Ints, bins: int = BINS) -> Calibration:
    """Judge yes-or-no probabilities by `truth` (1 yes, 0 no; negative is left out). The claim is the probability."""
    judged = (truth >= 0) & np.isfinite(probability)
    given, yes = probability[judged], truth[judged] == 1
    return _judge(given, yes, (given >= 0.5) == yes, (given - yes) ** 2, bins)


def _judge(claim: Floats, outcome: Flags, right: Flags, squares: Floats, bins: int) -> Calibration:
    place = np.minimum((claim * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    claimed = np.bincount(place, weights=claim, minlength=bins)
    came = np.bincount(place, weights=outcome, minlength=bins)
    confidence = np.divide(claimed, count, out=np.full(bins, np.nan), where=count > 0)
    reliability = Reliability(np.linspace(0, 1, bins + 1), count, confidence, wilson(came, count))
    if not claim.size:
        return Calibration(0, None, None, None, reliability)
    error = float(np.abs(claimed - came).sum() / claim.size)
    return Calibration(claim.size, float(right.mean()), float(squares.mean()), error, reliability)
