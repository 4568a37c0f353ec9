"""Families of prompts: folders of prompts/ whose versions belong to other purposes than those of palettes."""

from __future__ import annotations

from collections.abc import Mapping

from grabient_assets.errors import UsageError
from grabient_assets.groups.chorus import purpose as chorus
from grabient_assets.groups.edits import prompts as edits
from grabient_assets.groups.knowledge import purpose as knowledge
from grabient_assets.prompting.prompt import PromptSet
from grabient_assets.prompting.rules import PromptRules
from grabient_assets.settings import prompts_dir

FAMILIES: Mapping[str, tuple[PromptRules, ...]] = {
    chorus.FAMILY: (chorus.STATEMENT_RULES,),
    edits.FAMILY: edits.RULES,
    knowledge.FAMILY: (knowledge.EXTRACTION_RULES,),
}
"""The rules of the prompts of each family."""


def checked_family(name: str | None) -> str | None:
    """The family of this name; None for the prompts of palettes. Raises UsageError."""
    if name is not None and name not in FAMILIES:
        raise UsageError(f"--family is {name!r}; there is {', '.join(FAMILIES)}. Without it the palettes' are meant.")
    return name


def prompt_versions(family: str | None) -> tuple[str, ...]:
    """The names of the versions of a family, or of palettes, as their folders are called, in natural order."""
    from grabient_assets.prompting.load import load_prompt_versions

    return load_prompt_versions(prompts_dir() / (family or ""))


def load_prompts(family: str | None, version: str) -> PromptSet:
    """The prompts of a version of a family, or of palettes; `chorus/v1` stands for `v1` of its family. Raises
    PromptError."""
    from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
    from grabient_assets.prompting.load import load_prompt_set

    if family is None:
        return load_palette_prompts(version)
    return load_prompt_set(prompts_dir() / family, version.removeprefix(f"{family}/"), FAMILIES[family])
