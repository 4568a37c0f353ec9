"""A plain JSON schema, cut down to what each provider accepts.

Providers refuse (or silently ignore) most keywords that limit values, so those are left out on the wire and the
answer is checked here after it came back. Only keywords on a provider's list survive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# platform.claude.com, structured outputs, and the strict mode of OpenAI and Groq: no bounds on numbers, strings, lists.
_STRICT = frozenset(
    {"type", "properties", "required", "items", "enum", "const", "anyOf", "$ref", "$defs", "description"}
    | {"additionalProperties"}
)
# google/genai/types.py, response_json_schema.
_GEMINI = _STRICT | {
    "title",
    "format",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "oneOf",
    "$id",
    "$anchor",
}

_MAPS_OF_SCHEMAS = ("properties", "$defs")
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "prefixItems")


def for_anthropic(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Closed objects; properties may be optional."""
    return _cut(schema, _STRICT, closed=True, strict=False)


def for_strict_chat(schema: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAI and Groq, strict: closed objects with every property required; optional ones may be null instead."""
    return _cut(schema, _STRICT, closed=True, strict=True)


def for_gemini(schema: Mapping[str, Any]) -> dict[str, Any]:
    return _cut(schema, _GEMINI, closed=False, strict=False)


def _cut(schema: Mapping[str, Any], allowed: frozenset[str], *, closed: bool, strict: bool) -> dict[str, Any]:
    def cut(part: Any) -> Any:
        return _cut(part, allowed, closed=closed, strict=strict) if isinstance(part, Mapping) else part

    out: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword not in allowed:
            continue
        if keyword in _MAPS_OF_SCHEMAS:
            out[keyword] = {name: cut(part) for name, part in value.items()}
        elif keyword in _LISTS_OF_SCHEMAS:
            out[keyword] = [cut(part) for part in value]
        else:
            out[keyword] = cut(value)
    if "properties" not in out:
        return out
    if closed:
        out["additionalProperties"] = False
    if strict:
        required = set(schema.get("required", ()))
        for name, part in out["properties"].items():
            if name not in required:
                out["properties"][name] = _or_null(part)
        out["required"] = list(out["properties"])
    return out


def _or_null(part: dict[str, Any]) -> dict[str, Any]:
    """The same schema, with null as a further value."""
    if "type" not in part or "const" in part:
        return {"anyOf": [part, {"type": "null"}]}
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    if "null" in types:
        return part
    out = part | {"type": [*types, "null"]}
    if "enum" in part:
        out["enum"] = [*part["enum"], None]
    return out
