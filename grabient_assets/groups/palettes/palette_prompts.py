"""The prompts about palettes: what their files may and must say, and the messages that go with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grabient_assets.gradient import vocabulary
from grabient_assets.prompting.prompt import PromptSet
from grabient_assets.prompting.rules import PromptRules
from grabient_assets.settings import prompts_dir

VARIABLES: dict[str, tuple[str, ...]] = {
    "temperatures": vocabulary.TEMPERATURES,
    "contrasts": vocabulary.CONTRASTS,
    "brightnesses": vocabulary.BRIGHTNESSES,
    "saturations": vocabulary.SATURATIONS,
    "harmony_words": vocabulary.HARMONY_WORDS,
    "colour_names": vocabulary.COLOUR_NAMES,
    "seasons": vocabulary.SEASONS,
}

CATEGORICAL_FIELDS = tuple(vocabulary.CATEGORICAL_VALUES)
TAGGING_LIST_FIELDS = ("mood", "style", "dominant_colors", "harmony", "seasonal", "associations")
REFINEMENT_LIST_FIELDS = ("mood", "style", "dominant_colors", "seasonal", "associations")
CLOSED_LISTS: dict[str, tuple[str, ...]] = {**vocabulary.CATEGORICAL_VALUES, **vocabulary.CLOSED_LISTS}
COLOUR_KEYS = ("hex", "rgb", "hsl", "lch", "color_names")

# Required are the closed lists too long to write by hand: a prompt without them would let models guess.
TAGGING_RULES = PromptRules(
    purpose="tagging",
    variables=VARIABLES,
    required=("colour_names", "harmony_words"),
    fields=("ref", *CATEGORICAL_FIELDS, *TAGGING_LIST_FIELDS),
    lists=TAGGING_LIST_FIELDS,
    closed=CLOSED_LISTS,
)
REFINEMENT_RULES = PromptRules(
    purpose="refinement",
    variables=VARIABLES,
    required=("colour_names",),
    fields=("ref", *CATEGORICAL_FIELDS, *REFINEMENT_LIST_FIELDS, "embed_text"),
    lists=REFINEMENT_LIST_FIELDS,
    closed=CLOSED_LISTS,
)


def load_palette_prompts(version: str, root: Path | None = None) -> PromptSet:
    """Both prompts of the version, of that folder or of the project's. Raises what `load_prompt_set` raises."""
    from grabient_assets.prompting.load import load_prompt_set  # YAML and pydantic, which many commands do without

    return load_prompt_set(root or prompts_dir(), version, (TAGGING_RULES, REFINEMENT_RULES))


def tagging_message(ref: str, colours: Mapping[str, Any]) -> str:
    """The user message of a tagging request: one JSON object of `ref` and the palette's colours.

    `colours` maps hex, rgb, hsl, lch (11 colours each) and color_names to plain lists; other keys are left out.
    """
    return _compact(_palette(ref, colours))


def refinement_message(ref: str, colours: Mapping[str, Any], consensus: Mapping[str, Any]) -> str:
    """The text of a refinement request: the tagging object plus `consensus`, as `consensus_for_prompt` makes it."""
    return _compact({**_palette(ref, colours), "consensus": consensus})


def _palette(ref: str, colours: Mapping[str, Any]) -> dict[str, Any]:
    return {"ref": ref, **{key: colours[key] for key in COLOUR_KEYS}}


def _compact(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
