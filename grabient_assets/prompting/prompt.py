"""A prompt set: the prompts of one version name; and the differences between two prompts."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file, read and checked.

    `body` is the system prompt as it is sent, word lists filled in. `schema` is the JSON schema of the answer.
    `parameters` holds only what the file sets. `text` is the whole file with `\\n` line ends, as it is recorded.
    `digest` covers body, schema and parameters (see `prompt_digest`), so it changes exactly when a request would. One
    that is not `released` may still change.
    """

    version: str
    purpose: str
    message: str
    body: str
    parameters: dict[str, float | int | str]
    schema: dict[str, Any]
    digest: str
    text: str
    released: bool = True


@dataclass(frozen=True, slots=True)
class PromptSet:
    """The prompts of one version, by purpose. One that is not `released` is a draft: it may change, and runs only
    offline."""

    version: str
    prompts: Mapping[str, Prompt]
    released: bool

    def __getitem__(self, purpose: str) -> Prompt:
        return self.prompts[purpose]


def prompt_digest(body: str, schema: dict[str, Any], parameters: dict[str, Any]) -> str:
    """SHA-256, in hexadecimal, of what a request takes from a prompt file.

    The order of the schema's properties counts: providers make models write the fields in that order.
    The order of any other key does not.
    """
    content = {
        "body": body,
        "parameters": parameters,
        "property_order": list(schema.get("properties", {})),
        "schema": schema,
    }
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def text_difference(first: Prompt, second: Prompt) -> list[str]:
    """The lines of a unified diff of the two files; empty when they are the same."""
    before, after = (f"{prompt.version}/{prompt.purpose}.md" for prompt in (first, second))
    lines = difflib.unified_diff(first.text.splitlines(), second.text.splitlines(), before, after, lineterm="")
    return list(lines)
