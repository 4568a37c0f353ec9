"""Who answers which request: the one list of what the emulated models can be asked for.

The request alone decides, by what it asks. A new purpose adds a module to this folder and a line to ANSWERERS; what
serves the providers' APIs knows nothing of it. A request that no answerer has a subject for gets a short answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grabient_assets.emulator.answers.measures import palette_subject
from grabient_assets.emulator.answers.personality import Personality
from grabient_assets.emulator.answers.refinement import refinement_reply, refinement_subject
from grabient_assets.emulator.answers.tagging import palette_thinking, tagging_reply
from grabient_assets.emulator.questions import Chance, Question

Asked = dict[str, Any]
"""The JSON object inside the text of a request."""


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


ANSWERERS = (
    Answerer("refinement", refinement_subject, refinement_reply, palette_thinking),
    Answerer("tagging", palette_subject, tagging_reply, palette_thinking),
)
"""The first that has a subject for a request answers it, so the narrower purpose stands first."""
