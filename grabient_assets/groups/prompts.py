"""What the models are told, where a person looks for it: on the asset that sends it."""

from __future__ import annotations

import dagster as dg

from grabient_assets.prompting.load import load_prompt_set, load_prompt_versions
from grabient_assets.prompting.prompt import Purpose
from grabient_assets.settings import PROMPTS_DIR


def prompt_metadata(purpose: Purpose) -> dict[str, dg.MetadataValue]:
    """The system prompt of every version as definition metadata, the newest first."""
    found: dict[str, dg.MetadataValue] = {}
    for version in reversed(load_prompt_versions(PROMPTS_DIR)):
        prompts = load_prompt_set(PROMPTS_DIR, version)
        prompt = prompts.tagging if purpose == "tagging" else prompts.refinement
        found[f"prompt {version}" + ("" if prompts.released else " (draft)")] = dg.MetadataValue.md(prompt.body)
    return found
