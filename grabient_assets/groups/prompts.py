"""What the models are told, where a person looks for it: on the asset that sends it."""

from __future__ import annotations

import dagster as dg

from grabient_assets.errors import PromptError
from grabient_assets.prompting.load import load_prompt_set, load_prompt_versions
from grabient_assets.prompting.prompt import Purpose
from grabient_assets.settings import PROMPTS_DIR


def prompt_metadata(purpose: Purpose) -> dict[str, dg.MetadataValue]:
    """The system prompt of every version as definition metadata, the newest first.

    A version that cannot be read says why: it must not keep the code location from loading and paid answers from being
    collected.
    """
    found: dict[str, dg.MetadataValue] = {}
    try:
        versions = load_prompt_versions(PROMPTS_DIR)
    except PromptError as error:
        return {"prompts": dg.MetadataValue.text(str(error))}
    for version in reversed(versions):
        try:
            prompts = load_prompt_set(PROMPTS_DIR, version)
        except PromptError as error:
            found[f"prompt {version} (unusable)"] = dg.MetadataValue.text(str(error))
            continue
        prompt = prompts.tagging if purpose == "tagging" else prompts.refinement
        found[f"prompt {version}" + ("" if prompts.released else " (draft)")] = dg.MetadataValue.md(prompt.body)
    return found
