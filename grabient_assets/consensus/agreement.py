"""Krippendorff's alpha for categories, and how divided an item is.

K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): alpha = 1 - observed / expected disagreement, each
the share of pairs of votes that differ. An annotator of two minds has half a vote for each (w_mc, 1 in sum over the
values c), and pairs are of different annotators only: what one says cannot depend on what the others say, as it does
in the majority, whose ties follow the panel. Written with counts (n_uc votes for c on unit u of m_u annotators,
n = sum of m_u over units with two or more, q_u = sum over annotators of 1 - sum_c w_mc^2, the pairs of an annotator
with itself that differ), both need one pass and no pairs:

    observed = 1/n * sum_u (m_u^2 - sum_c n_uc^2 - q_u) / (m_u - 1)
    expected = (n^2 - sum_c n_c^2 - sum_u q_u) / (n (n - 1))

Where each annotator gave one value q is 0, and this is the formula as published. An annotator that said nothing about a
unit is missing data, not a disagreement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.grouping import Floats, Ints, distinct_rows

# Replicates x distinct rows held at once: 16 MB.
CELLS_AT_ONCE = 2_000_000
# Sums of parts of votes that are equal but for rounding are one row.
DECIMALS = 9
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


def nominal_alpha(annotations: Annotations, bootstrap: Bootstrap | None = None) -> Alpha:
    """Alpha of a categorical field. Bootstrap intervals draw items, expected disagreement included."""
    rows = _Rows.of(annotations)
    units = int(rows.times.sum())
    votes = round(float(rows.times @ rows.sizes))
    if not units:
        return undefined(units, votes)
    observed, expected = (float(part[0]) for part in rows.disagreements(rows.times[None, :].astype(np.float64)))
    if expected <= 0:
        return undefined(units, votes)
    low, high = None, None
    if bootstrap is not None:
        parts = [rows.disagreements(weights) for weights in resampled(rows.times, bootstrap)]
        seen, chance = (np.concatenate(part) for part in zip(*parts, strict=True))
        low, high = percentiles(1 - np.divide(seen, chance, out=np.full(chance.size, np.nan), where=chance > 0))
    return Alpha(1 - observed / expected, None, observed, expected, units, votes, low, high)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The distinct items of two votes or more: hundreds or thousands of rows, however many items.

    `counts` (rows, values): votes for each value; `sizes`: all of them; `torn`: q_u of the module's formula; `times`:
    how many items the row stands for.
    """

    counts: Floats
    sizes: Floats
    torn: Floats
    times: Ints

    @classmethod
    def of(cls, annotations: Annotations) -> _Rows:
        item = annotations.ballot_item[annotations.entry_ballot]
        weight, items, values = annotations.entry_weight, annotations.items, annotations.values
        cell = item.astype(np.int64) * values + annotations.entry_value
        counts = np.bincount(cell, weights=weight, minlength=items * values).reshape(items, values)
        voted = annotations.entry_ballot[np.diff(annotations.entry_ballot, prepend=-1) != 0]
        sizes = np.bincount(annotations.ballot_item[voted], minlength=items)
        torn = sizes - np.bincount(item, weights=weight**2, minlength=items)
        table = np.column_stack([counts, sizes, torn])[sizes > 1].astype(np.float64).round(DECIMALS)
        codes = [np.unique(column, return_inverse=True)[1] for column in table.T]
        example, _, times = distinct_rows(np.stack(codes, axis=1))
        return cls(table[example, :-2], table[example, -2], table[example, -1], times)

    def disagreements(self, weights: Floats) -> tuple[Floats, Floats]:
        """Observed and expected disagreement per replicate; `weights` (replicates, rows): how often a row counts."""
        n = weights @ self.sizes
        apart = (self.sizes**2 - (self.counts**2).sum(axis=1) - self.torn) / (self.sizes - 1)
        pairs = n**2 - ((weights @ self.counts) ** 2).sum(axis=1) - weights @ self.torn
        return weights @ apart / n, pairs / (n * (n - 1))


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


def item_entropy(annotations: Annotations) -> Floats:
    """Shannon entropy of the votes on each item in bits: 0 one opinion, log2(k) k equal ones; NaN without votes.

    As in alpha, an annotator of two minds has half a vote for each.
    """
    of, items = annotations.candidates, annotations.items
    count = np.bincount(of.of_entry, weights=annotations.entry_weight, minlength=of.item.size)
    total = np.bincount(of.item, weights=count, minlength=items)
    share = count / np.maximum(total[of.item], 1)
    terms = share * np.log2(np.maximum(share, np.finfo(float).tiny))
    return np.where(total > 0, -np.bincount(of.item, weights=terms, minlength=items) + 0.0, np.nan)


def tag_entropy(item: Ints, share: Floats, items: int) -> Floats:
    """Mean entropy of present or absent over an item's candidates in bits (0 to 1); NaN for an item without any."""
    tiny = np.finfo(float).tiny
    bits = -share * np.log2(np.maximum(share, tiny)) - (1 - share) * np.log2(np.maximum(1 - share, tiny))
    number = np.bincount(item, minlength=items)
    total = np.bincount(item, weights=bits, minlength=items)
    return np.divide(total, number, out=np.full(items, np.nan), where=number > 0)
