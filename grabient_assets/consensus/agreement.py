"""Krippendorff's alpha for categories and for sets of tags, and how divided an item is.

K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): alpha = 1 - observed / expected disagreement, each
the share of pairs of votes that differ. An annotator whose values tie has half a vote for each (w_mc, 1 in sum over the
values c), and pairs are of different annotators only: the vote of an annotator does not depend on the others,
as it does in the majority, whose ties follow the panel. Written with counts (n_uc votes for c on unit u of m_u
annotators, n = sum of m_u over units with two or more, q_u = sum over annotators of 1 - sum_c w_mc^2, the pairs of an
annotator with itself that differ), both need one pass and no pairs:

    observed = 1/n * sum_u (m_u^2 - sum_c n_uc^2 - q_u) / (m_u - 1)
    expected = (n^2 - sum_c n_c^2 - sum_u q_u) / (n (n - 1))

Where each annotator gave one value q is 0, and this is the formula as published. An annotator without a vote on a
unit is missing data, not a disagreement.

For sets of tags the distance is MASI. Observed disagreement: within an item, pairs of annotators (their number does not
grow with the items). Expected disagreement: pairs of all votes, counted as tag_sets.py says. An annotator's vote is the
set of tags that at least half of its usable answers give; it may be empty, and does not depend on the other annotators.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.grouping import Flags, Floats, Ints, distinct_rows
from grabient_assets.consensus.tag_sets import EFFORT, Effort, distinct_sets, masi_distance, mean_distance

# Replicates x distinct rows held at once: 16 MB.
CELLS_AT_ONCE = 2_000_000
# Sums of parts of votes that are equal but for rounding are one row.
DECIMALS = 9
# Decimals. In the draws of sets, items whose disagreement (0 to the number of annotators) is alike to these are one
# row: moves an interval by less than 0.0005, and most often by far less.
SAME_DISAGREEMENT = 3
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
    votes on them. `expected_error`: standard error of `expected` where it was sampled (set_alpha), else 0.
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

    `counts` (rows, values): votes for each value; `sizes`: all of them; `own_pairs`: q_u of the module's formula;
    `times`: how many items the row stands for.
    """

    counts: Floats
    sizes: Floats
    own_pairs: Floats
    times: Ints

    @classmethod
    def of(cls, annotations: Annotations) -> _Rows:
        item = annotations.ballot_item[annotations.entry_ballot]
        weight, items, values = annotations.entry_weight, annotations.items, annotations.values
        cell = item.astype(np.int64) * values + annotations.entry_value
        counts = np.bincount(cell, weights=weight, minlength=items * values).reshape(items, values)
        voted = annotations.entry_ballot[np.diff(annotations.entry_ballot, prepend=-1) != 0]
        sizes = np.bincount(annotations.ballot_item[voted], minlength=items)
        own_pairs = sizes - np.bincount(item, weights=weight**2, minlength=items)
        table = np.column_stack([counts, sizes, own_pairs])[sizes > 1].astype(np.float64).round(DECIMALS)
        codes = [np.unique(column, return_inverse=True)[1] for column in table.T]
        example, _, times = distinct_rows(np.stack(codes, axis=1))
        return cls(table[example, :-2], table[example, -2], table[example, -1], times)

    def disagreements(self, weights: Floats) -> tuple[Floats, Floats]:
        """Observed and expected disagreement per replicate; `weights` (replicates, rows): how often a row counts."""
        n = weights @ self.sizes
        apart = (self.sizes**2 - (self.counts**2).sum(axis=1) - self.own_pairs) / (self.sizes - 1)
        pairs = n**2 - ((weights @ self.counts) ** 2).sum(axis=1) - weights @ self.own_pairs
        return weights @ apart / n, pairs / (n * (n - 1))


def undefined(units: int, votes: int) -> Alpha:
    """No alpha: no item has two votes, or all votes are equal, so chance cannot be distinguished from agreement."""
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

    As in alpha, an annotator whose values tie has half a vote for each.
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


def set_alpha(
    annotations: Annotations, bootstrap: Bootstrap | None = None, seed: int = 0, effort: Effort = EFFORT
) -> Alpha:
    """Alpha over the tag sets of the annotators, MASI distance.

    Bootstrap intervals draw items and hold the expected disagreement, as Krippendorff's own algorithm does
    (A. F. Hayes and K. Krippendorff, "Answering the Call for a Standard Reliability Measure for Coding Data",
    Communication Methods and Measures 1 (2007) 77-89): it is a mean over all votes and moves little. `seed` is used
    only when the expected disagreement must be sampled, because counting would be more than the `effort`;
    `expected_error` of the result is its standard error then.
    """
    annotations = annotations.of_items(annotations.panel > 1)
    units, votes = int((annotations.panel > 1).sum()), annotations.ballot_item.size
    if not units:
        return undefined(units, votes)
    voting = 2 * annotations.entry_times >= annotations.ballot_answers[annotations.entry_ballot]
    owner, tag = annotations.entry_ballot[voting], annotations.entry_value[voting]
    chance = mean_distance(distinct_sets(owner, tag, votes, annotations.values), seed, effort)
    if chance.value <= 0:
        return undefined(units, votes)
    per_item = _disagreement(annotations, voting)
    observed = float(per_item.sum() / votes)
    low, high = None, None
    if bootstrap is not None:
        low, high = _interval(per_item, annotations.panel, chance.value, bootstrap)
    value = 1 - observed / chance.value
    return Alpha(value, None, observed, chance.value, units, votes, low, high, chance.error)


def _disagreement(annotations: Annotations, voting: Flags) -> Floats:
    """Per item the sum of distances over ordered pairs of its annotators, divided by one less than they are."""
    of = annotations.candidates
    entry = annotations.entry_ballot[voting]
    named = np.zeros((annotations.annotators, of.item.size), dtype=bool)
    named[annotations.ballot_annotator[entry], of.of_entry[voting]] = True
    sizes = [_per_item(row, of.starts) for row in named]
    total = np.zeros(annotations.items)
    for one, other in combinations(range(annotations.annotators), 2):
        both = annotations.present[:, one] & annotations.present[:, other]
        if both.any():
            shared = _per_item(named[one] & named[other], of.starts)
            total[both] += 2 * masi_distance(sizes[one][both], sizes[other][both], shared[both])
    return total / np.maximum(annotations.panel - 1, 1)


def _per_item(flags: Flags, starts: Ints) -> Ints:
    """How many of the candidates of each item are flagged."""
    return np.diff(np.concatenate(([0], np.cumsum(flags, dtype=np.int32)))[starts])


def _interval(
    per_item: Floats, panel: Ints, expected: float, bootstrap: Bootstrap
) -> tuple[float | None, float | None]:
    kept = panel > 1
    alike = np.stack([np.round(per_item[kept], SAME_DISAGREEMENT), panel[kept]], axis=1)
    rows, times = np.unique(alike, axis=0, return_counts=True)
    alphas = [1 - (weights @ rows[:, 0]) / (weights @ rows[:, 1]) / expected for weights in resampled(times, bootstrap)]
    return percentiles(np.concatenate(alphas))
