"""The majority among parts of one panel, in a categorical field: the rules of majority.py, counted for many parts.

Votes and support are sums over annotators, so those of a part are sums of tables that are made once. Only an annotator
of two minds must be asked again in each part, for it follows the support there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.grouping import Ints
from grabient_assets.consensus.majority import entry_parts


class PartMajority:
    """Called with annotators, gives the value that ranks first on every item, -1 where none of them votes.

    Its tables have annotators x values x items cells: for a few values, not for tags.
    """

    def __init__(self, annotations: Annotations) -> None:
        shape = (annotations.annotators, annotations.values, annotations.items)
        ballot = annotations.entry_ballot
        where = annotations.ballot_annotator[ballot], annotations.entry_value, annotations.ballot_item[ballot]
        shares, self._parts = entry_parts(annotations)
        times = np.zeros(shape, dtype=np.min_scalar_type(int(annotations.entry_times.max(initial=0))))
        times[where] = annotations.entry_times
        self._support = np.zeros(shape, dtype=np.min_scalar_type(self._parts))
        self._support[where] = shares
        strongest = (times == times.max(axis=1, keepdims=True, initial=0)) & (times > 0)
        torn = strongest.sum(axis=1, dtype=np.uint8) > 1
        self._votes = (strongest & ~torn[:, None, :]).view(np.uint8)
        self._torn_annotator, self._torn_item = np.nonzero(torn)
        self._torn_choice = strongest[self._torn_annotator, :, self._torn_item].T
        self._totals = tuple(table.sum(axis=0, dtype=np.int64) for table in (self._support, self._votes))

    def __call__(self, left: Sequence[int]) -> Ints:
        support, votes = (self._sum(number, left) for number in range(2))
        annotators, values, items = self._support.shape
        # Support and then the lower value, as one number.
        rank = support * values + np.arange(values)[::-1, None]
        mine = np.isin(self._torn_annotator, np.asarray(left, dtype=np.int64))
        item = self._torn_item[mine]
        choice = np.where(self._torn_choice[:, mine], rank[:, item], -1).argmax(axis=0)
        votes += np.bincount(choice * items + item, minlength=values * items).reshape(values, items)
        first = (votes * ((annotators * self._parts + 1) * values) + rank).argmax(axis=0)
        return np.where(votes.max(axis=0, initial=0) > 0, first, -1)

    def _sum(self, table: int, left: Sequence[int]) -> Ints:
        """Of the annotators left, or of all without those that are gone, whichever are fewer."""
        parts, total = (self._support, self._votes)[table], self._totals[table]
        gone = [one for one in range(len(parts)) if one not in left]
        if len(gone) >= len(left):
            total, gone, sign = np.zeros_like(total), left, 1
        else:
            total, sign = total.copy(), -1
        for one in gone:
            total += sign * parts[one].astype(np.int64)
        return total
