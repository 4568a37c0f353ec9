"""Expectation maximisation for annotators with error rates, in log space (Dawid and Skene 1979).

A. P. Dawid and A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied
Statistics 28 (1979) 20-28: of an item with true class k, annotator a responds l with probability confusion[a, k, l],
independently of the others. One-coin (Zhang, Chen, Zhou and Jordan, JMLR 17 (2016), section 2): right with probability
s[a] whatever the class, wrong in all ways alike.

Two things differ from the paper. A ballot weighs one, so the logarithms of its values enter with their weights. And
items with the same ballots are one row that counts several times: they have the same posterior, whatever it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from grabient_assets.consensus.grouping import Flags, Floats, Ints
from grabient_assets.consensus.independence import vote_weight

# As crowd-kit does: a probability is never 0, so that one surprising answer does not rule out a class.
LEAST_PROBABILITY = 1e-10


class ErrorModel(Enum):
    """How an annotator errs: with one accuracy, or with a probability for every (true class, answer)."""

    ONE_COIN = "one-coin"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Smoothing:
    """The prior, as counts added in every M-step (a Dirichlet prior; the estimate is the mode of the posterior).

    `correct`: votes for the true class, per annotator (and class, when the model is full). `wrong`: votes for any
    other class, shared out alike. `prevalence`: items of each class.
    """

    correct: float = 2.0
    wrong: float = 1.0
    prevalence: float = 1.0


USUAL_SMOOTHING = Smoothing()
NO_SMOOTHING = Smoothing(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop when no posterior moved by more than `tolerance`, or after `iterations`."""

    iterations: int = 300
    tolerance: float = 1e-6


USUAL_STOP = Stop()


@dataclass(frozen=True, slots=True)
class Fit:
    """How the iteration ended. `objective` is the log-likelihood with the logarithm of the prior, natural logarithms.

    Both are taken at the parameters that gave the posteriors. `objective` never falls from one iteration to the next.
    """

    log_likelihood: float
    objective: float
    iterations: int
    converged: bool


@dataclass(frozen=True, eq=False)
class ErrorRates:
    """`prevalence` of the classes, shape (classes,), and `confusion[annotator, true class, answer]`; rows sum to 1."""

    prevalence: Floats
    confusion: Floats

    @property
    def accuracy(self) -> Floats:
        """The probability that each annotator is right on an item drawn with `prevalence`, shape (annotators,)."""
        return np.einsum("akk,k->a", self.confusion, self.prevalence)


@dataclass(frozen=True, eq=False)
class BallotRows:
    """The distinct rows of ballots.

    `weights`: shape (rows, annotators * classes), the weight of each answer of each annotator; zeros where absent.
    `times`: how many items the row stands for. `known`: its true class or -1. `measured`: whether it counts in
    the estimates of annotators and prevalence.
    """

    weights: Floats
    times: Floats
    known: Ints
    measured: Flags


def log_joint(weights: Floats, parameters: ErrorRates, correlation: float = 0.0) -> Floats:
    """log P(class, ballots) per row and class. `correlation` of errors: votes that repeat others count for less, each
    by what the voters of the row are worth together (independence.vote_weight)."""
    annotators, classes, _ = parameters.confusion.shape
    table = np.log(parameters.confusion).transpose(0, 2, 1).reshape(annotators * classes, classes)
    log_likelihood = weights @ table
    if correlation > 0:
        voters = (weights.reshape(-1, annotators, classes).sum(axis=2) > 0).sum(axis=1)
        log_likelihood *= vote_weight(voters, correlation)[:, None]
    return np.log(parameters.prevalence) + log_likelihood


def softmax(logs: Floats) -> tuple[Floats, Floats]:
    """The rows of exp(logs), each scaled to sum 1, and the logarithm of what they summed to."""
    highest = logs.max(axis=1, keepdims=True)
    shifted = np.exp(logs - highest)
    total = shifted.sum(axis=1, keepdims=True)
    return shifted / total, (highest + np.log(total))[:, 0]


