"""Sets of tags: how far two are apart (MASI), the distinct sets among many, and the mean distance of two random ones.

R. Passonneau, "Measuring Agreement on Set-valued Items (MASI) for Semantic and Pragmatic Annotation", LREC 2006:
MASI = J * M, with the Jaccard coefficient J = |A and B| / |A or B| and M = 1 for equal sets, 2/3 when one holds the
other, 1/3 when they merely overlap, 0 when they share nothing. The distance is 1 - MASI. Two empty sets are equal. It
depends on three numbers only: the sizes of both sets and of what they share.

The expected disagreement of alpha (agreement.set_alpha) is a mean over all pairs of votes, a million million of them
for 100,000 items. It depends on how many pairs have sizes (a, b) and share i tags, N_i(a, b), and that can be counted
without pairs. Every pair that shares i tags shares C(i, r) subsets of r tags, so with f_T(a) sets of size a that hold
the subset T

    B_r(a, b) = sum over |T| = r of f_T(a) f_T(b) = sum over i of C(i, r) N_i(a, b)
    N_i(a, b) = sum over r >= i of (-1)^(r-i) C(r, i) B_r(a, b)           (binomial inversion)

where a set is not paired with itself (f_T(a) (f_T(a) - 1) for a = b). A subset held by one vote only adds nothing,
and neither does any larger one around it, so the search goes on from shared subsets only. The work is linear in the
votes and at most 2^size per distinct set.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from grabient_assets.consensus.grouping import Floats, Ints, ranked


def masi_distance(left: Ints, right: Ints, shared: Ints) -> Floats:
    """The distance of sets of size `left` and `right` that have `shared` tags in common; arrays broadcast."""
    left, right, shared = np.broadcast_arrays(left, right, shared)
    union = left + right - shared
    jaccard = np.divide(shared, union, out=np.ones(union.shape), where=union > 0)
    # Where nothing is shared the Jaccard coefficient is 0 already.
    monotonic = np.select([shared == union, shared == np.minimum(left, right)], [1.0, 2 / 3], 1 / 3)
    return 1 - jaccard * monotonic


PAIRS_AT_ONCE = 2**16


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is counted.

    `pairs` are compared one by one: exact when all pairs of distinct sets are no more, the size of the sample
    otherwise. `subsets` are looked at per level, at about 60 bytes each; beyond, pairs are sampled. `cells` of the
    tables of subsets by size are in memory at once.
    """

    pairs: int = 2**20
    subsets: int = 2**22
    cells: int = 2**22


EFFORT = Effort()


@dataclass(frozen=True, eq=False)
class TagSets:
    """Distinct sets, one per row: `tags`, ascending and filled up with -1; `size`; `votes`, how many voted for it."""

    tags: Ints
    size: Ints
    votes: Ints


@dataclass(frozen=True, slots=True)
class MeanDistance:
    """The mean MASI distance of two different votes, and its standard error (0 when it was counted, not sampled)."""

    value: float
    error: float


def distinct_sets(owner: Ints, tag: Ints, owners: int, tags: int) -> TagSets:
    """The distinct sets among `owners` sets, of which `owner` and `tag` list the members, ascending by both."""
    size = np.bincount(owner, minlength=owners)
    starts = np.cumsum(size) - size
    table = np.full((owners, int(size.max(initial=0))), -1, dtype=np.int32)
    table[owner, np.arange(owner.size) - starts[owner]] = tag
    kind, kinds = np.zeros(owners, dtype=np.int64), 1
    for column in table.T:
        distinct, kind, _ = ranked(kind * (tags + 1) + column + 1, kinds * (tags + 1))
        kinds = distinct.size
    example = np.zeros(kinds, dtype=np.int64)
    example[kind] = np.arange(owners)
    return TagSets(table[example], size[example], np.bincount(kind, minlength=kinds))


def mean_distance(sets: TagSets, seed: int, effort: Effort = EFFORT) -> MeanDistance:
    """The mean distance of two different votes, drawn at random. `seed` matters only when it has to be sampled."""
    kinds = sets.size.size
    if kinds * (kinds - 1) // 2 <= effort.pairs:
        return _all_pairs(sets)
    total = _from_subsets(sets, effort)
    votes = int(sets.votes.sum())
    return _sampled(sets, seed, effort.pairs) if total is None else MeanDistance(total / (votes * (votes - 1)), 0.0)


