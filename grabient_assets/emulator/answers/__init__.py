"""Who answers which request: the one list of what the emulated models can be asked for.

The request alone decides, by what it asks. A new purpose adds a module to this folder and a line to ANSWERERS; what
serves the providers' APIs knows nothing of it. A request that no answerer has a subject for gets a short answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from grabient_assets.emulator.answers.extraction import (
    SLIPS,
    extraction_reply,
    extraction_subject,
    extraction_text,
    extraction_thinking,
    injected,
    no_entries,
    spoilt,
)
from grabient_assets.emulator.answers.measures import palette_subject
from grabient_assets.emulator.answers.personality import Personality, written
from grabient_assets.emulator.answers.refinement import refinement_reply, refinement_subject
from grabient_assets.emulator.answers.statement import (
    at_length,
    fenced,
    in_parts,
    statement_reply,
    statement_subject,
    statement_text,
    statement_thinking,
    without_prompt,
)
from grabient_assets.emulator.answers.tagging import palette_thinking, tagging_reply
from grabient_assets.emulator.questions import Chance, Question

Asked = dict[str, Any]
"""The JSON object inside the text of a request."""


class Writing(Protocol):
    """Writes an answer as text, in the form that the model is used to. `json_only`: as JSON and nothing else."""

    def __call__(self, answer: dict[str, Any], who: Personality, chance: Chance, *, json_only: bool) -> str: ...


@dataclass(frozen=True, slots=True)
class Answerer:
    """What answers the requests of one purpose."""

    purpose: str
    subject: Callable[[Question, Asked], str]
    """What the request is about, as one text that seeds the draws; empty when it asks for something else."""
    reply: Callable[[Question, Asked, Personality, Chance, bool], tuple[dict[str, Any], bool]]
    """The answer as an object, and whether slips of the model are in it. With True as the last argument none are."""
    thinking: Callable[[Question, Asked, Chance], str]
    """What the model thinks before it answers."""
    write: Writing = written
    faults: Mapping[str, Callable[[dict[str, Any], bool], str]] = field(default_factory=dict)
    """How an answer is written under the faults that are about this purpose alone. The second argument says that a
    schema is enforced."""


ANSWERERS = (
    Answerer(
        "extraction",
        extraction_subject,
        extraction_reply,
        extraction_thinking,
        extraction_text,
        {**{name: spoilt(name) for name in SLIPS}, "injected": injected, "no_entries": no_entries},
    ),
    Answerer(
        "statement",
        statement_subject,
        statement_reply,
        statement_thinking,
        statement_text,
        {
            "no_image_prompt": without_prompt,
            "long_statement": lambda given, strict: at_length(given),
            "delimiters": lambda given, strict: in_parts(given),
            "fenced": lambda given, strict: fenced(given),
        },
    ),
    Answerer("refinement", refinement_subject, refinement_reply, palette_thinking),
    Answerer("tagging", palette_subject, tagging_reply, palette_thinking),
)
"""The first that has a subject for a request answers it, so the narrower purpose stands first."""