def maximise(
    evidence: BallotRows, posterior: Floats, model: ErrorModel, smoothing: Smoothing, stop: Stop
) -> tuple[ErrorRates, Floats, Fit]:
    """Alternate M- and E-steps from `posterior` (rows, classes) on; returns parameters and posteriors of the last."""
    posterior = _anchored(posterior, evidence.known)
    counted = (evidence.times * evidence.measured)[:, None]
    iterations, moved = 0, np.inf
    logs, totals = np.zeros_like(posterior), np.zeros(len(posterior))
    parameters = _estimate(evidence, posterior, counted, model, smoothing)
    while iterations < stop.iterations and moved > stop.tolerance:
        if iterations:
            parameters = _estimate(evidence, posterior, counted, model, smoothing)
        logs = log_joint(evidence.weights, parameters)
        expected, totals = softmax(logs)
        expected = _anchored(expected, evidence.known)
        moved = float(np.abs(expected - posterior).max(initial=0.0))
        posterior, iterations = expected, iterations + 1
    known = evidence.known >= 0
    totals = np.where(known, logs[np.arange(len(logs)), evidence.known], totals)
    likelihood = float((counted[:, 0] * totals).sum())
    fit = Fit(likelihood, likelihood + _log_prior(parameters, model, smoothing), iterations, moved <= stop.tolerance)
    return parameters, posterior, fit


def _anchored(posterior: Floats, known: Ints) -> Floats:
    fixed = known >= 0
    if not fixed.any():
        return posterior
    return np.where(fixed[:, None], np.arange(posterior.shape[1]) == known[:, None], posterior)


def _estimate(
    evidence: BallotRows, posterior: Floats, counted: Floats, model: ErrorModel, smoothing: Smoothing
) -> ErrorRates:
    classes = posterior.shape[1]
    mass = posterior * counted
    counts = (evidence.weights.T @ mass).reshape(-1, classes, classes).transpose(0, 2, 1)
    prevalence = np.maximum(mass.sum(axis=0) + smoothing.prevalence, LEAST_PROBABILITY)
    make = _full if model is ErrorModel.FULL else _one_coin
    return ErrorRates(prevalence / prevalence.sum(), make(counts, smoothing))


def _full(counts: Floats, smoothing: Smoothing) -> Floats:
    """counts[annotator, true class, answer] -> confusion."""
    confusion = np.maximum(counts + _pseudo_counts(counts.shape[1], smoothing), LEAST_PROBABILITY)
    return confusion / confusion.sum(axis=2, keepdims=True)


def _one_coin(counts: Floats, smoothing: Smoothing) -> Floats:
    classes = counts.shape[1]
    hits = np.einsum("akk->a", counts) + smoothing.correct
    total = counts.sum(axis=(1, 2)) + smoothing.correct + smoothing.wrong
    accuracy = np.divide(hits, total, out=np.full(len(hits), 1 / classes), where=total > 0)
    accuracy = np.clip(accuracy, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)[:, None, None]
    same = np.eye(classes, dtype=bool)
    return np.where(same, accuracy, (1 - accuracy) / (classes - 1)) if classes > 1 else np.ones_like(counts)


def _pseudo_counts(classes: int, smoothing: Smoothing) -> Floats:
    others = smoothing.wrong / max(classes - 1, 1)
    return np.where(np.eye(classes, dtype=bool), smoothing.correct, others)


def _log_prior(parameters: ErrorRates, model: ErrorModel, smoothing: Smoothing) -> float:
    """The logarithm of the prior at `parameters`, without its constant."""
    logs, classes = np.log(parameters.confusion), len(parameters.prevalence)
    if model is ErrorModel.ONE_COIN:
        # One coin per annotator, not one per class: the term is the same for each true class.
        logs = logs[:, :1, :]
    pseudo = _pseudo_counts(classes, smoothing)[: logs.shape[1]]
    return float((pseudo * logs).sum() + smoothing.prevalence * np.log(parameters.prevalence).sum())
