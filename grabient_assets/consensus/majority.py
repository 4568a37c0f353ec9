"""The base line: one vote per annotator, the value with most votes.

- Categorical: an annotator votes for the value that most of its own answers give; of two minds, for the one with more
  support, then for the lower code.
- Tags: an annotator votes for every tag that at least half of its usable answers give.
- Support of a value is the sum, over the annotators, of the part of an annotator's usable answers that give it.
- Values rank by votes, then support, then code. So callers number enumerations in their own order, tags by alphabet.

Nothing depends on the order of rows.
"""

from __future__ import annotations

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
