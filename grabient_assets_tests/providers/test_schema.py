"""Schemas cut down to what providers take."""

from __future__ import annotations

from typing import Any

import pytest

from grabient_assets.providers.request_rules import for_anthropic, for_gemini, for_strict_chat


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def test_objects_inside_lists_and_definitions_are_closed_too() -> None:
    inner = {"type": "object", "properties": {"n": {"type": "number", "maximum": 1}}, "required": ["n"]}
    schema = {
        "type": "object",
        "properties": {"many": {"type": "array", "items": inner}, "either": {"anyOf": [inner, {"$ref": "#/$defs/d"}]}},
        "required": ["many", "either"],
        "$defs": {"d": inner},
    }
    small = closed(n={"type": "number"})
    expected = closed(many={"type": "array", "items": small}, either={"anyOf": [small, {"$ref": "#/$defs/d"}]})
    assert for_anthropic(schema) == expected | {"$defs": {"d": small}}
    assert for_strict_chat(schema) == expected | {"$defs": {"d": small}}


@pytest.mark.parametrize(
    ("part", "optional"),
    [
        ({"type": "string"}, {"type": ["string", "null"]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"const": "a"}, {"anyOf": [{"const": "a"}, {"type": "null"}]}),
        ({"$ref": "#/$defs/d"}, {"anyOf": [{"$ref": "#/$defs/d"}, {"type": "null"}]}),
    ],
)
def test_strict_mode_requires_everything_and_lets_optional_be_null(part: Any, optional: Any) -> None:
    schema = {"type": "object", "properties": {"kept": {"type": "string"}, "maybe": part}, "required": ["kept"]}
    assert for_strict_chat(schema) == closed(kept={"type": "string"}, maybe=optional)
    assert for_anthropic(schema)["required"] == ["kept"]


def test_gemini_keeps_bounds_but_not_patterns() -> None:
    schema = {"type": "array", "items": {"type": "string", "pattern": "^a"}, "minItems": 1, "uniqueItems": True}
    assert for_gemini(schema) == {"type": "array", "items": {"type": "string"}, "minItems": 1}


def test_the_schema_itself_is_left_alone() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}}
    for_strict_chat(schema)
    assert schema == {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}}
