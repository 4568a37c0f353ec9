"""The prompts in prompts/ say what the project computes and checks."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from grabient_assets.gradient import vocabulary
from grabient_assets.gradient.color import to_hsl, to_lch
from grabient_assets.gradient.facts import compute_facts
from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts, refinement_message, tagging_message
from grabient_assets.groups.refinement.refined_answer import LIMITS
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets_tests.vectors import vectors

PROMPTS = Path(__file__).resolve().parents[2] / "prompts"
COLOURS: dict[str, Any] = {
    "hex": ["#000000"] * 11,
    "rgb": [[0, 0, 0]] * 11,
    "hsl": [[0, 0, 0]] * 11,
    "lch": [[0, 0, 0]] * 11,
    "color_names": ["black"],
    "seed": "not for the model",
}


def test_every_shipped_version_loads() -> None:
    versions = load_prompt_versions(PROMPTS)
    assert {"v1", "v2"} <= set(versions)
    for version in versions:
        prompts = load_palette_prompts(version)
        assert (prompts["tagging"].version, prompts["refinement"].version) == (version, version)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("purpose", ["tagging", "refinement"])
def test_definitions_are_those_of_the_computed_facts(purpose: str, version: str) -> None:
    body = " ".join(load_palette_prompts(version)[purpose].body.split())
    for phrase in ("high:? above 50", "medium:? 25 to 50", "low:? below 25", "L below 35", "above 65", "S above 50"):
        assert re.search(phrase, body), phrase
    for phrase in (
        "S below 40",
        "0 to 60",
        "300 to 360",
        "150 to 270",
        "S below 15",
        "L is the first|L is always the first",
    ):
        assert re.search(phrase, body), phrase
    assert ", ".join(vocabulary.COLOUR_NAMES) in body
    assert "$" not in body


def brightness_as_v2_says(lightnesses: Sequence[int]) -> str:
    if sum(one < 35 for one in lightnesses) >= 3 and sum(one > 65 for one in lightnesses) >= 3:
        return "varied"
    mean = sum(lightnesses) / 11
    return "dark" if mean < 35 else "light" if mean > 65 else "medium"


def temperature_as_v2_says(hues: Sequence[int], saturations: Sequence[int]) -> str:
    left = [hue for hue, saturation in zip(hues, saturations, strict=True) if saturation >= 15]
    if 11 - len(left) > 11 / 2:
        return "neutral"
    warm = sum(0 <= hue <= 60 or 300 <= hue <= 360 for hue in left)
    cool = sum(150 <= hue <= 270 for hue in left)
    if warm >= 3 and cool >= 3:
        return "cool-warm"
    if warm == cool:
        warm = sum(hue <= 105 or hue >= 285 for hue in left)
        cool = len(left) - warm
    return "cool-warm" if warm == cool else "warm" if warm > cool else "cool"


@pytest.mark.parametrize("purpose", ["tagging", "refinement"])
def test_v2_counts_from_three_colours_as_the_computed_facts_do(purpose: str) -> None:
    body = " ".join(load_palette_prompts("v2")[purpose].body.split())
    for phrase in (
        "varied:? (when )?at least three colours have L below 35 and at least three have L above 65",
        "more than half of the (11 )?colours are greys",
        "at least three colours are warm and at least three are cool",
        "up to 105 and from 285 on",
        "larger side",
        "cool-warm when they are equal again",
    ):
        assert re.search(phrase, body), phrase
    assert not re.search("at least one|one colour has|when both occur", body)
    random = Random(7)
    seen: Counter[str] = Counter()
    for _ in range(300):
        channels = [[random.randrange(256) for _ in range(3)] for _ in range(random.choice([2, 3, 11]))]
        rgb = [channels[at * len(channels) // 11] for at in range(11)]
        hsl, lch = [to_hsl((r, g, b)) for r, g, b in rgb], [to_lch((r, g, b)) for r, g, b in rgb]
        facts = compute_facts(hsl, lch, ())
        hues, saturations = [hue for hue, _, _ in hsl], [saturation for _, saturation, _ in hsl]
        assert facts.brightness == brightness_as_v2_says([lightness for lightness, _, _ in lch])
        assert facts.temperature == temperature_as_v2_says(hues, saturations)
        seen.update((facts.brightness, facts.temperature))
    assert min(seen[word] for word in ("varied", "cool-warm", "warm", "cool")) > 20


def test_v2_differs_from_v1_in_these_definitions_alone() -> None:
    first, second = load_palette_prompts("v1"), load_palette_prompts("v2")
    for purpose, changed in (("tagging", 7), ("refinement", 4)):
        one, other = first[purpose], second[purpose]
        assert (one.schema, one.parameters) == (other.schema, other.parameters)
        gone = [line for line in one.body.splitlines() if line not in other.body.splitlines()]
        assert len(gone) == changed, gone
        assert all(re.search("L below|L above|hue|warm|cool|neutral|medium 35", line) for line in gone)


def test_the_tagging_prompt_asks_for_the_known_counts() -> None:
    body = load_palette_prompts("v2")["tagging"].body
    asked = {field: [int(few), int(many)] for field, few, many in re.findall(r"`(\w+)`: (\d) (?:to|or) (\d)", body)}
    assert asked == {**vectors("facts.json")["tag_counts_asked"], "dominant_colors": [1, 4]}
    assert ", ".join(vocabulary.HARMONY_WORDS) in body


def test_the_refinement_prompt_asks_for_what_the_reader_enforces() -> None:
    body = load_palette_prompts("v2")["refinement"].body
    asked = {field: (int(few), int(many)) for field, few, many in re.findall(r"`(\w+)`: (\d+) to (\d+)", body)}
    assert asked == {**LIMITS, "embed_text": (30, 50)}


def test_schemas_name_the_fields_that_are_read() -> None:
    prompts = load_palette_prompts("v2")
    assert set(prompts["tagging"].schema["properties"]) == {"ref", *CATEGORICAL_FIELDS, *LIST_FIELDS}
    assert set(prompts["refinement"].schema["properties"]) == {"ref", *CATEGORICAL_FIELDS, *LIMITS, "embed_text"}
    colours = prompts["tagging"].schema["properties"]["dominant_colors"]["items"]["enum"]
    assert colours == list(vocabulary.COLOUR_NAMES)
    assert "maxItems" not in json.dumps(prompts["tagging"].schema) + json.dumps(prompts["refinement"].schema)


def test_messages() -> None:
    message = tagging_message("r-1", COLOURS)
    assert list(json.loads(message)) == ["ref", "hex", "rgb", "hsl", "lch", "color_names"]
    assert ": " not in message
    assert json.loads(message)["ref"] == "r-1"
    refined = refinement_message("r-2", COLOURS, {"models": 2, "mood": {"café": "2/2"}})
    assert list(json.loads(refined)) == ["ref", "hex", "rgb", "hsl", "lch", "color_names", "consensus"]
    assert '"café":"2/2"' in refined
    with pytest.raises(ValueError, match="JSON compliant"):
        tagging_message("r-3", {**COLOURS, "lch": [[float("nan"), 0, 0]]})
