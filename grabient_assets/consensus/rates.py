"""Shares with the interval in which the true one lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.grouping import Floats, Ints

# The normal quantile of a 95 % interval.
Z = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Rates:
    """`value` = successes / trials, with its 95 % interval `low` to `high`; NaN where there were no trials."""

    value: Floats
    low: Floats
    high: Floats
    trials: Floats


def wilson(successes: Floats | Ints, trials: Floats | Ints) -> Rates:
    """Wilson's score interval (E. B. Wilson, JASA 22 (1927) 209-212); it stays in 0 to 1 and holds for few trials.

    Successes may be parts: an annotator that was right in one of two answers on an item has half a success.
    """
    successes, trials = successes.astype(np.float64), trials.astype(np.float64)
    tried = trials > 0
    n = np.where(tried, trials, 1.0)
    share = successes / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * np.sqrt(np.maximum(share * (1 - share), 0) / n + Z**2 / (4 * n**2))
    # At 0 and 1 the bound is the share itself; rounding would leave it a hair beside.
    low = np.where(successes <= 0, 0.0, np.minimum(np.maximum(middle - half, 0), share))
    high = np.where(successes >= trials, 1.0, np.maximum(np.minimum(middle + half, 1), share))
    value, low, high = (np.where(tried, part, np.nan) for part in (share, low, high))
    return Rates(value, low, high, trials)


def macro_average(rates: Rates) -> Rates:
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
    return Rates(value, np.maximum(value - down, 0.0), np.minimum(value + up, 1.0), rates.trials.sum(axis=-1))
