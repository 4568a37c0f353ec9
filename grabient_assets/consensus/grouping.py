"""Sorting and counting whole-number keys without loops: what all counts of this room are made of."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.integer]
Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

# A table over all possible keys is faster than sorting while it stays this small beside the keys themselves.
TABLE_PER_KEY = 8


def ranked(keys: Ints, bound: int) -> tuple[Ints, Ints, Ints]:
    """The distinct keys in ascending order, for every key its position among them, and how often each occurs.

    Keys are 0 <= key < bound. Linear in the keys when bound is of their order, otherwise a sort.
    """
    if bound <= TABLE_PER_KEY * max(keys.size, 1):
        table = np.bincount(keys, minlength=bound)
        distinct = np.flatnonzero(table)
        position = np.cumsum(table > 0) - 1
        return distinct, position[keys], table[distinct]
    distinct, position, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return distinct, position, counts


def group_starts(groups: Ints, count: int) -> Ints:
    """Where each of `count` groups begins in the ascending `groups`; one number more, the end of the last."""
    return np.concatenate(([0], np.cumsum(np.bincount(groups, minlength=count))))


def best_of_groups(groups: Ints, count: int, first: Floats, second: Floats) -> tuple[Ints, Ints]:
    """Of each group the row with the greatest `first`, then the greatest `second`, then the earliest.

    `groups` is ascending. Returns the row per group (-1 for a group without rows), and what decided:
    0 `first` alone, 1 `second`, 2 only the order of the rows (0 for a group without rows).
    """
    best, decided = np.full(count, -1), np.zeros(count, dtype=np.int8)
    if not groups.size:
        return best, decided
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sizes = np.diff(starts, append=groups.size)
    among_first = first == np.repeat(np.maximum.reduceat(first, starts), sizes)
    second = np.where(among_first, second, -np.inf)
    among_second = second == np.repeat(np.maximum.reduceat(second, starts), sizes)
    rows = np.where(among_second, np.arange(groups.size), groups.size)
    owner = groups[starts]
    best[owner] = np.minimum.reduceat(rows, starts)
    decided[owner] = (np.add.reduceat(among_first.astype(np.int64), starts) > 1).astype(np.int8) + (
        np.add.reduceat(among_second.astype(np.int64), starts) > 1
    )
    return best, decided


def distinct_rows(columns: Ints) -> tuple[Ints, Ints, Ints]:
    """The distinct rows of a table of whole numbers from 0, in lexicographic order.

    Returns the index of one row of each kind, for every row the kind it is of, and the number of rows per kind.
    Exact: columns are folded into one 64-bit key, which is replaced by its rank whenever it would overflow.
    """
    rows, width = columns.shape
    code, bound = np.zeros(rows, dtype=np.int64), 1
    for column in range(width):
        radix = int(columns[:, column].max(initial=0)) + 1
        if radix == 1:
            continue
        if bound > 2**62 // radix:
            distinct, code, _ = ranked(code, bound)
            bound = distinct.size
        code, bound = code * radix + columns[:, column], bound * radix
    _, kind, counts = ranked(code, bound)
    example = np.zeros(counts.size, dtype=np.int64)
    example[kind[::-1]] = np.arange(rows)[::-1]
    return example, kind, counts
