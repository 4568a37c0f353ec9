"""Whether a probability of 0.8 is right eight times in ten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.grouping import Flags, Floats, Ints
from grabient_assets.consensus.rates import Rates, wilson

BINS = 10


@dataclass(frozen=True, eq=False)
class Reliability:
    """Judged predictions in equal bins of what they claimed, shape (bins,).

    `confidence`: the mean claim in the bin (NaN when empty); `correct`: how often it was right, with interval.
    """

    edges: Floats
    count: Ints
    confidence: Floats
    correct: Rates


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
