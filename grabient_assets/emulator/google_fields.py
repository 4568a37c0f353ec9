"""The `fields` parameter of Google's APIs: a mask of the fields that an answer is to have."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

Mask: TypeAlias = "dict[str, Mask]"
"""The wanted fields, each with those wanted inside it; none: all of it."""
_TOKEN = re.compile(r"[A-Za-z0-9_@*-]+|[(),./]")


def parsed(text: str) -> Mask:
    """The mask that `text` spells. Raises ValueError when it spells none."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        raise ValueError(text)
    mask = _paths(tokens)
    if tokens:
        raise ValueError(text)
    return mask


def masked(value: Any, mask: Mask) -> Any:
    """`value` with the fields of `mask` alone; of a list, each of its items."""
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [masked(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: masked(inner, mask[name]) for name, inner in value.items() if name in mask}


def _paths(tokens: list[str]) -> Mask:
    mask: Mask = {}
    while True:
        name, inner = _path(tokens)
        mask[name] = {**mask.get(name, {}), **inner}
        if not tokens or tokens[0] != ",":
            return mask
        tokens.pop(0)


def _path(tokens: list[str]) -> tuple[str, Mask]:
    if not tokens or tokens[0] in "(),./":
        raise ValueError("a field is missing")
    name = tokens.pop(0)
    if tokens and tokens[0] in "./":
        tokens.pop(0)
        return name, dict([_path(tokens)])
    if tokens and tokens[0] == "(":
        tokens.pop(0)
        inner = _paths(tokens)
        if not tokens or tokens.pop(0) != ")":
            raise ValueError("a bracket is not closed")
        return name, inner
    return name, {}
