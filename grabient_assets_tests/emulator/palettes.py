"""Palettes for tests of the answers: cosine gradients drawn from a number, the same on every machine."""

from __future__ import annotations

import math
from random import Random


def palettes(count: int, seed: int = 7) -> list[list[str]]:
    draw = Random(seed).random
    return [_palette([[draw() for _ in range(3)] for _ in range(4)]) for _ in range(count)]


def _palette(parts: list[list[float]]) -> list[str]:
    colours = []
    for step in range(11):
        channels = [
            0.15 + 0.7 * a + (b - 0.3) * 0.8 * math.cos(2 * math.pi * (0.8 * c * step / 10 + d))
            for a, b, c, d in zip(*parts, strict=True)
        ]
        colours.append("#" + "".join(f"{round(255 * min(max(value, 0), 1)):02x}" for value in channels))
    return colours
