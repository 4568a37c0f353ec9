"""What the emulator measures of a palette: as the real system does, and by the wording of its prompt."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest

from grabient_assets.emulator.answering import answer
from grabient_assets.emulator.answers.measures import group_in, measure
from grabient_assets.emulator.questions import Question
from grabient_assets.gradient.facts import describe
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
from grabient_assets.groups.tagging.purpose import taggers
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.emulator.running import asked
from grabient_assets_tests.vectors import vectors


@pytest.mark.parametrize("name", ["temperature", "contrast", "brightness", "saturation"])
def test_measures_agree_with_the_real_systems_definitions(name: str) -> None:
    colours = {case["seed"]: tuple(case["hex"]) for case in vectors("hex11_shared.json")["cases"]}
    checked = 0
    for case in vectors("categorical_truth_shared.json")["cases"]:
        field = case["fields"][name]
        if not field["ambiguous"]:
            assert getattr(measure(colours[case["seed"]]), name) == field["value"], case["seed"]
            checked += 1
    assert checked > 10


@pytest.mark.parametrize(("version", "apart"), [("v1", True), ("v2", False)])
def test_a_correct_answer_is_what_the_wording_of_its_prompt_defines(version: str, apart: bool) -> None:
    """v2 defines temperature and brightness as the computed facts do, on every palette; v1 counts from one colour."""
    prompts, dice = load_palette_prompts(version), Random(20261129)
    (group,) = {group_in(prompt.body) for prompt in (prompts["tagging"], prompts["refinement"])}
    differing = {"temperature": 0, "brightness": 0}
    for _ in range(300):
        seed = ",".join(f"{dice.uniform(0.1, 1):.3f}" for _ in range(12))
        colours = describe(decode_seed(seed))
        measured = measure(tuple(colours.hex), group)
        for field in differing:
            differing[field] += getattr(measured, field) != getattr(colours.facts, field)
    assert min(differing.values()) > 20 if apart else differing == {"temperature": 0, "brightness": 0}


def test_the_answer_follows_the_prompt_it_is_asked_with() -> None:
    """One cool colour among ten warm ones: cool-warm by the first wording, warm by the second."""
    colours = ["#c04020"] * 10 + ["#2040c0"]
    for version, right in (("v1", "cool-warm"), ("v2", "warm")):
        system = load_palette_prompts(version)["tagging"].body
        questions = (
            Question(model.id, "a", system, asked("a", colours), strict=True, json_only=True)
            for model in taggers(PROVIDERS)
        )
        said = [answer(question, "complete").text for question in questions]
        values = Counter(json.loads(text)["temperature"] for text in said)
        assert values.most_common(1)[0][0] == right


def test_hsl_and_lch_agree_with_the_real_system() -> None:
    for case in vectors("hex11_shared.json")["cases"]:
        measured = measure(tuple(case["hex"]))
        for colour, hsl, lch in zip(measured.colours, case["hsl"], case["lch"], strict=True):
            assert abs(colour.saturation - hsl[1]) <= 1 and abs(colour.lightness - hsl[2]) <= 1
            assert abs(colour.lch_l - lch[0]) <= 1 and abs(colour.chroma - lch[1]) <= 1
