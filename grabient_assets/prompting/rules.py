"""What a prompt file of a purpose may and must say: the word lists it may use, and the fields of the answer.

The `$names` that prompt files may use are word lists, so that no prompt drifts from the vocabulary.

The `output_schema` of a prompt file must be accepted by all four providers. Structured output of the providers knows
only a part of JSON Schema; in particular Anthropic refuses `maxItems` and `minItems` above 1, and OpenAI's strict mode
wants every property required and no other property allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Any

from grabient_assets.errors import PromptError

_KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "enum", "description", "minItems"}


@dataclass(frozen=True, slots=True, eq=False)
class PromptRules:
    """The rules of the file `<purpose>.md`.

    `variables` are the word lists that it may use by name, `required` those that its body must use. The answer has
    these `fields`, none where it is an image; `lists` of them are lists of words, `records` are lists of objects with
    those fields, the others are one word. Where a field is in `closed`, an enum has to limit it to words of that list;
    no other may be limited.
    """

    purpose: str
    variables: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]
    fields: tuple[str, ...]
    lists: tuple[str, ...]
    closed: Mapping[str, tuple[str, ...]]
    records: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


def fill_body(body: str, rules: PromptRules, file: str) -> str:
    """`body` with every `$name` replaced by its word list, comma-separated. `$$` is a dollar sign."""
    template = Template(body)
    if not template.is_valid():
        raise PromptError(f"{file} holds a '$' that starts no variable name; write '$$' for a dollar sign.")
    used = template.get_identifiers()
    unknown = [name for name in used if name not in rules.variables]
    if unknown:
        raise PromptError(f"{file} uses the unknown variable ${unknown[0]}; known are {_listed(rules.variables)}.")
    missing = [name for name in rules.required if name not in used]
    if missing:
        raise PromptError(f"{file} must use the variable {_listed(missing)} in its body: models need the word list.")
    return template.substitute({name: ", ".join(rules.variables[name]) for name in used})


def fill_schema(node: Any, rules: PromptRules, file: str) -> Any:
    """`node` with each `enum: $name` replaced by the list of that name."""
    if isinstance(node, list):
        return [fill_schema(item, rules, file) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _enum(value, rules, file) if key == "enum" and isinstance(value, str) else fill_schema(value, rules, file)
        for key, value in node.items()
    }


def _enum(placeholder: str, rules: PromptRules, file: str) -> list[str]:
    words = rules.variables.get(placeholder.removeprefix("$"))
    if words is None or not placeholder.startswith("$"):
        known = _listed(rules.variables)
        raise PromptError(f"{file}: the schema has 'enum: {placeholder}', which is neither a list nor one of {known}.")
    return list(words)


def _listed(names: Any) -> str:
    return ", ".join(f"${name}" for name in names)


def check_answer_schema(schema: dict[str, Any], rules: PromptRules, file: str) -> None:
    """Raises PromptError unless `schema` describes the answer that the rules want, field by field; there is none of an
    image."""
    if not rules.fields:
        if schema:
            raise PromptError(f"{file}: the answer is an image, so there is no output_schema; leave it out.")
        return
    _check_object(schema, rules.fields, rules, file, "output_schema")


def _check_object(schema: dict[str, Any], wanted: tuple[str, ...], rules: PromptRules, file: str, what: str) -> None:
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict):
        raise PromptError(f"{file}: {what} must be of type object and have properties.")
    if schema.get("additionalProperties") is not False:
        raise PromptError(f"{file}: {what} must say 'additionalProperties: false'.")
    _same_names(properties, wanted, f"{file}: the properties of {what}")
    required = schema.get("required") or []
    if not isinstance(required, list):
        raise PromptError(f"{file}: 'required' of {what} must be a list of names.")
    _same_names(required, wanted, f"{file}: 'required' of {what}")
    _check_keywords(schema, file)
    for name, node in properties.items():
        if name not in rules.records:
            _check_field(name, node, rules, file)
        elif not isinstance(node, dict) or node.get("type") != "array" or not isinstance(node.get("items"), dict):
            raise PromptError(f"{file}: output_schema must give {name!r} the type array, with objects as items.")
        else:
            _check_keywords(node, file)
            _check_object(node["items"], rules.records[name], rules, file, f"the items of {name!r} in output_schema")


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


def _check_field(name: str, node: Any, rules: PromptRules, file: str) -> None:
    is_list = name in rules.lists
    if not isinstance(node, dict) or node.get("type") != ("array" if is_list else "string"):
        raise PromptError(f"{file}: output_schema must give {name!r} the type {'array' if is_list else 'string'}.")
    _check_keywords(node, file)
    word = node.get("items") if is_list else node
    if not isinstance(word, dict) or word.get("type") != "string":
        raise PromptError(f"{file}: the items of {name!r} in output_schema must be of type string.")
    _check_keywords(word, file)
    _check_enum(name, word.get("enum"), rules, file)


def _check_enum(name: str, enum: Any, rules: PromptRules, file: str) -> None:
    allowed = rules.closed.get(name)
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
