"""The `$names` that prompt files may use: word lists of the vocabulary, so that no prompt drifts from it."""

from __future__ import annotations

from string import Template
from typing import Any

from grabient_assets.errors import PromptError
from grabient_assets.gradient import vocabulary
from grabient_assets.prompting.prompt import Purpose

VARIABLES: dict[str, tuple[str, ...]] = {
    "temperatures": vocabulary.TEMPERATURES,
    "contrasts": vocabulary.CONTRASTS,
    "brightnesses": vocabulary.BRIGHTNESSES,
    "saturations": vocabulary.SATURATIONS,
    "harmony_words": vocabulary.HARMONY_WORDS,
    "colour_names": vocabulary.COLOUR_NAMES,
    "seasons": vocabulary.SEASONS,
}

# The closed lists too long to write by hand: a prompt without them would let models guess.
REQUIRED_VARIABLES: dict[Purpose, tuple[str, ...]] = {
    "tagging": ("colour_names", "harmony_words"),
    "refinement": ("colour_names",),
}


def fill_body(body: str, purpose: Purpose, file: str) -> str:
    """`body` with every `$name` replaced by its word list, comma-separated. `$$` is a dollar sign."""
    template = Template(body)
    if not template.is_valid():
        raise PromptError(f"{file} holds a '$' that starts no variable name; write '$$' for a dollar sign.")
    used = template.get_identifiers()
    unknown = [name for name in used if name not in VARIABLES]
    if unknown:
        raise PromptError(f"{file} uses the unknown variable ${unknown[0]}; known are {_listed(VARIABLES)}.")
    missing = [name for name in REQUIRED_VARIABLES[purpose] if name not in used]
    if missing:
        raise PromptError(f"{file} must use the variable {_listed(missing)} in its body: models need the word list.")
    return template.substitute({name: ", ".join(VARIABLES[name]) for name in used})


def fill_schema(node: Any, file: str) -> Any:
    """`node` with each `enum: $name` replaced by the list of that name."""
    if isinstance(node, list):
        return [fill_schema(item, file) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _enum(value, file) if key == "enum" and isinstance(value, str) else fill_schema(value, file)
        for key, value in node.items()
    }


def _enum(placeholder: str, file: str) -> list[str]:
    words = VARIABLES.get(placeholder.removeprefix("$"))
    if words is None or not placeholder.startswith("$"):
        raise PromptError(
            f"{file}: the schema has 'enum: {placeholder}', which is neither a list nor one of {_listed(VARIABLES)}."
        )
    return list(words)


def _listed(names: Any) -> str:
    return ", ".join(f"${name}" for name in names)
