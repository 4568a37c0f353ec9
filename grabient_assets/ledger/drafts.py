"""Drafts of prompts run only against the emulator."""

from __future__ import annotations

from grabient_assets.errors import PromptError
from grabient_assets.prompting.prompt import PromptSet


def refuse_draft(prompts: PromptSet, answers_from: str) -> None:
    """Raise PromptError when real models would be asked with a prompt that may still change.

    An answer that was paid for must be traceable to its wording for ever, by the name of the version.
    """
    if answers_from != "emulator" and not prompts.released:
        version = prompts.version
        raise PromptError(
            f"Prompt version {version} is a draft, and drafts run only against the emulator. Release it first: "
            f"`grabient prompts release {version}`. From then on it cannot be changed."
        )
