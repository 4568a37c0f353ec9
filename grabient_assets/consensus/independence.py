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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from grabient_assets.consensus.agreement import Bootstrap, percentiles, resampled
from grabient_assets.consensus.grouping import Flags, Floats, Ints, distinct_rows

ENOUGH_ERRORS = 3
"""So often must each of two annotators have been wrong on the items of both. One error each is shared by chance or not,
and says next to nothing about the next."""


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
    """The correlation of errors over one field or several, each as skill.errors_on_gold gives it.

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
    """The number of independent votes of the `members` (default: all), between 1 and their number, 0 of nobody.

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
    """Whether so many known pairs of so many annotators say what all are worth: at least half of them."""
    return 2 * known >= pairs_of(annotators) > 0


def pairs_of(annotators: int) -> int:
    """How many pairs they make."""
    return annotators * (annotators - 1) // 2


def vote_weight(voters: Ints, correlation: float) -> Floats:
    """What each vote of so many voters counts where their errors correlate so: their effective votes, shared out."""
    return _kish(np.asarray(correlation), 1, np.maximum(voters, 1))


def votes_interval(fields: Sequence[Floats], bootstrap: Bootstrap) -> tuple[float | None, float | None]:
    """The 95 % percentile interval of the effective votes of all annotators; None where these are not known.

    Draws gold items, in every field by itself. Pairs are those known from all items.
    """
    annotators = fields[0].shape[1]
    left, right = np.triu_indices(annotators, 1)
    known = error_correlation(fields).defined[left, right]
    left, right = left[known], right[known]
    if not enough_pairs(left.size, annotators):
        return None, None
    products, one, other = (np.zeros((bootstrap.replicates, left.size)) for _ in range(3))
    for number, errors in enumerate(fields):
        if not len(errors):
            continue
        draw = Bootstrap(bootstrap.seed + number, bootstrap.replicates)
        parts = [np.concatenate(part) for part in zip(*_drawn(errors, left, right, draw), strict=True)]
        products, one, other = (sum_ + part for sum_, part in zip((products, one, other), parts, strict=True))
    spread = np.sqrt(np.maximum(one, 0) * np.maximum(other, 0))
    varied = _varied(spread, sum(len(errors) for errors in fields))
    found = np.divide(products, spread, out=np.zeros_like(spread), where=varied)
    means = np.divide(found.sum(axis=1), varied.sum(axis=1), out=np.full(len(found), np.nan), where=varied.any(axis=1))
    return percentiles(_kish(means, annotators, annotators))


def _drawn(errors: Floats, left: Ints, right: Ints, bootstrap: Bootstrap) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Per block of replicates the centred sums of products and of both squares, shape (replicates, pairs)."""
    coded = np.where(np.isnan(errors), -1.0, errors)
    codes = np.stack([np.unique(column, return_inverse=True)[1] for column in coded.T], axis=1)
    example, _, times = distinct_rows(codes)
    asked = ~np.isnan(errors[example])
    there, wrong = asked.astype(np.float64), np.where(asked, errors[example], 0.0)
    for weights in resampled(times, bootstrap):
        number = np.maximum(weights @ (there[:, left] * there[:, right]), 1)
        mine, others = weights @ (wrong[:, left] * there[:, right]), weights @ (wrong[:, right] * there[:, left])
        yield (
            weights @ (wrong[:, left] * wrong[:, right]) - mine * others / number,
            weights @ (wrong[:, left] ** 2 * there[:, right]) - mine**2 / number,
            weights @ (wrong[:, right] ** 2 * there[:, left]) - others**2 / number,
        )


def _varied(spread: Floats, items: Ints | int) -> Flags:
    """Sums of squares of errors between 0 and 1: what is left of nothing is rounding."""
    return spread > 1e-9 * np.maximum(items, 1)


def _kish(mean: Floats, votes: int, n: Ints | int) -> Floats:
    """`votes` of `n` voters, as many of them as are independent."""
    return votes / np.clip(1 + (n - 1) * mean, 1.0, n)


def dollars_per_effective_vote(costs: Sequence[Decimal], correlation: Floats) -> Decimal | None:
    """What the whole panel costs, divided by the votes it is worth. `costs`: dollars per annotator. None of nobody, and
    where the votes are not known."""
    votes = effective_votes(correlation)
    return sum(costs, Decimal(0)) / Decimal(votes) if votes else None
