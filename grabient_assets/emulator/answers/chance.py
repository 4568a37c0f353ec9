"""Chance that is the same on every run and every machine: drawn from SHA-256 of what the draw is about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from random import Random
from typing import TypeVar

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
