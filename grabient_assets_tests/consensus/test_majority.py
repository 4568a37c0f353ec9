"""One vote per annotator, and ties that can be seen."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.majority import DecidedBy, Majority, majority, tag_majority
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, Answer, read_answer
from grabient_assets.groups.tagging.consensus import Consensus, ModelAnswer, build_consensus
from grabient_assets_tests.consensus.said import columns, said, tagged
from grabient_assets_tests.vectors import vectors


def test_a_model_asked_eight_times_does_not_outvote_two_others() -> None:
    found = majority(said({(0, 0): [1] * 8, (0, 1): [0], (0, 2): [0]}, values=2))
    assert found.votes.tolist() == [2, 1]
    assert found.share.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert (found.top[0], found.decided_by[0]) == (0, DecidedBy.VOTES)


def test_a_tie_is_decided_by_support_then_by_order_and_says_so() -> None:
    found = majority(
        said(
            {(0, 0): [1, 1], (0, 1): [0, 0, 2], (1, 0): [2], (1, 1): [1], (2, 0): [0]},
            values=3,
        )
    )
    assert found.top.tolist() == [1, 1, 0]
    assert found.decided_by.tolist() == [DecidedBy.SUPPORT, DecidedBy.ORDER, DecidedBy.VOTES]


def test_equal_support_is_equal_although_its_parts_are_no_round_numbers() -> None:
    sixths, third = [[0]] * 1 + [[]] * 5, [[1]] * 1 + [[]] * 2
    given = tagged({(0, 0): sixths, (0, 1): sixths, (0, 2): third, (0, 3): [[0, 1]]}, tags=2)
    assert 1 / 6 + 1 / 6 == 1 / 3
    found = tag_majority(given)
    assert found.support[0] == found.support[1]
    fifths = {(0, one): [[0]] + [[]] * 9 for one in range(3)} | {(0, 3): [[1]] * 3 + [[]] * 7}
    assert 0.1 + 0.1 + 0.1 != 0.3
    assert len(set(tag_majority(tagged(fifths, tags=2)).support)) == 1


def test_a_model_of_two_minds_follows_the_panel() -> None:
    given = said({(0, 0): [0, 1], (0, 1): [1], (0, 2): [2]}, values=3)
    assert majority(given).votes.tolist() == [0, 2, 1]


def test_one_of_two_answers_is_enough_for_a_tag_one_of_three_is_not() -> None:
    given = tagged({(0, 0): [[1], [2]], (0, 1): [[1], [], []], (0, 2): [[]]}, tags=3)
    found = tag_majority(given)
    assert (found.votes.tolist(), found.share.tolist()) == ([1, 1], pytest.approx([1 / 3, 1 / 3]))
    assert given.candidates.value[found.ranking(given)].tolist() == [1, 2]


def test_a_tag_in_every_answer_has_every_vote() -> None:
    found = tag_majority(tagged({(item, one): [[3], [3, one]] for item in range(4) for one in range(3)}, tags=4))
    assert found.share[found.votes == 3].tolist() == [1.0] * 4
    assert found.top.tolist() == [3] * 4


def test_items_without_a_usable_answer_have_no_value() -> None:
    found = majority(said({(1, 0): [None], (2, 0): [1]}, values=2, items=3))
    assert found.top.tolist() == [-1, -1, 1]


def test_one_model_one_item() -> None:
    found = majority(columns([2], values=3))
    assert (found.top.tolist(), found.share.tolist()) == ([2], [1.0])


def test_all_equal_and_all_different() -> None:
    assert majority(columns([1, 1], [1, 1], [1, 1], values=3)).share.tolist() == [1.0, 1.0]
    different = majority(columns([0], [2], [1], values=3))
    assert (different.top[0], different.decided_by[0]) == (0, DecidedBy.ORDER)


def test_a_model_absent_from_half_the_items_is_not_counted_there() -> None:
    found = majority(columns([0, 0, 1, 1], [0, None, 1, None], values=2))
    assert found.share.tolist() == [1.0] * 4


# The pipeline's own counting, written for one palette at a time, is the reference.


def words_of(annotations: Annotations, found: Majority, words: Sequence[str]) -> list[list[tuple[str, int, float]]]:
    result: list[list[tuple[str, int, float]]] = [[] for _ in range(annotations.items)]
    of = annotations.candidates
    for row in found.ranking(annotations).tolist():
        result[int(of.item[row])].append((words[int(of.value[row])], int(found.votes[row]), float(found.share[row])))
    return result


def counted(panels: Sequence[Sequence[ModelAnswer]], field: str) -> list[list[tuple[str, int, float]]]:
    models = sorted({(one.provider, one.model) for panel in panels for one in panel})
    rows = [
        (item, models.index((one.provider, one.model)), one.answer)
        for item, panel in enumerate(panels)
        for one in panel
        if not one.answer.is_empty
    ]
    answers: dict[tuple[int, int], list[Answer]] = {}
    for item, model, answer in rows:
        answers.setdefault((item, model), []).append(answer)
    if field in CATEGORICAL_FIELDS:
        words = list(CATEGORICAL_VALUES[field])
        codes = {
            who: [words.index(word) if (word := getattr(one, field)) in words else None for one in given]
            for who, given in answers.items()
        }
        annotations = said(codes, values=len(words), items=len(panels), annotators=len(models))
        return words_of(annotations, majority(annotations), words)
    words = sorted({tag for _, _, answer in rows for tag in getattr(answer, field)})
    lists = {
        who: [[words.index(tag) for tag in getattr(one, field)] for one in given] for who, given in answers.items()
    }
    annotations = tagged(lists, tags=max(len(words), 1), items=len(panels), annotators=max(len(models), 1))
    return words_of(annotations, tag_majority(annotations), words)


def assert_same(panels: Sequence[Sequence[ModelAnswer]]) -> None:
    expected: list[Consensus] = [build_consensus(panel) for panel in panels]
    for field in (*CATEGORICAL_FIELDS, *LIST_FIELDS):
        votes = [[(vote.value, vote.models, vote.share) for vote in one.votes[field]] for one in expected]
        assert counted(panels, field) == votes, field


def test_same_as_the_pipeline_on_invented_panels() -> None:
    """With 1, 2 or 4 answers, whose parts floats hold exactly; below, ours is the exact one for any number."""
    random = np.random.default_rng(5)
    moods = ["calm", "bold", "dark", "light", "warm"]

    def word(field: str) -> str:
        return str(random.choice([*CATEGORICAL_VALUES[field], "unheard-of"]))

    def answer() -> Answer:
        return Answer(
            temperature=word("temperature"),
            contrast=word("contrast"),
            brightness=word("brightness"),
            saturation=word("saturation"),
            mood=tuple(map(str, random.choice(moods, size=random.integers(0, 4), replace=False))),
        )

    panels = [
        [
            ModelAnswer("groq", f"m{model}", index, answer())
            for model in range(random.integers(1, 5))
            for index in range(random.choice([1, 2, 4]))
        ]
        for _ in range(150)
    ]
    assert_same(panels)


def test_same_as_the_pipeline_on_the_real_systems_answers() -> None:
    panels: list[list[ModelAnswer]] = []
    for case in vectors("consensus.json")["cases"]:
        read = [(row["model"], read_answer(json.dumps(row["tags"]), None)) for row in case["answers"]]
        panels.append(
            [
                ModelAnswer("groq", model, index, answer)
                for index, (model, answer) in enumerate(read)
                if isinstance(answer, Answer)
            ]
        )
    assert len(panels) == 17
    assert_same(panels)
