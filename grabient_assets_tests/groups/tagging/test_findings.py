"""Tagging at its thresholds: what lies on one passes, what lies beyond it fails and is named."""

from __future__ import annotations

from grabient_assets.groups.tagging.findings import too_few_models, unusable_answers
from grabient_assets.groups.tagging.quality import ModelAnswers
from grabient_assets.groups.tagging.withheld import Panels, Withheld
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.thresholds import ANSWERING_MODELS, UNUSABLE_ANSWERS

VERSIONS = ("v1", "v2", "v10")


def answers(unusable: int, of: int, version: str = "v1", model: str = "m") -> ModelAnswers:
    fates = {"refused": unusable} if unusable else {}
    return ModelAnswers(version, "groq", model, of, unusable, fates)


def test_a_tenth_passes_and_one_more_does_not() -> None:
    assert (UNUSABLE_ANSWERS.limit, UNUSABLE_ANSWERS.cases) == (0.10, 50)
    on_it = unusable_answers([answers(5, 50)], VERSIONS)
    assert on_it.found == 0 and on_it.figures == {"highest share": 0.1, "share of groq m": 0.1}
    beyond = unusable_answers([answers(6, 50), answers(0, 80, model="good")], VERSIONS)
    assert beyond.found == 1 and beyond.threshold == 0.10
    assert beyond.examples == ["groq m under v1: 6 of 50 answers unusable (12.0%: 6 refused)."]
    assert beyond.figures == {"highest share": 0.12, "share of groq m": 0.12, "share of groq good": 0.0}
    assert beyond.table.splitlines()[2:] == [
        "| groq m | v1 | 50 | 6 | 12.0% | 6 refused |",
        "| groq good | v1 | 80 | 0 | 0.0% | - |",
    ]


def test_a_handful_of_answers_is_not_judged() -> None:
    assert unusable_answers([answers(49, 49)], VERSIONS).figures == {"highest share": 0.0}


def test_a_model_is_judged_under_the_newest_version_with_enough_answers() -> None:
    given_up, now = answers(30, 60, "v2"), answers(1, 60, "v10")
    assert unusable_answers([now, given_up], VERSIONS).found == 0
    assert unusable_answers([answers(9, 9, "v10"), given_up], VERSIONS).found == 1
    assert unusable_answers([answers(9, 60, "gone"), answers(1, 60, "v1")], VERSIONS).found == 0


def test_palettes_with_too_few_models_are_counted_with_the_models_that_failed() -> None:
    few = Withheld(SubjectVersion("v1", "seed"), 10, 4)
    odd = Withheld(SubjectVersion("v1", "other"), 10, 9, ("contrast=enormous",))
    found = too_few_models(Panels(3, 0.4, (few, odd), {"groq a": (1, 0), "groq b": (1, 1)}))
    assert (found.found, found.threshold) == (1, ANSWERING_MODELS.limit)
    assert found.examples == ["v1|seed: 4 of the 10 models that were asked gave a usable answer; 50% is the least."]
    assert found.figures == {"lowest share": 0.4, "palettes": 3}
    assert found.table.splitlines()[2:] == ["| groq b | 1 | 1 |", "| groq a | 1 | 0 |"]
    assert too_few_models(Panels(3, 0.5, (), {})).found == 0
