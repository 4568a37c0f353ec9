"""One request as an emulated model sees it, the object it asks about, and the chance its answer is drawn from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")


def digest(*parts: str) -> int:
    """A 256-bit number for these texts, in this order."""
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).digest(), "big")


def share(*parts: str) -> float:
    """A number in [0, 1) for these texts."""
    return (digest(*parts) >> 203) / (1 << 53)


class Chance:
    """A stream of draws for one subject.

    Only `Random.random` is used: it is the one method whose sequence Python promises to keep between versions.
    """

    __slots__ = ("draw",)

    def __init__(self, *parts: str) -> None:
        self.draw = Random(digest(*parts)).random

    def happens(self, probability: float) -> bool:
        return self.draw() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self.draw() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.draw() * len(choices))]

    def sample(self, choices: Sequence[T], count: int) -> list[T]:
        """`count` different choices (all of them when there are fewer), in drawn order."""
        rest = list(choices)
        return [rest.pop(int(self.draw() * len(rest))) for _ in range(min(count, len(rest)))]


_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Question:
    """One request as a model sees it, whatever provider it came through."""

    model: str
    custom_id: str
    system: str = ""
    text: str = ""
    has_image: bool = False
    schema: dict[str, Any] | None = None
    """JSON Schema of the answer when structured output was asked for."""
    strict: bool = False
    """The schema is enforced while the model writes."""
    json_only: bool = False
    """The answer must be one JSON object (JSON mode), with or without a schema."""
    effort: str = "none"
    """How long the model thinks: none, minimal, low, medium, high, xhigh, max."""
    thinks_in_text: bool = False
    """Thinking stands in the text itself, in a think block."""
    budget: int | None = None
    """Upper limit of tokens for thinking and answer together."""
    image_tokens: int = 0


def asked_object(text: str, is_known: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The JSON object in a text, which may stand among other words. Of several, the first that `is_known`, else the
    first.

    Empty when there is none.
    """
    first: dict[str, Any] = {}
    position = text.find("{")
    while position >= 0:
        try:
            value, end = _DECODER.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):
            position = text.find("{", position + 1)
            continue
        if isinstance(value, dict):
            if is_known(value):
                return value
            first = first or value
        position = text.find("{", end)
    return first
