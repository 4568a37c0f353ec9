"""Ballots: one per annotator and item, however many answers are behind it."""

from __future__ import annotations

import numpy as np
import pytest

from grabient_assets.consensus.annotations import BLANK, categorical_annotations, tag_annotations
from grabient_assets.consensus.grouping import best_of_groups, distinct_rows, ranked
from grabient_assets.errors import AnnotationsError
from grabient_assets_tests.consensus.said import said, tagged


def test_a_ballot_weighs_one_however_many_answers_it_has() -> None:
    given = said({(0, 0): [1, 1, 2, None], (0, 1): [2], (1, 1): [None]}, values=3)
    assert given.ballot_answers.tolist() == [4, 1, 1]
    assert list(zip(given.entry_ballot, given.entry_value, given.entry_times, strict=True)) == [
        (0, 1, 2),
        (0, 2, 1),
        (1, 2, 1),
    ]
    assert given.entry_weight.tolist() == pytest.approx([2 / 3, 1 / 3, 1])
    assert given.panel.tolist() == [2, 1]


def test_a_tag_that_stands_twice_in_an_answer_counts_once() -> None:
    given = tagged({(0, 0): [[3, 3, 1], [3]], (2, 1): [[]]}, tags=5)
    assert given.ballot_answers.tolist() == [2, 1]
    assert list(zip(given.entry_value, given.entry_times, strict=True)) == [(1, 1), (3, 2)]
    assert given.panel.tolist() == [1, 0, 1]


def test_candidates_are_what_somebody_named() -> None:
    of = tagged({(0, 0): [[4, 1]], (0, 1): [[1]], (2, 0): [[0]]}, tags=5).candidates
    assert list(zip(of.item, of.value, strict=True)) == [(0, 1), (0, 4), (2, 0)]
    assert of.starts.tolist() == [0, 2, 2, 3]


def test_a_part_of_the_panel_keeps_its_numbers() -> None:
    given = said({(0, 0): [0], (0, 2): [1], (1, 1): [2]}, values=3)
    part = given.of_annotators([1, 2])
    assert part.annotators == 3
    assert list(zip(part.ballot_item, part.ballot_annotator, part.entry_value, strict=True)) == [(0, 2, 1), (1, 1, 2)]
    assert given.of_items(np.array([False, True])).entry_value.tolist() == [2]


@pytest.mark.parametrize(
    ("item", "annotator", "value", "words"),
    [
        ([0, 2], [0, 0], [0, 0], "item should lie between 0 and 1; they run from 0 to 2"),
        ([0, 1], [0, -1], [0, 0], "annotator should lie between 0 and 0"),
        ([0, 1], [0, 0], [0, 3], "value should lie between -1 and 2"),
        ([0, 1], [0], [0, 0], "annotator should be 2 codes in a row"),
    ],
)
def test_codes_that_do_not_fit_are_refused(item: list[int], annotator: list[int], value: list[int], words: str) -> None:
    with pytest.raises(AnnotationsError, match=words):
        categorical_annotations(np.array(item), np.array(annotator), np.array(value), items=2, annotators=1, values=3)


def test_a_tag_of_no_answer_is_refused() -> None:
    with pytest.raises(AnnotationsError, match="answer should lie between 0 and 0"):
        tag_annotations(np.array([0]), np.array([0]), np.array([1]), np.array([0]), items=1, annotators=1, tags=2)


def test_blank_is_no_value() -> None:
    assert said({(0, 0): [None]}, values=2).entry_value.size == 0
    assert BLANK < 0


@pytest.mark.parametrize("bound", [50, 10**12])
def test_ranked_is_the_same_by_table_and_by_sorting(bound: int) -> None:
    keys = np.array([7, 3, 7, 49, 3, 3])
    distinct, position, counts = ranked(keys, bound)
    assert (distinct.tolist(), counts.tolist()) == ([3, 7, 49], [3, 2, 1])
    assert distinct[position].tolist() == keys.tolist()


def test_the_best_of_a_group_and_what_decided() -> None:
    groups = np.array([0, 0, 1, 1, 3, 3, 3])
    first, second = np.array([1.0, 2, 5, 5, 4, 4, 4]), np.array([9.0, 0, 1, 2, 3, 3, 1])
    rows, decided = best_of_groups(groups, 5, first, second)
    assert rows.tolist() == [1, 3, -1, 4, -1]
    assert decided.tolist() == [0, 1, 0, 2, 0]


def test_distinct_rows_of_a_table_too_wide_for_one_key() -> None:
    table = np.random.default_rng(0).integers(0, 60_000, (40, 30)).astype(np.uint16)[np.arange(200) % 37]
    example, kind, counts = distinct_rows(table)
    expected, times = np.unique(table, axis=0, return_counts=True)
    assert np.array_equal(table[example], expected)
    assert np.array_equal(table[example][kind], table)
    assert np.array_equal(counts, times)
