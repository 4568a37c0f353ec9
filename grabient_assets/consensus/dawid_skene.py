"""Dawid-Skene estimates: a probability for every value of every item, and for every tag that somebody named.

The model is in expectation.py. Anchored on gold (items whose class is known enter with that class for certain), the
error rates are measured and not guessed from agreement, so a majority that errs together does not become the truth.

Tags are open, so each candidate (item, tag) is a question with the answer present or absent: every annotator with a
ballot on the item votes yes with the part of its answers that hold the tag, and no with the rest. An annotator without
a ballot has no vote. Sensitivity and specificity belong to an annotator and are pooled over tags: ten thousand tags,
most of them rare, leave too few answers to measure each.

A tag that nobody named is not a question, so the rates are those among candidates: specificity is the probability of
not naming a wrong tag *that somebody named*. That is the question the consensus asks, and it is not comparable between
panels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.expectation import (
    USUAL_SMOOTHING,
    USUAL_STOP,
    BallotRows,
    ErrorModel,
    ErrorRates,
    Fit,
    Smoothing,
    Stop,
    log_joint,
    maximise,
    softmax,
)
from grabient_assets.consensus.gold import ABSENT, AMBIGUOUS, PRESENT, UNKNOWN, checked_gold, folds_of
from grabient_assets.consensus.grouping import Flags, Floats, Ints, distinct_rows


@dataclass(frozen=True, eq=False)
class Estimate:
    """`posterior[item, value]`, rows sum to 1; the prevalence for an item nobody answered (`answered` is False)."""

    posterior: Floats
    answered: Flags
    parameters: ErrorRates
    fit: Fit

    @property
    def top(self) -> Ints:
        """The most probable value of each item, the lower code of equals, -1 for an item nobody answered."""
        return np.where(self.answered, self.posterior.argmax(axis=1), -1)


def estimate(
    annotations: Annotations,
    model: ErrorModel = ErrorModel.FULL,
    gold: Ints | None = None,
    smoothing: Smoothing = USUAL_SMOOTHING,
    stop: Stop = USUAL_STOP,
) -> Estimate:
    """Fit the model and give every item its probabilities.

    `gold`: a code per item (gold.py). Starts from the shares of the votes, so there is no chance in it.
    Raises AnnotationsError when `gold` does not fit.
    """
    rows = _Rows.of(annotations, checked_gold(gold, annotations.items, annotations.values))
    parameters, posterior, fit = maximise(rows.evidence, rows.shares(annotations.values), model, smoothing, stop)
    return Estimate(posterior[rows.row], rows.answered, parameters, fit)


def posteriors(annotations: Annotations, parameters: ErrorRates, correlation: float = 0.0) -> Floats:
    """Probabilities under known error rates, shape (items, values): for new items, or for part of a panel.

    `correlation` of the annotators' errors (independence.mean_correlation): the more they share, the less each vote
    counts. At 0 the votes count as independent.
    """
    rows = _Rows.of(annotations, checked_gold(None, annotations.items, annotations.values))
    return softmax(log_joint(rows.evidence.weights, parameters, correlation))[0][rows.row]


def held_out(
    annotations: Annotations,
    gold: Ints,
    model: ErrorModel = ErrorModel.FULL,
    folds: int = 5,
    smoothing: Smoothing = USUAL_SMOOTHING,
    correlation: float = 0.0,
) -> Floats:
    """Probabilities for gold items as if their class had not been known, shape (items, values); NaN for other items.

    An anchored estimate repeats its gold, so it cannot be judged on it. Here each fold of the gold is judged by
    parameters that were fitted without it.
    """
    gold = checked_gold(gold, annotations.items, annotations.values)
    fold = folds_of(gold, folds)
    result = np.full((annotations.items, annotations.values), np.nan)
    for number in range(folds):
        judged = fold == number
        if judged.any():
            fitted = estimate(annotations, model, np.where(judged, UNKNOWN, gold), smoothing)
            result[judged] = posteriors(annotations.of_items(judged), fitted.parameters, correlation)[judged]
    return result


@dataclass(frozen=True, eq=False)
class _Rows:
    """The distinct rows of a field, and the row of every item."""

    evidence: BallotRows
    row: Ints
    answered: Flags

    @classmethod
    def of(cls, annotations: Annotations, gold: Ints) -> _Rows:
        weights, weight = np.unique(annotations.entry_weight, return_inverse=True)
        features = annotations.annotators * annotations.values
        states = np.zeros((annotations.items, features + 1), dtype=np.uint16)
        ballot = annotations.entry_ballot
        feature = annotations.ballot_annotator[ballot].astype(np.int64) * annotations.values + annotations.entry_value
        states[annotations.ballot_item[ballot], feature] = weight + 1
        states[:, features] = gold - AMBIGUOUS
        example, row, times = distinct_rows(states)
        table = np.concatenate(([0.0], weights))
        known = gold[example]
        answered = np.any(states[example, :features], axis=1)
        evidence = BallotRows(
            table[states[example, :features]], times.astype(np.float64), known, answered & (known != AMBIGUOUS)
        )
        return cls(evidence, row, answered[row])

    def shares(self, classes: int) -> Floats:
        """The share of the votes each class has in each row; alike for rows without any."""
        votes = self.evidence.weights.reshape(self.evidence.times.size, -1, classes).sum(axis=1)
        total = votes.sum(axis=1, keepdims=True)
        return np.divide(votes, total, out=np.full_like(votes, 1 / classes), where=total > 0)


@dataclass(frozen=True, eq=False)
class TagEstimate:
    """`probability` that each candidate (`Annotations.candidates`) is a true tag of its item."""

    probability: Floats
    parameters: ErrorRates
    fit: Fit

    @property
    def sensitivity(self) -> Floats:
        """The probability of naming a true tag, per annotator."""
        return self.parameters.confusion[:, PRESENT, PRESENT]

    @property
    def specificity(self) -> Floats:
        """The probability of not naming a wrong candidate, per annotator."""
        return self.parameters.confusion[:, ABSENT, ABSENT]


def tag_gold(annotations: Annotations, items: Flags, item: Ints, tag: Ints) -> Ints:
    """Gold per candidate: for the marked `items` the true tags are exactly the pairs (`item`, `tag`).

    Candidates of other items are UNKNOWN.
    """
    of = annotations.candidates
    true = np.isin(of.item * annotations.values + of.value, item.astype(np.int64) * annotations.values + tag)
    return np.where(items[of.item], np.where(true, PRESENT, ABSENT), UNKNOWN)


def estimate_tags(
    annotations: Annotations,
    gold: Ints | None = None,
    smoothing: Smoothing = USUAL_SMOOTHING,
    stop: Stop = USUAL_STOP,
) -> TagEstimate:
    """Fit sensitivities and specificities and give every candidate its probability.

    `gold`: PRESENT, ABSENT, UNKNOWN or AMBIGUOUS per candidate. Raises AnnotationsError when it does not fit.
    """
    gold = checked_gold(gold, annotations.candidates.item.size, 2)
    evidence, row = _evidence(annotations, gold)
    weights = evidence.weights
    yes, total = weights[:, PRESENT::2].sum(axis=1), weights.sum(axis=1)
    share = np.divide(yes, total, out=np.full(len(total), 0.5), where=total > 0)
    start = np.stack([1 - share, share], axis=1)
    parameters, posterior, fit = maximise(evidence, start, ErrorModel.FULL, smoothing, stop)
    return TagEstimate(posterior[row, PRESENT], parameters, fit)


def tag_probabilities(annotations: Annotations, parameters: ErrorRates, correlation: float = 0.0) -> Floats:
    """Probability of every candidate under known error rates. `correlation` as in `posteriors`."""
    evidence, row = _evidence(annotations, checked_gold(None, annotations.candidates.item.size, 2))
    return softmax(log_joint(evidence.weights, parameters, correlation))[0][row, PRESENT]


def held_out_tags(
    annotations: Annotations,
    gold: Ints,
    folds: int = 5,
    smoothing: Smoothing = USUAL_SMOOTHING,
    correlation: float = 0.0,
) -> Floats:
    """Probabilities of the gold candidates as if they had not been known; NaN for others. Folds are whole items."""
    of = annotations.candidates
    gold = checked_gold(gold, of.item.size, 2)
    known = np.full(annotations.items, UNKNOWN)
    known[of.item[gold >= 0]] = PRESENT
    fold = np.where(gold >= 0, folds_of(known, folds)[of.item], -1)
    result = np.full(of.item.size, np.nan)
    for number in range(folds):
        judged = fold == number
        if judged.any():
            fitted = estimate_tags(annotations, np.where(judged, UNKNOWN, gold), smoothing)
            result[judged] = tag_probabilities(annotations, fitted.parameters, correlation)[judged]
    return result


def _evidence(annotations: Annotations, gold: Ints) -> tuple[BallotRows, Ints]:
    """The distinct rows of candidates, and the row of every candidate."""
    of, ballot = annotations.candidates, annotations.entry_ballot
    shares, share = np.unique(annotations.entry_times / annotations.ballot_answers[ballot], return_inverse=True)
    states = np.empty((of.item.size, annotations.annotators + 1), dtype=np.uint16)
    # 0: no ballot on the item; 1: a ballot without the tag; from 2: the part of its answers that hold it.
    states[:, :-1] = annotations.present[of.item]
    states[of.of_entry, annotations.ballot_annotator[ballot]] = share + 2
    states[:, -1] = gold - AMBIGUOUS
    example, row, times = distinct_rows(states)
    seen, known = states[example, :-1], gold[example]
    yes = np.concatenate(([0.0, 0.0], shares))[seen]
    weights = np.stack([np.where(seen > 0, 1 - yes, 0.0), yes], axis=2).reshape(len(seen), 2 * annotations.annotators)
    return BallotRows(weights, times.astype(np.float64), known, known != AMBIGUOUS), row
