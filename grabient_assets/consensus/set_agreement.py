"""Krippendorff's alpha for sets of tags, with MASI as the distance.

Observed disagreement: within an item, pairs of annotators (their number does not grow with the items). Expected
disagreement: pairs of all votes, counted as tag_sets.py says. An annotator's vote is the set of tags that at least
half of its usable answers give; it may be empty, and depends on nobody else's.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from grabient_assets.consensus.agreement import Alpha, Bootstrap, percentiles, resampled, undefined
from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.grouping import Flags, Floats, Ints
from grabient_assets.consensus.masi import masi_distance
from grabient_assets.consensus.tag_sets import EFFORT, Effort, distinct_sets, mean_distance

# Decimals. In the draws, items whose disagreement (0 to the number of annotators) is alike to these are one row: moves
# an interval by less than 0.0005, and most often by far less.
SAME_DISAGREEMENT = 3


def set_alpha(
    annotations: Annotations, bootstrap: Bootstrap | None = None, seed: int = 0, effort: Effort = EFFORT
) -> Alpha:
    """Alpha over the tag sets of the annotators, MASI distance.

    Bootstrap intervals draw items and hold the expected disagreement, as Krippendorff's own algorithm does
    (A. F. Hayes and K. Krippendorff, "Answering the Call for a Standard Reliability Measure for Coding Data",
    Communication Methods and Measures 1 (2007) 77-89): it is a mean over all votes and moves little. `seed` is used
    only when the expected disagreement must be sampled, because counting would be more than the `effort`;
    `expected_error` of the result then says how sure it is.
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
