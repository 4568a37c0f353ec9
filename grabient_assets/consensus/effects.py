"""Whether two sides differ: means with their intervals, the size of a difference, chance, and how many it takes.

- Interval of a mean: Student's t (W. S. Gosset, "The Probable Error of a Mean", Biometrika 6 (1908) 1-25).
- Size: Hedges' g, the difference in standard deviations without its bias on small samples (L. V. Hedges, "Distribution
  Theory for Glass's Estimator of Effect Size", Journal of Educational Statistics 6 (1981) 107-128).
- Chance: a permutation test of the difference of the means (R. A. Fisher, "The Design of Experiments" (1935), chapter
  3). It assumes no distribution.
- How many: both quantiles of the usual formula n = 2 ((z_0.975 + z_0.8) / d)^2 are those of t with 2n - 2 degrees of
  freedom. From d = 0.2 to 6 this is the number of the exact power of the t-test.
- Several pairs: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics
  6 (1979) 65-70.

A difference that is too small for the samples, or that chance makes as well, names no winner. Who tests many metrics or
many pairs gives all of them to `adjusted` together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from math import ceil, comb, cos, exp, lgamma, pi, sin, sqrt, tan
from statistics import NormalDist
from typing import Literal

import numpy as np

from grabient_assets.consensus.grouping import Floats
from grabient_assets.errors import AnnotationsError

CONFIDENCE, ALPHA, POWER = 0.95, 0.05, 0.8
MOST_ARRANGEMENTS = 20_000
"""So many are all looked at, in a few hundredths of a second. Beyond, as many are drawn."""
SEED = 20_261_130
"""Makes the draws the same every time."""
CELLS_AT_ONCE = 2_000_000
PLANNED_EFFECT = 0.5
"""The size that is planned for while samples do not show one: a medium one (J. Cohen, "Statistical Power Analysis for
the Behavioral Sciences" (1988), section 2.2)."""
MOST_NEEDED = 1_000_000
"""A difference that takes more is none that anybody will see."""
ROUNDING = 1e-12
"""Values and sums that differ by less, relative to the largest, are equal."""
_SERIES_TO = 200
"""Degrees of freedom up to which Student's t is computed by its finite series."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`mean` of `n` values, None without any; their standard deviation `sd` and the 95 % interval of the mean (`low`,
    `high`), None for fewer than two: one value says nothing about the spread."""

    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Effect:
    """How two sides differ, left minus right.

    `difference` of the means, None where a side has no value. `effect`: Hedges' g, None with fewer than two values on a
    side, and where both means differ though the values of each side are all equal. `p`: how often chance makes as large
    a difference; `p_adjusted`: the same among several comparisons, equal to p until `adjusted`. `needed`: values per
    side for a power of 80 % at a level of 5 %, two-sided, if the difference is as large as it looks; that of
    PLANNED_EFFECT where `effect` is None; None where it would be more than MOST_NEEDED.
    """

    n_left: int
    n_right: int
    difference: float | None
    effect: float | None
    p: float | None
    p_adjusted: float | None
    needed: int | None

    @property
    def enough(self) -> bool:
        """Whether a winner may be named: each side has `needed` values, and chance is unlikely."""
        if self.needed is None or self.p_adjusted is None:
            return False
        return min(self.n_left, self.n_right) >= self.needed and self.p_adjusted <= ALPHA

    @property
    def higher(self) -> Literal["left", "right"] | None:
        """The side of the higher mean; None while not `enough`."""
        if not self.enough or not self.difference:
            return None
        return "left" if self.difference > 0 else "right"


def fingerprint(values: Sequence[float]) -> Fingerprint:
    """What the values of one side are together. Raises AnnotationsError for a value that is no finite number."""
    sample = _checked(values)
    n = sample.size
    if n == 0:
        return Fingerprint(0, None, None, None, None)
    mean = float(sample.mean())
    if n == 1:
        return Fingerprint(1, mean, None, None, None)
    sd = float(sample.std(ddof=1))
    reach = student_quantile((1 + CONFIDENCE) / 2, n - 1) * sd / sqrt(n)
    return Fingerprint(n, mean, sd, mean - reach, mean + reach)


def compare(left: Sequence[float], right: Sequence[float]) -> Effect:
    """How two sides differ. Exchanging them changes signs only. Raises AnnotationsError for a value that is no finite
    number."""
    one, other = _checked(left), _checked(right)
    difference = float(one.mean() - other.mean()) if one.size and other.size else None
    effect = _hedges_g(one, other)
    p = _permutation_p(one, other) if difference is not None else None
    needed = needed_for(PLANNED_EFFECT if effect is None else effect)
    return Effect(one.size, other.size, difference, effect, p, p, needed)


def adjusted(effects: Sequence[Effect]) -> list[Effect]:
    """The same comparisons, each with the p it has among all of them."""
    return [replace(one, p_adjusted=p) for one, p in zip(effects, adjust([one.p for one in effects]), strict=True)]


def adjust(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down, in the order given. None (no comparison could be made) stays None and does not count."""
    places = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    result: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for before, (p, place) in enumerate(places):
        highest = max(highest, min(1.0, (len(places) - before) * p))
        result[place] = highest
    return result


def needed_for(effect: float) -> int | None:
    """Values per side that show a difference of so many standard deviations (POWER, ALPHA, two-sided).

    At least 2, and None for more than MOST_NEEDED.
    """
    size = abs(effect)
    low, high = (NormalDist().inv_cdf(one) for one in (1 - ALPHA / 2, POWER))
    if 2 * (low + high) ** 2 > MOST_NEEDED * size * size:
        return None
    n = max(2, ceil(2 * ((low + high) / size) ** 2))
    while n < 2 * ((student_quantile(1 - ALPHA / 2, 2 * n - 2) + student_quantile(POWER, 2 * n - 2)) / size) ** 2:
        n += 1
    return n


def student_quantile(probability: float, freedom: int) -> float:
    """The value that Student's t stays below with this probability (above 0 and below 1).

    Up to 200 degrees of freedom the finite series of M. Abramowitz and I. A. Stegun, "Handbook of Mathematical
    Functions" (1964), 26.7.3 and 26.7.4, solved by halving; beyond, the expansion 26.7.5, whose error is below 1e-9.
    """
    if not 0 < probability < 1 or freedom < 1:
        raise AnnotationsError(
            f"Student's t has no quantile for probability {probability} and {freedom} degrees of freedom: the "
            "probability lies between 0 and 1, the degrees are at least 1."
        )
    if probability < 0.5:
        return -student_quantile(1 - probability, freedom)
    if freedom > _SERIES_TO:
        return _expanded(NormalDist().inv_cdf(probability), freedom)
    within = 2 * probability - 1
    low, high = 0.0, pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < within else (low, middle)
    return sqrt(freedom) * tan((low + high) / 2)


def _within(angle: float, freedom: int) -> float:
    """The probability that |t| is at most sqrt(freedom) tan(angle)."""
    cosine = cos(angle)
    odd = freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for power in range(1 if odd else 0, freedom - 1, 2):
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total


def _expanded(z: float, freedom: int) -> float:
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return sum(term / freedom**place for place, term in enumerate(terms))


def _checked(values: Sequence[float]) -> Floats:
    sample = np.asarray(values, dtype=np.float64).reshape(-1)
    if not np.isfinite(sample).all():
        place = int(np.flatnonzero(~np.isfinite(sample))[0])
        raise AnnotationsError(f"Value {place} is {sample[place]}; leave out what was not measured.")
    return sample


def _hedges_g(left: Floats, right: Floats) -> float | None:
    if min(left.size, right.size) < 2:
        return None
    freedom = left.size + right.size - 2
    difference = float(left.mean() - right.mean())
    squares = float(((left - left.mean()) ** 2).sum() + ((right - right.mean()) ** 2).sum())
    largest = max(float(np.abs(left).max()), float(np.abs(right).max()))
    if squares <= (ROUNDING * largest) ** 2:
        return 0.0 if abs(difference) <= ROUNDING * largest else None
    unbiased = exp(lgamma(freedom / 2) - lgamma((freedom - 1) / 2)) / sqrt(freedom / 2) if freedom > 1 else 0.0
    return unbiased * difference / sqrt(squares / freedom)


def _permutation_p(left: Floats, right: Floats) -> float:
    """The share of arrangements whose means are at least as far apart as those of the sides.

    Values are sorted, so neither their order nor which side is left changes the draws. With the mean of all taken as 0
    the sum of one side decides alone.
    """
    everything = np.concatenate([left, right])
    middle = everything.mean()
    pool = np.sort(everything - middle)
    # The smaller side is summed; the sum of the other is its negative.
    taken = min(left.size, right.size)
    seen = abs(float((left - middle).sum()))
    limit = seen - ROUNDING * (float(np.abs(pool).sum()) + abs(float(middle)))
    if comb(pool.size, taken) <= MOST_ARRANGEMENTS:
        return float((np.abs(_every_sum(pool, taken)) >= limit).mean())
    hits = sum(int((np.abs(block) >= limit).sum()) for block in _drawn_sums(pool, taken))
    # The arrangement that was seen is one of those drawn, so p is never 0.
    return (hits + 1) / (MOST_ARRANGEMENTS + 1)


def _every_sum(pool: Floats, taken: int) -> Floats:
    places = np.fromiter(chain.from_iterable(combinations(range(pool.size), taken)), dtype=np.int64)
    return pool[places.reshape(-1, taken)].sum(axis=1)


def _drawn_sums(pool: Floats, taken: int) -> Iterator[Floats]:
    generator = np.random.default_rng(SEED)
    block = max(1, CELLS_AT_ONCE // pool.size)
    for done in range(0, MOST_ARRANGEMENTS, block):
        rows = np.tile(pool, (min(block, MOST_ARRANGEMENTS - done), 1))
        yield generator.permuted(rows, axis=1)[:, :taken].sum(axis=1)
