"""The texts of one request: system prompt and user message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from grabient_assets.prompting.prompt import Prompt

COLOUR_KEYS = ("hex", "rgb", "hsl", "lch", "color_names")


def system_text(prompt: Prompt) -> str:
    """The system prompt, word lists filled in."""
    return prompt.body


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
