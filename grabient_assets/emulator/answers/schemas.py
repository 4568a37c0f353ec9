"""Answers under a JSON Schema: only what the schema permits, nothing it does not know."""

from __future__ import annotations

from typing import Any

from grabient_assets.emulator.answers.chance import Chance


def shaped(answer: dict[str, Any], schema: dict[str, Any], chance: Chance) -> dict[str, Any]:
    """The answer with exactly the properties of an object schema, values bent to enumerations and list lengths."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        return answer
    return {
        name: _permitted(answer[name], part, chance) if answer.get(name) is not None else filled(part, chance)
        for name, part in properties.items()
    }


def filled(schema: dict[str, Any], chance: Chance) -> Any:
    """A small value that the schema permits, for a property the emulated models have no idea of."""
    if choices := schema.get("enum"):
        return chance.pick(choices)
    kind = _type(schema)
    if kind == "object":
        return {name: filled(part, chance) for name, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [filled(schema.get("items") or {}, chance)]
    plain: dict[str, Any] = {"integer": chance.whole(1, 9), "number": chance.whole(1, 99) / 10, "boolean": True}
    return plain.get(kind, chance.pick(("calm", "plain", "clear", "quiet", "bright")))


def _permitted(value: Any, schema: dict[str, Any], chance: Chance) -> Any:
    if choices := schema.get("enum"):
        return value if value in choices else chance.pick(choices)
    if isinstance(value, list):
        item = schema.get("items") or {}
        kept = [entry for entry in value if not item.get("enum") or entry in item["enum"]]
        return kept[: schema.get("maxItems", len(kept))]
    return value


def _type(schema: dict[str, Any]) -> str:
    """The type, lower case (Gemini's own schemas write it in capitals), the first when a list is given."""
    kind = schema.get("type", "string")
    return str(kind[0] if isinstance(kind, list) else kind).lower()
