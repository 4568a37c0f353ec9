"""Annotations: the responses of annotators to items, the input of everything in this room.

Items, annotators and values are whole numbers from 0; the caller keeps the names. An annotator that was asked twice
about an item has one *ballot* on it, made of two answers. Whatever is counted later, a ballot weighs one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from grabient_assets.consensus.grouping import Flags, Floats, Ints, group_starts, ranked
from grabient_assets.errors import AnnotationsError

# A usable answer without a value in this field. It is part of the ballot and votes for no value.
BLANK = -1


@dataclass(frozen=True)
class Candidates:
    """The (item, value) pairs that at least one answer gives, ascending. Other values are not candidates.

    `item` and `value`: one per candidate. `of_entry`: the candidate of each entry of the annotations.
    `starts`: where the candidates of each item begin, shape (items + 1,).
    """

    item: Ints
    value: Ints
    of_entry: Ints
    starts: Ints


@dataclass(frozen=True, eq=False)
class Annotations:
    """Ballots and their entries, as flat arrays; nothing grows faster than the answers.

    A ballot is one annotator on one item, ascending by item, then annotator: `ballot_item`, `ballot_annotator`, and
    `ballot_answers`, the number of usable answers behind it. An entry is one value of one ballot, ascending by ballot,
    then value: `entry_ballot`, `entry_value`, and `entry_times`, in how many of the ballot's answers it stands.
    """

    items: int
    annotators: int
    values: int
    ballot_item: Ints
    ballot_annotator: Ints
    ballot_answers: Ints
    entry_ballot: Ints
    entry_value: Ints
    entry_times: Ints

    @cached_property
    def panel(self) -> Ints:
        """How many annotators have a ballot on each item, shape (items,)."""
        return np.bincount(self.ballot_item, minlength=self.items)

    @cached_property
    def present(self) -> Flags:
        """Which annotators have a ballot on which item, shape (items, annotators)."""
        table = np.zeros((self.items, self.annotators), dtype=bool)
        table[self.ballot_item, self.ballot_annotator] = True
        return table

    @cached_property
    def candidates(self) -> Candidates:
        """The (item, value) pairs that at least one answer gives."""
        keys = self.ballot_item[self.entry_ballot].astype(np.int64) * self.values + self.entry_value
        distinct, position, _ = ranked(keys, self.items * self.values)
        item = distinct // self.values
        return Candidates(item, distinct % self.values, position, group_starts(item, self.items))

    @cached_property
    def entry_weight(self) -> Floats:
        """The part of a ballot's one vote that each entry has among the values it names: 1 per ballot in sum."""
        named = np.bincount(self.entry_ballot, weights=self.entry_times, minlength=self.ballot_item.size)
        return self.entry_times / named[self.entry_ballot]

    def only(self, ballots: Flags) -> Annotations:
        """These ballots and no others; the numbers of items, annotators and values stay as they are."""
        entries = ballots[self.entry_ballot]
        renumbered = np.cumsum(ballots) - 1
        return Annotations(
            self.items,
            self.annotators,
            self.values,
            self.ballot_item[ballots],
            self.ballot_annotator[ballots],
            self.ballot_answers[ballots],
            renumbered[self.entry_ballot[entries]],
            self.entry_value[entries],
            self.entry_times[entries],
        )

    def of_annotators(self, annotators: Sequence[int] | Ints) -> Annotations:
        """As if only these annotators had been asked."""
        return self.only(np.isin(self.ballot_annotator, np.asarray(annotators, dtype=np.int64)))

    def of_items(self, items: Flags) -> Annotations:
        """As if only the marked items had been asked about; `items` has shape (items,)."""
        return self.only(items[self.ballot_item])


def categorical_annotations(
    item: Ints, annotator: Ints, value: Ints, *, items: int, annotators: int, values: int
) -> Annotations:
    """Annotations of a field with one value per answer: one row per usable answer, value BLANK when it gives none.

    Raises AnnotationsError when arrays differ in length or a code is out of range.
    """
    _check("item", item, items, item.size)
    _check("annotator", annotator, annotators, item.size)
    _check("value", value, values, item.size, least=BLANK)
    ballots, ballot, answers = ranked(item.astype(np.int64) * annotators + annotator, items * annotators)
    given = value != BLANK
    keys, times = np.unique(ballot[given] * values + value[given], return_counts=True)
    return _annotations(items, annotators, values, ballots, answers, keys, times)


def tag_annotations(
    item: Ints, annotator: Ints, answer: Ints, tag: Ints, *, items: int, annotators: int, tags: int
) -> Annotations:
    """Annotations of a field with any number of tags per answer.

    `item` and `annotator` have one row per usable answer; `answer` (the row of the answer) and `tag` one row per tag.
    A tag that stands twice in one answer counts once. Raises AnnotationsError as categorical_annotations does.
    """
    _check("item", item, items, item.size)
    _check("annotator", annotator, annotators, item.size)
    _check("answer", answer, item.size, answer.size)
    _check("tag", tag, tags, answer.size)
    ballots, ballot, answers = ranked(item.astype(np.int64) * annotators + annotator, items * annotators)
    once = _sorted_distinct(answer.astype(np.int64) * tags + tag)
    keys, times = np.unique(ballot[once // tags] * tags + once % tags, return_counts=True)
    return _annotations(items, annotators, tags, ballots, answers, keys, times)


def _annotations(
    items: int, annotators: int, values: int, ballots: Ints, answers: Ints, entries: Ints, times: Ints
) -> Annotations:
    return Annotations(
        items,
        annotators,
        values,
        (ballots // max(annotators, 1)).astype(np.int32),
        (ballots % max(annotators, 1)).astype(np.int32),
        answers.astype(np.int32),
        (entries // max(values, 1)).astype(np.int32),
        (entries % max(values, 1)).astype(np.int32),
        times.astype(np.int32),
    )


def _sorted_distinct(keys: Ints) -> Ints:
    keys = np.sort(keys)
    return keys[np.diff(keys, prepend=-1) != 0]


def _check(name: str, codes: Ints, bound: int, length: int, least: int = 0) -> None:
    if codes.ndim != 1 or codes.size != length:
        raise AnnotationsError(f"{name} should be {length} codes in a row; the shape is {codes.shape}.")
    if codes.size and (int(codes.min()) < least or int(codes.max()) >= bound):
        raise AnnotationsError(
            f"The codes of {name} should lie between {least} and {bound - 1}; "
            f"they run from {codes.min()} to {codes.max()}."
        )
