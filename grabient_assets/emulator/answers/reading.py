"""What a request asks for: the JSON object inside the user's text, however it is wrapped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from grabient_assets.emulator.answers.measures import HEX

_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Question:
    """One request as a model sees it, whatever provider it came through."""

    model: str
    custom_id: str
    system: str = ""
    text: str = ""
    has_image: bool = False
    schema: dict[str, Any] | None = None
    """JSON Schema of the answer when structured output was asked for."""
    strict: bool = False
    """The schema is enforced while the model writes."""
    json_only: bool = False
    """The answer must be one JSON object (JSON mode), with or without a schema."""
    effort: str = "none"
    """How long the model thinks: none, minimal, low, medium, high, xhigh, max."""
    thinks_aloud: bool = False
    """Thinking stands in the text itself, in a think block."""
    budget: int | None = None
    """Upper limit of tokens for thinking and answer together."""
    image_tokens: int = 0


def asked_object(text: str) -> dict[str, Any]:
    """The JSON object in a text, which may stand among other words. Of several, the first that speaks of colours.

    Empty when there is none.
    """
    first: dict[str, Any] = {}
    position = text.find("{")
    while position >= 0:
        try:
            value, end = _DECODER.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):
            position = text.find("{", position + 1)
            continue
        if isinstance(value, dict):
            if palette_in(value):
                return value
            first = first or value
        position = text.find("{", end)
    return first


def palette_in(asked: dict[str, Any]) -> tuple[str, ...]:
    """The palette a request carries under `hex`, lower case with `#`; empty when there is none."""
    found = asked.get("hex")
    if not isinstance(found, list) or not found:
        return ()
    if not all(isinstance(item, str) and HEX.match(item) for item in found):
        return ()
    return tuple("#" + item.lstrip("#").lower() for item in found)
