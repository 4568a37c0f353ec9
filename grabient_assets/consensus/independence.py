"""How many votes a panel is worth: the correlation of errors, and the number of independent votes it leaves.

With n annotators whose errors correlate by r on average, the mean of their votes varies as that of

    n_eff = n / (1 + (n - 1) r)

independent ones: Kish's design effect (L. Kish, "Survey Sampling" (1965), section 5.4), which "Nine Judges, Two
Effective Votes" (arXiv 2605.29800) uses for panels of language models. Preferred to counting eigenvalues because it is
the variance of what is really done, averaging votes of equal weight, and because it can be checked by hand.

Models that were never wrong have shown nothing about whether they err together. Such pairs are not known, and r is the
mean of those that are. Where fewer than half are known there is no figure: ignorance is no independence, and a mean of
few pairs, taken for all, would come with an interval that knows nothing of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist

import numpy as np

from grabient_assets.consensus.grouping import Flags, Floats, Ints, distinct_rows

ENOUGH_ERRORS = 3
"""The least errors of each of two annotators on the items of both. One error each may be shared by
chance, and predicts almost nothing."""

OVERSTATED = 3.0
"""How many times too large the degrees of freedom come out: the items that decide the spread are so rare that a small
sample mostly lacks some. With 1 intervals on small gold hold the truth in 90 % of the cases where relatives err
together, with 3 in 93 to 97 %; on large gold it makes no difference."""

FEWEST_FREEDOM = 3.0
"""Degrees of freedom that an interval has at least: with fewer, Student's t is useless."""


@dataclass(frozen=True, eq=False)
class ErrorCorrelation:
    """`matrix[a, b]`: Pearson correlation of the errors of a and b, 1 on the diagonal, NaN where it is not known.

    It is not known where `defined` is False: one of them was wrong less than ENOUGH_ERRORS times on the items of both,
    or always. `items[a, b]`: gold items that both answered.
    """

    matrix: Floats
    defined: Flags
    items: Ints

    @property
    def pairs(self) -> int:
        """How many pairs of annotators are known."""
        return int(np.triu(self.defined, 1).sum())


def error_correlation(fields: Sequence[Floats]) -> ErrorCorrelation:
    """The correlation of errors over one field or several, each as gold.errors_on_gold gives it.

    Over the items that both annotators answered. Errors are centred within each field, so that a hard field beside an
    easy one is not taken for shared mistakes.
    """
    annotators = fields[0].shape[1]
    products, squares, errors_of = (np.zeros((annotators, annotators)) for _ in range(3))
    items = np.zeros((annotators, annotators), dtype=np.int64)
    for errors in fields:
        asked = ~np.isnan(errors)
        there, wrong = asked.astype(np.float64), np.where(asked, errors, 0.0)
        both = there.T @ there
        number = np.maximum(both, 1)
        mine = wrong.T @ there
        products += wrong.T @ wrong - mine * mine.T / number
        squares += (wrong**2).T @ there - mine**2 / number
        errors_of += mine
        items += both.astype(np.int64)
    spread = np.sqrt(np.maximum(squares, 0) * np.maximum(squares.T, 0))
    enough = np.minimum(errors_of, errors_of.T) >= ENOUGH_ERRORS
    defined = enough & _varied(spread, items)
    matrix = np.divide(products, spread, out=np.full_like(spread, np.nan), where=defined)
    matrix = np.clip((matrix + matrix.T) / 2, -1, 1)
    np.fill_diagonal(matrix, 1.0)
    return ErrorCorrelation(matrix, defined, items)


def mean_correlation(correlation: Floats, members: Sequence[int] | None = None) -> float | None:
    """The mean over the known pairs of the `members` (default: all); None when none is known."""
    chosen = np.arange(len(correlation)) if members is None else np.asarray(members, dtype=np.int64)
    pairs = correlation[np.ix_(chosen, chosen)][np.triu_indices(chosen.size, 1)]
    known = pairs[np.isfinite(pairs)]
    return float(known.mean()) if known.size else None


def effective_votes(correlation: Floats, members: Sequence[int] | None = None) -> float | None:
    """The number of independent votes of the `members` (default: all), between 1 and their number; 0 without members.

    None when fewer than half of their pairs are known. Errors that avoid each other could make it larger than the
    number of members; more than one vote each is not claimed from a sample.
    """
    n = len(correlation) if members is None else len(members)
    if n < 2:
        return float(n)
    chosen = np.arange(n) if members is None else np.asarray(members, dtype=np.int64)
    pairs = correlation[np.ix_(chosen, chosen)][np.triu_indices(n, 1)]
    if not enough_pairs(int(np.isfinite(pairs).sum()), n):
        return None
    return float(_kish(np.asarray(mean_correlation(correlation, members)), n, n))


def enough_pairs(known: int, annotators: int) -> bool:
    """Whether this many known pairs are enough for an estimate of all annotators: at least half of the pairs."""
    return 2 * known >= pairs_of(annotators) > 0


def pairs_of(annotators: int) -> int:
    """How many pairs they make."""
    return annotators * (annotators - 1) // 2


def vote_weight(voters: Ints, correlation: float) -> Floats:
    """What each vote of so many voters counts where their errors correlate so: their effective votes, shared out."""
    return _kish(np.asarray(correlation), 1, np.maximum(voters, 1))


