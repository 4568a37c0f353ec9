"""All that prompts know of palettes: the word lists they may use, the fields of the answers, and the messages.

The `$names` that prompt files may use are word lists of the vocabulary, so that no prompt drifts from it.

The `output_schema` of a prompt file must be accepted by all four providers. Structured output of the providers knows
only a part of JSON Schema; in particular Anthropic refuses `maxItems` and `minItems` above 1, and OpenAI's strict mode
wants every property required and no other property allowed.

The texts of one request are the system prompt and the user message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from string import Template
from typing import Any

from grabient_assets.errors import PromptError
from grabient_assets.gradient import vocabulary
from grabient_assets.prompting.prompt import Prompt, Purpose

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
CATEGORICAL_FIELDS = tuple(vocabulary.CATEGORICAL_VALUES)
TAGGING_LIST_FIELDS = ("mood", "style", "dominant_colors", "harmony", "seasonal", "associations")
REFINEMENT_LIST_FIELDS = ("mood", "style", "dominant_colors", "seasonal", "associations")
ANSWER_FIELDS: dict[Purpose, tuple[str, ...]] = {
    "tagging": ("ref", *CATEGORICAL_FIELDS, *TAGGING_LIST_FIELDS),
    "refinement": ("ref", *CATEGORICAL_FIELDS, *REFINEMENT_LIST_FIELDS, "embed_text"),
}
CLOSED_LISTS: dict[str, tuple[str, ...]] = {**vocabulary.CATEGORICAL_VALUES, **vocabulary.CLOSED_LISTS}
_KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "enum", "description", "minItems"}
COLOUR_KEYS = ("hex", "rgb", "hsl", "lch", "color_names")


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


def check_answer_schema(schema: dict[str, Any], purpose: Purpose, file: str) -> None:
    """Raises PromptError unless `schema` describes the answer of `purpose`, field by field."""
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict):
        raise PromptError(f"{file}: output_schema must be of type object and have properties.")
    if schema.get("additionalProperties") is not False:
        raise PromptError(f"{file}: output_schema must say 'additionalProperties: false'.")
    wanted = ANSWER_FIELDS[purpose]
    _same_names(properties, wanted, f"{file}: the properties of output_schema")
    required = schema.get("required") or []
    if not isinstance(required, list):
        raise PromptError(f"{file}: 'required' of output_schema must be a list of names.")
    _same_names(required, wanted, f"{file}: 'required' of output_schema")
    _check_keywords(schema, file)
    for name, node in properties.items():
        _check_field(name, node, file)


def _same_names(found: Any, wanted: tuple[str, ...], what: str) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise PromptError(f"{what} lack {', '.join(missing)}.")
    extra = [str(name) for name in found if name not in wanted]
    if extra:
        raise PromptError(f"{what} hold {', '.join(extra)}, which no answer has.")
    if len(found) > len(wanted):
        raise PromptError(f"{what} name a field twice.")


def _check_keywords(node: Any, file: str) -> None:
    unknown = sorted(str(key) for key in node if key not in _KEYWORDS)
    if unknown:
        raise PromptError(f"{file}: output_schema uses {unknown[0]!r}, which not every provider accepts.")
    if not isinstance(node.get("description", ""), str):
        raise PromptError(f"{file}: a 'description' in output_schema is no text; put it in quotes.")
    if node.get("minItems", 0) not in (0, 1):
        raise PromptError(f"{file}: output_schema may not ask for 'minItems' above 1; state counts in the body.")


def _check_field(name: str, node: Any, file: str) -> None:
    is_list = name in TAGGING_LIST_FIELDS
    if not isinstance(node, dict) or node.get("type") != ("array" if is_list else "string"):
        raise PromptError(f"{file}: output_schema must give {name!r} the type {'array' if is_list else 'string'}.")
    _check_keywords(node, file)
    word = node.get("items") if is_list else node
    if not isinstance(word, dict) or word.get("type") != "string":
        raise PromptError(f"{file}: the items of {name!r} in output_schema must be of type string.")
    _check_keywords(word, file)
    _check_enum(name, word.get("enum"), file)


def _check_enum(name: str, enum: Any, file: str) -> None:
    allowed = CLOSED_LISTS.get(name)
    if allowed is None:
        if enum is not None:
            raise PromptError(f"{file}: output_schema must not limit {name!r}: its words are free.")
        return
    if not isinstance(enum, list) or not enum:
        raise PromptError(f"{file}: output_schema must limit {name!r} by an enum.")
    if len({str(word) for word in enum}) < len(enum):
        raise PromptError(f"{file}: output_schema names a word twice for {name!r}.")
    unknown = [str(word) for word in enum if word not in allowed]
    if unknown:
        raise PromptError(f"{file}: output_schema allows {unknown[0]!r} for {name!r}, which the vocabulary lacks.")


def system_text(prompt: Prompt) -> str:
    """The system prompt, word lists filled in."""
    return prompt.body


def tagging_message(ref: str, colours: Mapping[str, Any]) -> str:
    """The user message of a tagging request: one JSON object of `ref` and the palette's colours.

    `colours` maps hex, rgb, hsl, lch (11 colours each) and color_names to plain lists; other keys are left out.
    """
    return _compact(_palette(ref, colours))


def refinement_message(ref: str, colours: Mapping[str, Any], consensus: Mapping[str, Any]) -> str:
    """The text of a refinement request: the tagging object plus `consensus`, as `consensus_for_prompt` makes it."""
    return _compact({**_palette(ref, colours), "consensus": consensus})


def _palette(ref: str, colours: Mapping[str, Any]) -> dict[str, Any]:
    return {"ref": ref, **{key: colours[key] for key in COLOUR_KEYS}}


def _compact(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
