"""The colours of a palette."""

from __future__ import annotations

from math import cos, pi

from grabient_assets.gradient.palette import Palette

RGB = tuple[int, int, int]
STEPS = 11

_TURN = 2 * pi


def colors(palette: Palette, steps: int = STEPS) -> list[RGB]:
    """`steps` evenly spaced colours (at least 2), 0-255 per channel: `clamp01(a + b*cos(2*pi*(c*t + d)))`.

    Inigo Quilez, "Palettes" (https://iquilezles.org/articles/palettes/). 8-bit values are floor(v*255 + 0.5);
    0.1, 0.3 and 0.5 are exact ties, so neither the order of the operations nor the rounding is free.
    """
    if steps < 2:
        raise ValueError(f"A gradient needs at least 2 steps, not {steps}.")
    (a0, a1, a2), (b0, b1, b2), (c0, c1, c2), (d0, d1, d2) = palette.applied
    last = steps - 1
    rows: list[RGB] = []
    for step in range(steps):
        t = step / last
        rows.append(
            (
                _eight_bit(a0 + b0 * cos(_TURN * (c0 * t + d0))),
                _eight_bit(a1 + b1 * cos(_TURN * (c1 * t + d1))),
                _eight_bit(a2 + b2 * cos(_TURN * (c2 * t + d2))),
            )
        )
    return rows


def _eight_bit(value: float) -> int:
    if value <= 0:
        return 0
    if value >= 1:
        return 255
    return int(value * 255 + 0.5)
