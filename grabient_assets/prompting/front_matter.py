"""The head of a prompt file: YAML between two lines of `---`, checked key by key."""

from __future__ import annotations

import json
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grabient_assets.errors import PromptError

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Parameters(BaseModel):
    """What a prompt may ask of a model. A model that cannot take a parameter is asked without it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False)
    max_output_tokens: int | None = Field(default=None, ge=1, le=128_000)
    thinking_budget: int | None = Field(default=None, ge=0, le=128_000)
    effort: Effort | None = None


class FrontMatter(BaseModel):
    """The keys of the head. All are required."""

    model_config = ConfigDict(extra="forbid", strict=True)

    purpose: Literal["tagging", "refinement"]
    message: str = Field(min_length=1, max_length=300, pattern=r"^[^\n]*\S[^\n]*$")
    parameters: Parameters
    output_schema: dict[str, Any]


class _StrictLoader(yaml.SafeLoader):
    """YAML without aliases (a small file could unfold to gigabytes) and repeated keys (the first would vanish)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key.value, str):
                raise yaml.YAMLError("a key must be a word")
            if key.value in seen:
                raise yaml.YAMLError(f"the key {key.value!r} appears twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def split_front_matter(text: str, file: str) -> tuple[str, str]:
    """(head, body) of a prompt file whose line ends are `\\n`."""
    if not text.startswith("---\n"):
        raise PromptError(f"{file} has no front matter: its first line must be '---'.")
    head, fence, body = text[4:].partition("\n---\n")
    if not fence:
        raise PromptError(f"{file} has no end of its front matter: a second line '---' is missing.")
    return head, body


def read_front_matter(head: str, file: str) -> FrontMatter:
    """The checked head. Raises PromptError naming the key that is wrong."""
    try:
        raw = yaml.load(head, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        detail = " ".join(str(error).split())
        raise PromptError(f"{file} has front matter that is not valid YAML: {detail}.") from error
    if not isinstance(raw, dict):
        raise PromptError(f"{file} has front matter that is not a list of keys and values.")
    try:
        json.dumps(raw, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.start + 1].encode("unicode_escape").decode("ascii")
        raise PromptError(
            f"{file} has front matter with {half}, which is half a character and cannot be sent; write the whole one."
        ) from error
    try:
        return FrontMatter.model_validate(raw)
    except ValidationError as error:
        raise PromptError(f"{file}: {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"the front matter lacks the key {key!r}."
    if first["type"] == "extra_forbidden":
        return f"the front matter has the unknown key {key!r}."
    return f"the key {key!r} of the front matter is wrong: {first['msg']}."
