"""The 17 answer sets of the vectors: our counts against the real system's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grabient_assets.gradient.vocabulary import TEMPERATURES
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, Answer, read_answer
from grabient_assets.groups.tagging.consensus import Consensus, ModelAnswer, build_consensus
from grabient_assets_tests.vectors import vectors

# id: (models, votes of the fields that differ; why).
DIFFERENT: dict[int, tuple[int, dict[str, dict[str, int]], str]] = {
    6: (2, {"mood": {"calm": 2}}, "a tag repeated inside one answer counts once"),
    10: (1, {}, "answers that hold nothing are no part of the panel"),
    11: (1, {}, "prompt versions are never merged: this is the consensus of the first"),
    13: (
        2,
        {"temperature": {"warm": 1}, "contrast": {"high": 2}},
        "unknown words are no values, alone they are no answer",
    ),
}


def ours(case: dict[str, Any]) -> Consensus:
    version = (case["sourcePromptVersions"] or [case["answers"][0]["promptVersion"]])[0]
    panel: list[ModelAnswer] = []
    for row in case["answers"]:
        if row["promptVersion"] != version:
            continue
        answer = read_answer(json.dumps(row["tags"]), None)
        if isinstance(answer, Answer):
            panel.append(ModelAnswer("groq", row["model"], 0, answer))
    return build_consensus(panel)


def case_of(number: int) -> dict[str, Any]:
    return next(case for case in vectors("consensus.json")["cases"] if case["id"] == number)


def counts(consensus: Consensus) -> dict[str, dict[str, int]]:
    return {field: {vote.value: vote.models for vote in votes} for field, votes in consensus.votes.items()}


def theirs(case: dict[str, Any]) -> dict[str, dict[str, int]]:
    merged = case["mergedConsensus"] or {"categorical": {}, "tags": {}}
    fields = {**merged["categorical"], **merged["tags"]}
    return {
        field: {entry["key"]: entry["value"] for entry in fields.get(field, ())}
        for field in (*CATEGORICAL_FIELDS, *LIST_FIELDS)
    }


@pytest.mark.parametrize("number", [number for number in range(1, 18) if number not in DIFFERENT])
def test_counts_agree_where_the_real_system_is_right(number: int) -> None:
    case = case_of(number)
    consensus = ours(case)
    assert counts(consensus) == theirs(case), case["name"]
    assert consensus.models == (case["mergedConsensus"] or {"totalModels": 0})["totalModels"]


def test_a_repeated_tag_counts_once() -> None:
    case, (models, votes, why) = case_of(6), DIFFERENT[6]
    assert theirs(case)["mood"] == {"calm": 4}
    assert counts(ours(case)) == {**theirs(case), **votes}, why
    assert ours(case).models == models


def test_empty_answers_do_not_dilute() -> None:
    case, (models, _, why) = case_of(10), DIFFERENT[10]
    assert case["mergedConsensus"]["totalModels"] == 3
    assert (ours(case).models, ours(case).votes["temperature"][0].share) == (models, 1.0), why
    assert counts(ours(case)) == theirs(case)


def test_prompt_versions_stay_apart() -> None:
    case, (models, _, why) = case_of(11), DIFFERENT[11]
    assert case["mergedConsensus"]["totalModels"] == 3
    assert (ours(case).models, list(counts(ours(case))["temperature"])) == (models, ["cool"]), why


def test_unknown_words_win_nothing() -> None:
    case, (models, votes, why) = case_of(13), DIFFERENT[13]
    assert theirs(case)["temperature"]["lukewarm"] == 2
    consensus = ours(case)
    assert {field: counts(consensus)[field] for field in votes} == votes, why
    assert consensus.models == models


@pytest.mark.parametrize("number", [4, 5])
def test_a_tie_goes_by_the_enumeration_whatever_arrived_first(number: int) -> None:
    first, second = ours(case_of(number)).votes["temperature"]
    assert first.models == second.models
    assert TEMPERATURES.index(first.value) < TEMPERATURES.index(second.value)
    assert first.value == ours(case_of(9 - number)).top("temperature")
