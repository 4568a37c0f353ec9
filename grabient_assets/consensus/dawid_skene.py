"""Dawid-Skene for categorical fields: a probability for every value of every item.

The model is in expectation.py. Anchored on gold (items whose class is known enter with that class for certain), the
error rates are measured and not guessed from agreement, so a majority that errs together does not
become the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.expectation import (
    USUAL_SMOOTHING,
    USUAL_STOP,
    Evidence,
    Fit,
    Model,
    Parameters,
    Smoothing,
    Stop,
    log_joint,
    maximise,
    softmax,
)
from grabient_assets.consensus.gold import AMBIGUOUS, UNKNOWN, checked_gold, folds_of
from grabient_assets.consensus.grouping import Flags, Floats, Ints, distinct_rows


@dataclass(frozen=True, eq=False)
class Estimate:
    """`posterior[item, value]`, rows sum to 1; the prevalence for an item nobody answered (`answered` is False)."""

    posterior: Floats
    answered: Flags
    parameters: Parameters
    fit: Fit

    @property
    def top(self) -> Ints:
        """The most probable value of each item, the lower code of equals, -1 for an item nobody answered."""
        return np.where(self.answered, self.posterior.argmax(axis=1), -1)


def estimate(
    annotations: Annotations,
    model: Model = Model.FULL,
    gold: Ints | None = None,
    smoothing: Smoothing = USUAL_SMOOTHING,
    stop: Stop = USUAL_STOP,
) -> Estimate:
    """Fit the model and give every item its probabilities.

    `gold`: a code per item (see gold.py). Starts from the shares of the votes, so there is no chance in it.
    Raises AnnotationsError when `gold` does not fit.
    """
    rows = _Rows.of(annotations, checked_gold(gold, annotations.items, annotations.values))
    parameters, posterior, fit = maximise(rows.evidence, rows.shares(annotations.values), model, smoothing, stop)
    return Estimate(posterior[rows.row], rows.answered, parameters, fit)


def posteriors(annotations: Annotations, parameters: Parameters, correlation: float = 0.0) -> Floats:
    """Probabilities under known error rates, shape (items, values): for new items, or for part of a panel.

    `correlation` of the annotators' errors (independence.mean_correlation): the more they share, the less each vote
    counts. At 0 votes are believed to be independent.
    """
    rows = _Rows.of(annotations, checked_gold(None, annotations.items, annotations.values))
    return softmax(log_joint(rows.evidence.weights, parameters, correlation))[0][rows.row]


def held_out(
    annotations: Annotations,
    gold: Ints,
    model: Model = Model.FULL,
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

    evidence: Evidence
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
        said = np.any(states[example, :features], axis=1)
        evidence = Evidence(
            table[states[example, :features]], times.astype(np.float64), known, said & (known != AMBIGUOUS)
        )
        return cls(evidence, row, said[row])

    def shares(self, classes: int) -> Floats:
        """The share of the votes each class has in each row; alike for rows without any."""
        votes = self.evidence.weights.reshape(self.evidence.times.size, -1, classes).sum(axis=1)
        total = votes.sum(axis=1, keepdims=True)
        return np.divide(votes, total, out=np.full_like(votes, 1 / classes), where=total > 0)
