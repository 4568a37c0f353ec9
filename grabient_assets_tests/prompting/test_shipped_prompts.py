"""The prompts in prompts/ say what the project computes and checks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.gradient import vocabulary
from grabient_assets.groups.refinement.refined_answer import LIMITS
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS
from grabient_assets.prompting.load import load_prompt_set, load_prompt_versions
from grabient_assets.prompting.render import refinement_message, system_text, tagging_message
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
    assert "v1" in versions
    for version in versions:
        prompts = load_prompt_set(PROMPTS, version)
        assert (prompts.tagging.version, prompts.refinement.version) == (version, version)


@pytest.mark.parametrize("purpose", ["tagging", "refinement"])
def test_definitions_are_those_of_the_computed_facts(purpose: str) -> None:
    body = " ".join(getattr(load_prompt_set(PROMPTS, "v1"), purpose).body.split())
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


def test_the_tagging_prompt_asks_for_the_known_counts() -> None:
    body = load_prompt_set(PROMPTS, "v1").tagging.body
    asked = {field: [int(few), int(many)] for field, few, many in re.findall(r"`(\w+)`: (\d) (?:to|or) (\d)", body)}
    assert asked == {**vectors("facts.json")["tag_counts_asked"], "dominant_colors": [1, 4]}
    assert ", ".join(vocabulary.HARMONY_WORDS) in body


def test_the_refinement_prompt_asks_for_what_the_reader_enforces() -> None:
    body = load_prompt_set(PROMPTS, "v1").refinement.body
    asked = {field: (int(few), int(many)) for field, few, many in re.findall(r"`(\w+)`: (\d+) to (\d+)", body)}
    assert asked == {**LIMITS, "embed_text": (30, 50)}


def test_schemas_name_the_fields_that_are_read() -> None:
    prompts = load_prompt_set(PROMPTS, "v1")
    assert set(prompts.tagging.schema["properties"]) == {"ref", *CATEGORICAL_FIELDS, *LIST_FIELDS}
    assert set(prompts.refinement.schema["properties"]) == {"ref", *CATEGORICAL_FIELDS, *LIMITS, "embed_text"}
    colours = prompts.tagging.schema["properties"]["dominant_colors"]["items"]["enum"]
    assert colours == list(vocabulary.COLOUR_NAMES)
    assert "maxItems" not in json.dumps(prompts.tagging.schema) + json.dumps(prompts.refinement.schema)


def test_messages() -> None:
    prompt = load_prompt_set(PROMPTS, "v1").tagging
    assert system_text(prompt) == prompt.body
    message = tagging_message("r-1", COLOURS)
    assert list(json.loads(message)) == ["ref", "hex", "rgb", "hsl", "lch", "color_names"]
    assert ": " not in message
    assert json.loads(message)["ref"] == "r-1"
    refined = refinement_message("r-2", COLOURS, {"models": 2, "mood": {"café": "2/2"}})
    assert list(json.loads(refined)) == ["ref", "hex", "rgb", "hsl", "lch", "color_names", "consensus"]
    assert '"café":"2/2"' in refined
    with pytest.raises(ValueError, match="JSON compliant"):
        tagging_message("r-3", {**COLOURS, "lch": [[float("nan"), 0, 0]]})
