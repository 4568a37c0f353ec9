"""How many votes a panel is worth: the correlation of errors, and the number of independent votes it leaves.

With n annotators whose errors correlate by r on average, the mean of their votes varies as that of

    n_eff = n / (1 + (n - 1) r)

independent ones: Kish's design effect (L. Kish, "Survey Sampling" (1965), section 5.4), which "Nine Judges, Two
Effective Votes" (arXiv 2605.29800) uses for panels of language models. Preferred to counting eigenvalues because it is
the variance of what is really done, averaging votes of equal weight, and because it can be checked by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from grabient_assets.consensus.grouping import Flags, Floats, Ints


@dataclass(frozen=True, eq=False)
class ErrorCorrelation:
    """`matrix[a, b]`: Pearson correlation of the errors of a and b, 1 on the diagonal, 0 where it is undefined.

    It is undefined (`items` 0 to 2 in common, or one of them always right or always wrong) where `defined` is False.
    `items[a, b]`: gold items that both answered.
    """

    matrix: Floats
    defined: Flags
    items: Ints


def error_correlation(fields: Sequence[Floats]) -> ErrorCorrelation:
    """The correlation of errors over one field or several, each as skill.errors_on_gold gives it.

    Over the items that both annotators answered. Errors are centred within each field, so that a hard field beside an
    easy one is not taken for shared mistakes.
    """
    annotators = fields[0].shape[1]
    products, squares = np.zeros((annotators, annotators)), np.zeros((annotators, annotators))
    items = np.zeros((annotators, annotators), dtype=np.int64)
    for errors in fields:
        asked = ~np.isnan(errors)
        there, wrong = asked.astype(np.float64), np.where(asked, errors, 0.0)
        both = there.T @ there
        number = np.maximum(both, 1)
        mine = wrong.T @ there
        products += wrong.T @ wrong - mine * mine.T / number
        squares += (wrong**2).T @ there - mine**2 / number
        items += both.astype(np.int64)
    spread = np.sqrt(np.maximum(squares, 0) * np.maximum(squares.T, 0))
    # Sums of squares of errors between 0 and 1: what is left of nothing is rounding.
    defined = (spread > 1e-9 * np.maximum(items, 1)) & (items > 2)
    matrix = np.divide(products, spread, out=np.zeros_like(spread), where=defined)
    matrix = np.clip((matrix + matrix.T) / 2, -1, 1)
    np.fill_diagonal(matrix, 1.0)
    return ErrorCorrelation(matrix, defined, items)


def effective_votes(correlation: Floats, members: Sequence[int] | None = None) -> float:
    """The number of independent votes of the `members` (default: all), between 1 and their number, 0 of nobody.

    Errors that avoid each other could make it larger than the number of members; more than one vote each is not
    claimed from a sample.
    """
    chosen = np.arange(len(correlation)) if members is None else np.asarray(members, dtype=np.int64)
    n = chosen.size
    if n < 2:
        return float(n)
    part = correlation[np.ix_(chosen, chosen)]
    mean = (part.sum() - np.trace(part)) / (n * (n - 1))
    return float(n / np.clip(1 + (n - 1) * mean, 1.0, n))


def dollars_per_effective_vote(costs: Sequence[Decimal], correlation: Floats) -> Decimal:
    """What the whole panel costs, divided by the votes it is worth. `costs`: dollars per annotator. 0 of nobody."""
    votes = effective_votes(correlation)
    return sum(costs, Decimal(0)) / Decimal(votes) if votes else Decimal(0)