def _all_pairs(sets: TagSets) -> MeanDistance:
    left, right = np.triu_indices(sets.size.size, 1)
    total, votes = 0.0, int(sets.votes.sum())
    for start in range(0, left.size, PAIRS_AT_ONCE):
        one, other = left[start : start + PAIRS_AT_ONCE], right[start : start + PAIRS_AT_ONCE]
        total += float((_distances(sets, one, other) * sets.votes[one] * sets.votes[other]).sum())
    return MeanDistance(2 * total / (votes * (votes - 1)), 0.0)


def _sampled(sets: TagSets, seed: int, pairs: int) -> MeanDistance:
    generator = np.random.default_rng(seed)
    owner = np.repeat(np.arange(sets.size.size), sets.votes)
    one = generator.integers(0, owner.size, pairs)
    other = (one + generator.integers(1, owner.size, pairs)) % owner.size
    parts = [
        _distances(sets, owner[one[start : start + PAIRS_AT_ONCE]], owner[other[start : start + PAIRS_AT_ONCE]])
        for start in range(0, pairs, PAIRS_AT_ONCE)
    ]
    distances = np.concatenate(parts)
    return MeanDistance(float(distances.mean()), float(distances.std(ddof=1) / np.sqrt(pairs)))


def _distances(sets: TagSets, one: Ints, other: Ints) -> Floats:
    left, right = sets.tags[one], sets.tags[other]
    shared = np.zeros(len(one), dtype=np.int64)
    for column in range(left.shape[1]):
        tag = left[:, column, None]
        shared += ((right == tag) & (tag >= 0)).any(axis=1)
    return masi_distance(sets.size[one], sets.size[other], shared)


def _from_subsets(sets: TagSets, effort: Effort) -> float | None:
    """The sum of distances over all ordered pairs of different votes; None when there are too many subsets."""
    sizes = sets.tags.shape[1] + 1
    of_size = np.bincount(sets.size, weights=sets.votes, minlength=sizes)
    pairs = np.zeros((sizes, sizes, sizes))
    pairs[0] = np.outer(of_size, of_size) - np.diag(of_size)
    # A subset is an owner (one of the sets), the place of its last tag there, and the rank of what comes before.
    owner, tags = np.arange(sets.size.size), int(sets.tags.max(initial=0)) + 1
    last, rank, ranks = np.full(owner.size, -1), np.zeros(owner.size, dtype=np.int64), 1
    for r in range(1, sizes):
        room = sets.size[owner] - last - 1
        total = int(room.sum())
        if total > effort.subsets:
            return None
        # Every subset so far, with each later tag of its owner.
        later = np.arange(total) - np.repeat(np.cumsum(room) - room, room)
        owner, last = np.repeat(owner, room), np.repeat(last, room) + 1 + later
        distinct, rank, _ = ranked(np.repeat(rank, room) * tags + sets.tags[owner, last], ranks * tags)
        shared = np.bincount(rank, weights=sets.votes[owner], minlength=distinct.size) > 1
        kept = shared[rank]
        owner, last, rank, ranks = owner[kept], last[kept], (np.cumsum(shared) - 1)[rank[kept]], int(shared.sum())
        if not ranks:
            break
        pairs[r] = _pairs_holding(rank, ranks, sets.size[owner], sets.votes[owner], sizes, effort.cells)
    return _total_distance(pairs)


def _pairs_holding(subset: Ints, subsets: int, size: Ints, votes: Ints, sizes: int, cells: int) -> Floats:
    """B_r(a, b): over the subsets, the ordered pairs of different votes of sizes a and b that both hold it."""
    held = np.zeros((sizes, sizes))
    order = np.argsort(subset, kind="stable")
    subset, size, votes = subset[order], size[order], votes[order]
    block = max(1, cells // sizes)
    for first in range(0, subsets, block):
        begin, end = np.searchsorted(subset, [first, first + block])
        count = min(block, subsets - first)
        keys = (subset[begin:end] - first) * sizes + size[begin:end]
        table = np.bincount(keys, weights=votes[begin:end], minlength=count * sizes).reshape(count, sizes)
        held += table.T @ table - np.diag(table.sum(axis=0))
    return held


def _total_distance(pairs: Floats) -> float:
    """The inversion, and the distances: `pairs[r, a, b]` are the B_r(a, b) of above, with all pairs at r = 0."""
    sizes = np.arange(len(pairs))
    total = 0.0
    for shared in sizes:
        number = sum((-1) ** int(r - shared) * comb(int(r), int(shared)) * pairs[r] for r in sizes[shared:])
        distance = masi_distance(sizes[:, None], sizes, np.minimum(shared, np.minimum(sizes[:, None], sizes)))
        total += float((number * distance).sum())
    return total
