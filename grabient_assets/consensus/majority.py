"""The base line: one vote per annotator, the value with most votes. Of a whole panel, or of many parts of one panel.

- Categorical: an annotator votes for the value that most of its own answers give; an annotator whose values tie votes
  for the one with more support, then for the lower code.
- Tags: an annotator votes for every tag that at least half of its usable answers give.
- Support of a value is the sum, over the annotators, of the part of an annotator's usable answers that give it.
- Values rank by votes, then support, then code. So callers number enumerations in their own order, tags by alphabet.

Nothing depends on the order of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.grouping import Floats, Ints, best_of_groups

# Support is counted in whole parts of an answer, so that equal support is equal. Exact while the least common multiple
# of the numbers of answers stays below this, which 1 to 20 answers do (232,792,560); beyond, rounded down to a part.
MOST_PARTS = 2**38


class DecidedBy(IntEnum):
    """What separated the first value of an item from the next. Anything but VOTES was a tie."""

    VOTES = 0
    SUPPORT = 1
    ORDER = 2


@dataclass(frozen=True, eq=False)
class Majority:
    """The votes on every candidate, and the winner of every item.

    Per candidate (`Annotations.candidates`): `votes`, the annotators that voted for it (0 when it is only somebody's
    minority answer); `share`, their part of all annotators with a ballot on the item; `support`.
    Per item: `top`, the value that ranks first (-1 when nobody voted); `decided_by`, a DecidedBy. For tags `top` is
    merely the strongest tag.
    """

    votes: Ints
    share: Floats
    support: Floats
    top: Ints
    decided_by: Ints

    def ranking(self, annotations: Annotations) -> Ints:
        """The candidates that have votes, item by item, strongest first."""
        of, voted = annotations.candidates, np.flatnonzero(self.votes)
        keys = of.value[voted], -self.support[voted], -self.votes[voted], of.item[voted]
        return voted[np.lexsort(keys)]


def majority(annotations: Annotations) -> Majority:
    """The majority of a categorical field."""
    support = _support(annotations)
    choice = own_choice(annotations, support)
    return _majority(annotations, support, annotations.candidates.of_entry[choice[choice >= 0]])


def tag_majority(annotations: Annotations) -> Majority:
    """The votes on tags."""
    voting = 2 * annotations.entry_times >= annotations.ballot_answers[annotations.entry_ballot]
    return _majority(annotations, _support(annotations), annotations.candidates.of_entry[voting])


def own_choice(annotations: Annotations, support: Floats | None = None) -> Ints:
    """The entry each ballot votes for in a categorical field, -1 for a ballot of blanks only."""
    support = _support(annotations) if support is None else support
    rows, _ = best_of_groups(
        annotations.entry_ballot,
        annotations.ballot_item.size,
        annotations.entry_times.astype(np.float64),
        support[annotations.candidates.of_entry],
    )
    return rows


def _majority(annotations: Annotations, support: Floats, voted: Ints) -> Majority:
    of = annotations.candidates
    votes = np.bincount(voted, minlength=of.item.size)
    standing = np.flatnonzero(votes)
    rows, decided = best_of_groups(
        of.item[standing], annotations.items, votes[standing].astype(np.float64), support[standing]
    )
    top = np.full(annotations.items, -1)
    top[rows >= 0] = of.value[standing[rows[rows >= 0]]]
    return Majority(votes, votes / annotations.panel[of.item], support, top, decided)


def entry_parts(annotations: Annotations) -> tuple[Ints, int]:
    """The part of its ballot's answers that each entry has, as a whole number of parts, and how many parts are one."""
    answers = annotations.ballot_answers
    parts = min(int(np.lcm.reduce(np.unique(answers).astype(object), initial=1)), MOST_PARTS)
    return annotations.entry_times.astype(np.int64) * parts // answers[annotations.entry_ballot], parts


def _support(annotations: Annotations) -> Floats:
    share, parts = entry_parts(annotations)
    of = annotations.candidates
    # Whole numbers below 2**53 in floats: the sums are exact and do not depend on the order.
    return np.bincount(of.of_entry, weights=share, minlength=of.item.size) / parts


class PartMajority:
    """The majority among parts of one panel, in a categorical field: the same rules, counted for many parts.

    Called with annotators, it gives the value that ranks first on every item, -1 where none of them votes. Votes and
    support are sums over annotators, so those of a part are sums of tables that are made once. Only an annotator whose
    values tie must be asked again in each part, because its vote follows the support there.
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
        tied = strongest.sum(axis=1, dtype=np.uint8) > 1
        self._votes = (strongest & ~tied[:, None, :]).view(np.uint8)
        self._tied_annotator, self._tied_item = np.nonzero(tied)
        self._tied_choice = strongest[self._tied_annotator, :, self._tied_item].T
        self._totals = tuple(table.sum(axis=0, dtype=np.int64) for table in (self._support, self._votes))

    def __call__(self, left: Sequence[int]) -> Ints:
        support, votes = (self._sum(number, left) for number in range(2))
        annotators, values, items = self._support.shape
        # Support and then the lower value, as one number.
        rank = support * values + np.arange(values)[::-1, None]
        mine = np.isin(self._tied_annotator, np.asarray(left, dtype=np.int64))
        item = self._tied_item[mine]
        choice = np.where(self._tied_choice[:, mine], rank[:, item], -1).argmax(axis=0)
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
