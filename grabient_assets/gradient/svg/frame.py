"""What the styles share: the outer element, the canvas and its geometry, and the way numbers are written."""

from __future__ import annotations

import math
from dataclasses import dataclass

from grabient_assets.gradient.rounding import fixed

SITE = "https://grabient.com/"


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture of `width` x `height` pixels and a direction: 0 degrees points up, 90 to the right."""

    width: int
    height: int
    angle: float

    @property
    def center(self) -> tuple[float, float]:
        return self.width / 2, self.height / 2

    @property
    def reach(self) -> float:
        """From the centre to a corner: a circle of this radius covers the picture."""
        return math.sqrt(self.width * self.width + self.height * self.height) / 2

    @property
    def degrees(self) -> float:
        """The direction as SVG counts it: 0 to the right, clockwise."""
        return self.angle % 360 - 90

    @property
    def direction(self) -> tuple[float, float]:
        """The unit vector of the direction, y downwards."""
        radians = self.degrees * math.pi / 180
        return math.cos(radians), math.sin(radians)


def document(canvas: Canvas, seed: str, definitions: str, drawing: str, indent: int = 10) -> str:
    """The SVG element around one drawing. `definitions` brings its own line breaks."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{canvas.width}" height="{canvas.height}" '
        f'viewBox="0 0 {canvas.width} {canvas.height}" preserveAspectRatio="none">\n'
        f"            {credit(seed)}\n"
        f"            <defs>\n{definitions}\n            </defs>\n"
        f"            {drawing}\n{' ' * indent}</svg>"
    )


def credit(seed: str) -> str:
    """The comment that says where the palette lives. Two hyphens may not stand in an XML comment, but do in seeds."""
    return f"<!-- {SITE}{seed.replace('--', '-%2D')} -->"


def clip(canvas: Canvas, name: str) -> str:
    """A clip path of the whole picture."""
    return (
        f'              <clipPath id="{name}">\n'
        f'                <rect x="0" y="0" width="{canvas.width}" height="{canvas.height}" />\n'
        "              </clipPath>"
    )


def stops(colours: tuple[str, ...]) -> str:
    """The stops of a smooth gradient, evenly spaced."""
    last = len(colours) - 1
    return "".join(f'<stop offset="{number(at / last)}" stop-color="{colour}" />' for at, colour in enumerate(colours))


def swatch(path: str, colour: str) -> str:
    """One filled shape."""
    return f'<path d="{path}" fill="{colour}" fill-opacity="1.000" />'


def number(value: float) -> str:
    """Three decimals, as all styles but angularGradient write them."""
    return fixed(value, 3)
