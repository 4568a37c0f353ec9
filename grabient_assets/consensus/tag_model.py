"""Dawid-Skene for open tags: a probability for every tag that somebody named.

Each candidate (item, tag) is a question with the answer present or absent: every annotator with a ballot on the item
says yes with the part of its answers that hold the tag, and no with the rest. An annotator without a ballot says
nothing. Sensitivity and specificity belong to an annotator and are pooled over tags: ten thousand tags, most of them
rare, leave too few answers to measure each.

A tag that nobody named is no question, so the rates are those among candidates: specificity is the probability of not
naming a wrong tag *that somebody named*. That is the question the consensus asks, and it is not comparable between
panels.
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

ABSENT, PRESENT = 0, 1


@dataclass(frozen=True, eq=False)
class TagEstimate:
    """`probability` that each candidate (`Annotations.candidates`) is a true tag of its item."""

    probability: Floats
    parameters: Parameters
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
    yes, said = weights[:, PRESENT::2].sum(axis=1), weights.sum(axis=1)
    share = np.divide(yes, said, out=np.full(len(said), 0.5), where=said > 0)
    start = np.stack([1 - share, share], axis=1)
    parameters, posterior, fit = maximise(evidence, start, Model.FULL, smoothing, stop)
    return TagEstimate(posterior[row, PRESENT], parameters, fit)


def tag_probabilities(annotations: Annotations, parameters: Parameters, correlation: float = 0.0) -> Floats:
    """Probability of every candidate under known error rates. `correlation` as in dawid_skene.posteriors."""
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


def _evidence(annotations: Annotations, gold: Ints) -> tuple[Evidence, Ints]:
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
    return Evidence(weights, times.astype(np.float64), known, known != AMBIGUOUS), row
