"""Krippendorff's alpha for categories, and how divided an item is.

K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): alpha = 1 - observed / expected disagreement.
Written with counts (n_uc annotators gave unit u the value c, m_u = sum_c n_uc, n = sum of m_u over units with two or
more), both need one pass and no pairs:

    observed = 1/n * sum_u (m_u^2 - sum_c n_uc^2) / (m_u - 1)
    expected = (n^2 - sum_c n_c^2) / (n (n - 1))

An annotator that said nothing about a unit is missing data, not a disagreement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.grouping import Floats, Ints, distinct_rows
from grabient_assets.errors import AnnotationsError

# Replicates x distinct rows held at once: 16 MB.
CELLS_AT_ONCE = 2_000_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Draw items with replacement `replicates` times; `seed` makes it the same every time."""

    seed: int
    replicates: int = 1000


@dataclass(frozen=True, slots=True)
class Alpha:
    """`value` (1 agreement, 0 chance, below 0 systematic disagreement), or None with the `reason` why there is none.

    `low`, `high`: 95 % percentile interval, None without bootstrap. `units`: items with two votes or more. `votes`:
    votes on them. `expected_error`: standard error of `expected` where it was sampled (set_agreement.py), else 0.
    """

    value: float | None
    reason: str | None
    observed: float
    expected: float
    units: int
    votes: int
    low: float | None = None
    high: float | None = None
    expected_error: float = 0.0


def nominal_alpha(
    item: Ints, value: Ints, count: Ints, *, items: int, values: int, bootstrap: Bootstrap | None = None
) -> Alpha:
    """Alpha for categories from counts: `count` annotators gave `item` the `value`.

    The votes of a Majority are such counts (its candidates). Bootstrap intervals draw items, expected disagreement
    included. Raises AnnotationsError when there are more than 65,535 votes of one kind on an item.
    """
    if count.size and int(count.max()) > np.iinfo(np.uint16).max:
        raise AnnotationsError(f"An item has {int(count.max())} votes for one value; at most 65,535 can be counted.")
    table = np.zeros((items, values), dtype=np.uint16)
    table[item, value] = count
    table = table[table.sum(axis=1) > 1]
    # Items with the same counts are one row: a few hundred rows, however many items.
    example, _, times = distinct_rows(table)
    counts = table[example].astype(np.float64)
    units, votes = len(table), int(table.sum())
    if not units:
        return undefined(units, votes)
    observed, expected = (float(part[0]) for part in _disagreements(counts, times[None, :].astype(np.float64)))
    if expected == 0:
        return undefined(units, votes)
    low, high = None, None
    if bootstrap is not None:
        parts = [_disagreements(counts, weights) for weights in resampled(times, bootstrap)]
        seen, chance = (np.concatenate(part) for part in zip(*parts, strict=True))
        low, high = percentiles(1 - np.divide(seen, chance, out=np.full(chance.size, np.nan), where=chance > 0))
    return Alpha(1 - observed / expected, None, observed, expected, units, votes, low, high)


def _disagreements(counts: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Observed and expected disagreement in every replicate; `weights` (replicates, rows): how often a row counts."""
    sizes = counts.sum(axis=1)
    n = weights @ sizes
    observed = weights @ ((sizes**2 - (counts**2).sum(axis=1)) / (sizes - 1)) / n
    return observed, (n**2 - ((weights @ counts) ** 2).sum(axis=1)) / (n * (n - 1))


def undefined(units: int, votes: int) -> Alpha:
    """No alpha: nobody could disagree, or nobody did and no chance agreement can be told from real agreement."""
    if not units:
        return Alpha(None, "No item has votes of two annotators.", 0.0, 0.0, units, votes)
    return Alpha(None, "Every vote is the same, so chance would agree as well.", 0.0, 0.0, units, votes)


def resampled(times: Ints, bootstrap: Bootstrap) -> Iterator[Floats]:
    """How often each distinct row is drawn in each replicate, in blocks of shape (replicates, rows).

    Drawing items and counting rows is one multinomial draw over the rows.
    """
    generator = np.random.default_rng(bootstrap.seed)
    block = max(1, CELLS_AT_ONCE // max(times.size, 1))
    sizes = [min(block, bootstrap.replicates - done) for done in range(0, bootstrap.replicates, block)]
    total = int(times.sum())
    for size in sizes:
        yield generator.multinomial(total, times / total, size=size).astype(np.float64)


def percentiles(values: Floats) -> tuple[float | None, float | None]:
    """The middle 95 % of the replicates. Those in which every vote was the same have no alpha and are left out."""
    values = values[np.isfinite(values)]
    if not values.size:
        return None, None
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def item_entropy(item: Ints, count: Ints, items: int) -> Floats:
    """Shannon entropy of the votes on each item in bits: 0 one opinion, log2(k) k equal ones; NaN without votes."""
    total = np.bincount(item, weights=count, minlength=items)
    share = count / np.maximum(total[item], 1)
    terms = share * np.log2(np.maximum(share, np.finfo(float).tiny))
    return np.where(total > 0, -np.bincount(item, weights=terms, minlength=items) + 0.0, np.nan)


def tag_entropy(item: Ints, share: Floats, items: int) -> Floats:
    """Mean entropy of present or absent over an item's candidates in bits (0 to 1); NaN for an item without any."""
    tiny = np.finfo(float).tiny
    bits = -share * np.log2(np.maximum(share, tiny)) - (1 - share) * np.log2(np.maximum(1 - share, tiny))
    number = np.bincount(item, minlength=items)
    total = np.bincount(item, weights=bits, minlength=items)
    return np.divide(total, number, out=np.full(items, np.nan), where=number > 0)
