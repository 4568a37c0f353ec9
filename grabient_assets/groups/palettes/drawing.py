"""A picture of a palette as somebody wants it, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from grabient_assets.errors import UsageError
from grabient_assets.gradient.color import to_hex
from grabient_assets.gradient.palette import Palette, colors
from grabient_assets.gradient.svg import render_crisp_svg
from grabient_assets.gradient.vocabulary import MAX_STEPS, MIN_STEPS, STYLES


@dataclass(frozen=True, slots=True)
class PictureWish:
    """Style, direction in degrees, number of colours and size in pixels."""

    style: str
    angle: float
    steps: int
    width: int
    height: int


def draw(palette: Palette, wish: PictureWish) -> str:
    """The SVG text. Raises UsageError for a style, angle or number of colours outside the limits of palette files."""
    if wish.style not in STYLES:
        raise UsageError(f"There is no style {wish.style!r}; the styles are {', '.join(STYLES)}.")
    if not MIN_STEPS <= wish.steps <= MAX_STEPS:
        raise UsageError(f"--steps is {wish.steps}; it must be a whole number from {MIN_STEPS} to {MAX_STEPS}.")
    if not math.isfinite(wish.angle):
        raise UsageError(f"--angle is {wish.angle}; it must be a finite number of degrees.")
    hexes = [to_hex(rgb) for rgb in colors(palette, wish.steps)]
    return render_crisp_svg(hexes, wish.style, wish.angle, wish.width, wish.height, palette.canonical)
