"""The sheet that an emulated brush paints on: shapes in SVG, in the order in which they are painted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from grabient_assets.emulator.painting.hand import Hand, lightness, mixed
from grabient_assets.emulator.questions import Chance

MOST_SHAPES = 76
"""What is painted after it adds no shape. The marks of the texture, in one path, come on top."""
Point = tuple[float, float]


@dataclass(slots=True)
class Sheet:
    """`horizon` and `focus` are where the land begins and where the eye rests, in pixels. The colours are those of the
    brush, the ground the one that covers the sheet."""

    width: int
    height: int
    hand: Hand
    chance: Chance
    colours: Sequence[str]
    ground: str
    horizon: float
    focus: Point
    shapes: list[str] = field(default_factory=list)

    @property
    def unit(self) -> float:
        """A thousandth of the shorter edge."""
        return min(self.width, self.height) / 1000

    @property
    def full(self) -> bool:
        return len(self.shapes) >= MOST_SHAPES

    def colour(self, place: int) -> str:
        return self.colours[place % len(self.colours)]

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.chance.draw()

    def against(self, behind: str) -> str:
        """The colour that stands out most from what is behind it."""
        return max(self.colours, key=lambda one: abs(lightness(one) - lightness(behind)))

    def shape(self, path: str, fill: str, opacity: float = 1.0) -> None:
        """An area, with the outline of the hand."""
        if self.full:
            return
        line = ""
        if self.hand.outline:
            edge = mixed(fill, "#000000", 0.6)
            line = f' stroke="{edge}" stroke-width="{self.hand.outline * self.unit:.1f}" stroke-linejoin="round"'
        seen = self.hand.opacity * opacity
        self.shapes.append(f'<path d="{path}" fill="{fill}" fill-opacity="{seen:.2f}"{line}/>')

    def line(self, path: str, colour: str, width: float, opacity: float = 1.0) -> None:
        """A stroke; `width` in thousandths of the shorter edge."""
        if self.full:
            return
        self.shapes.append(
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{max(width * self.unit, 0.6):.1f}" '
            f'stroke-opacity="{self.hand.opacity * opacity:.2f}" stroke-linecap="round"/>'
        )

    def circle(self, centre: Point, radius: float, fill: str, opacity: float = 1.0) -> None:
        """A disc; the radius in pixels. A hand that wobbles paints no perfect one."""
        x, y = centre
        wide = radius * (1 + self.hand.wobble * self.between(-0.004, 0.004))
        self.shape(
            f"M{x - wide:.1f} {y:.1f}A{wide:.1f} {radius:.1f} 0 1 0 {x + wide:.1f} {y:.1f}"
            f"A{wide:.1f} {radius:.1f} 0 1 0 {x - wide:.1f} {y:.1f}Z",
            fill,
            opacity,
        )

    def polygon(self, points: Sequence[Point], fill: str, opacity: float = 1.0) -> None:
        stray = self.hand.wobble * self.unit * 0.4
        moved = [(x + self.between(-stray, stray), y + self.between(-stray, stray)) for x, y in points]
        self.shape("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in moved) + "Z", fill, opacity)

    def box(self, corner: Point, size: Point, fill: str, opacity: float = 1.0) -> None:
        (x, y), (width, height) = corner, size
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], fill, opacity)

    def ridge(self, level: float, swing: float, waves: float, fill: str, opacity: float = 1.0) -> None:
        """Everything below a line that swings around `level` (pixels), from edge to edge."""
        shift, steps = 6.283 * self.chance.draw(), 8
        sway = self.hand.wobble * self.unit
        tops = [
            level + swing * math.sin(shift + waves * 6.283 * step / steps) + self.between(-sway, sway)
            for step in range(steps + 1)
        ]
        across = self.width / steps
        path = f"M{-across:.1f} {self.height + 9}L{-across:.1f} {tops[0]:.1f}"
        for step, top in enumerate(tops):
            before = tops[max(step - 1, 0)]
            path += f"C{(step - 0.5) * across:.1f} {before:.1f} {(step - 0.5) * across:.1f} {top:.1f} "
            path += f"{step * across:.1f} {top:.1f}"
        self.shape(
            path + f"L{self.width + across:.1f} {tops[-1]:.1f}L{self.width + across:.1f} {self.height + 9}Z",
            fill,
            opacity,
        )