def votes_interval(fields: Sequence[Floats]) -> tuple[float | None, float | None]:
    """The 95 % interval of the effective votes of all annotators; None where these are not known.

    The mean correlation is put on the scale on which Fisher compares n judges (R. A. Fisher, "Statistical Methods for
    Research Workers" (1925), section 39), z = log((1 + (n - 1) r) / (1 - r)) / 2: there its spread hardly depends on
    what it is. The spread comes from leaving out one gold item after the other (the jackknife), and Student's t has as
    many degrees of freedom as that spread is known by (Satterthwaite): a few items on which many err decide it, and
    they are few on small gold. Percentiles of a bootstrap know neither, and are too narrow there
    (benchmarks/effective_votes.py). Pairs are those known from all items.
    """
    annotators = fields[0].shape[1]
    found = error_correlation(fields)
    left, right = np.triu_indices(annotators, 1)
    known = found.defined[left, right]
    left, right = left[known], right[known]
    if not enough_pairs(left.size, annotators):
        return None, None
    without, times = _leaving_one_out(fields, left, right)
    items = int(times.sum())
    deviations = (without - (times @ without) / items) ** 2
    squares = float(times @ deviations)
    scatter = float(times @ deviations**2) - squares**2 / items
    freedom = max(2 * squares**2 / scatter / OVERSTATED, FEWEST_FREEDOM) if scatter > 0 else np.inf
    mean = float(np.clip(found.matrix[left, right].mean(), -0.9 / (annotators - 1), 1 - 1e-9))
    slope = annotators / (2 * (1 + (annotators - 1) * max(mean, 0.0)) * (1 - mean))
    reach = _student(freedom) * slope * np.sqrt((items - 1) / items * squares)
    middle = np.log((1 + (annotators - 1) * mean) / (1 - mean)) / 2
    power = np.exp(2 * np.asarray([middle + reach, middle - reach]))
    low, high = _kish((power - 1) / (power + annotators - 1), annotators, annotators)
    return float(low), float(high)


def _leaving_one_out(fields: Sequence[Floats], left: Ints, right: Ints) -> tuple[Floats, Ints]:
    """The mean correlation of the pairs without one item of each distinct kind, and how many items are of the kind."""
    parts = [_pair_sums(errors, left, right) for errors in fields if len(errors)]
    whole = np.sum([_centred(totals) for _, totals, _ in parts], axis=0)
    means: list[Floats] = []
    for rows, totals, _ in parts:
        products, one, other = whole - _centred(totals) + _centred(totals - rows)
        spread = np.sqrt(np.maximum(one, 0) * np.maximum(other, 0))
        varied = _varied(spread, sum(len(errors) for errors in fields))
        pairs = np.divide(products, spread, out=np.zeros_like(spread), where=varied)
        means.append(pairs.sum(axis=1) / np.maximum(varied.sum(axis=1), 1))
    return np.concatenate(means), np.concatenate([times for _, _, times in parts])


def _pair_sums(errors: Floats, left: Ints, right: Ints) -> tuple[Floats, Floats, Ints]:
    """Per distinct kind of item what it adds to the sums over the items that both of a pair answered, shape (6, kinds,
    pairs): items, errors of the one, of the other, their products, both squares. Then the sums over all items, shape
    (6, 1, pairs), and how many items are of each kind."""
    coded = np.where(np.isnan(errors), -1.0, errors)
    codes = np.stack([np.unique(column, return_inverse=True)[1] for column in coded.T], axis=1)
    example, _, times = distinct_rows(codes)
    asked = ~np.isnan(errors[example])
    there, wrong = asked.astype(np.float64), np.where(asked, errors[example], 0.0)
    one, other = wrong[:, left] * there[:, right], wrong[:, right] * there[:, left]
    both = there[:, left] * there[:, right]
    rows = np.stack([both, one, other, one * other, one * wrong[:, left], other * wrong[:, right]])
    return rows, np.einsum("k,skp->sp", times.astype(np.float64), rows)[:, None, :], times


def _centred(sums: Floats) -> Floats:
    """Products and both squares about the means, shape (3, kinds, pairs), from the sums of _pair_sums."""
    number = np.maximum(sums[0], 1)
    means = np.stack([sums[1] * sums[2], sums[1] ** 2, sums[2] ** 2])
    return sums[3:] - means / number


def _student(freedom: float) -> float:
    """The 97.5 % point of Student's t: the normal one and its expansion in 1 / freedom (Abramowitz and Stegun, 26.7.5),
    right to 0.1 % from 3 on."""
    z = NormalDist().inv_cdf(0.975)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return sum(term / freedom**place for place, term in enumerate(terms))


def _varied(spread: Floats, items: Ints | int) -> Flags:
    """Sums of squares of errors between 0 and 1: what is left of nothing is rounding."""
    return spread > 1e-9 * np.maximum(items, 1)


def _kish(mean: Floats, votes: int, n: Ints | int) -> Floats:
    """`votes` of `n` voters, as many of them as are independent."""
    return votes / np.clip(1 + (n - 1) * mean, 1.0, n)


def dollars_per_effective_vote(costs: Sequence[Decimal], correlation: Floats) -> Decimal | None:
    """What the whole panel costs, divided by the votes it is worth. `costs`: dollars per annotator.

    None without annotators, and where the votes are not known.
    """
    votes = effective_votes(correlation)
    return sum(costs, Decimal(0)) / Decimal(votes) if votes else None
