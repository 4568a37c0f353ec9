"""The prompts of editors: one file for each kind of edit, and the message that follows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, get_args

from grabient_assets.groups.images.making import image_recipe
from grabient_assets.prompting.prompt import Prompt, prompt_digest
from grabient_assets.prompting.rules import PromptRules
from grabient_assets.registry.model import Model
from grabient_assets.settings import prompts_dir

Kind: TypeAlias = Literal["subject", "text", "prompt"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FAMILY = "edits"
RULES = tuple(PromptRules(kind, {}, (), (), (), {}) for kind in KINDS)
STRENGTHS = {1: "subtle", 2: "balanced", 3: "strong"}
"""What a level of creativity is called in the message."""


def edit_prompt(version: str, kind: str) -> Prompt:
    """The prompt for edits of a kind under a version, `edits/v1` or `v1`. Raises PromptError."""
    from grabient_assets.prompting.load import family_prompt

    return family_prompt(prompts_dir() / FAMILY, version, RULES, kind)


def recipe_of(prompt_version: str, kind: str, size: str, quality: str | None) -> str:
    """The prompt version under which an editor is asked: `edits/v1/text/1024x1024/medium`."""
    return "/".join((prompt_version, kind, size, *([quality] if quality else ())))


def recipe_prompt(recipe: str, model: Model) -> Prompt:
    """The prompt of a recipe: body of the prompt file, and size, quality and format of the image. Raises PromptError.

    Its digest covers both, so that a changed wording, size or quality is another request.
    """
    family, name, kind, made = recipe.split("/", 3)
    prompt, image = edit_prompt(f"{family}/{name}", kind), image_recipe("edit", made, model)
    digest = prompt_digest(prompt.body, {}, image.parameters)
    return replace(image, version=recipe, message=prompt.message, body=prompt.body, digest=digest, text=prompt.text,
                   released=prompt.released)  # fmt: skip


def edit_message(
    prompt: Prompt,
    wish: str,
    region: tuple[float, float, float, float] | None,
    roles: Sequence[str],
    creativity: int,
    context: Mapping[str, Any],
) -> str:
    """The whole text that an editor is sent: the prompt file, and one JSON object in its last line. `region` is in
    fractions of width and height, and is written in percent."""
    name = "prompt" if prompt.purpose == "prompt" else "instructions"
    message = {
        name: wish,
        "region": None if region is None else ",".join(f"{100 * part:.4g}" for part in region),
        "roles": list(roles),
        "strength": STRENGTHS[creativity],
        **({"context": dict(context)} if context else {}),
    }
    return f"{prompt.body}\n\n{json.dumps(message, ensure_ascii=False, separators=(',', ':'))}"
