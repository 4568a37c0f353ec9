"""Colours around the centre: as wedges, or as a smooth run, starting at the angle and turning clockwise."""

from __future__ import annotations

import json
import math
from html import escape

from grabient_assets.gradient.rounding import fixed, round3, round_half_up
from grabient_assets.gradient.svg.frame import Canvas, clip, credit, document, number, swatch

# SVG has no conical gradient. The site draws one thin wedge per degree, each half a degree wider than its place
# so that no seam shows, and a little beyond the corners.
WEDGES, WEDGE_DEGREES, OVERLAP_DEGREES, MARGIN = 360, 1.0, 0.5, 2.0


def swatches(colours: tuple[str, ...], canvas: Canvas, seed: str) -> str:
    """One wedge per colour."""
    x, y = canvas.center
    # The site rounds the radius and the angles before it places the corners.
    reach = round3(canvas.reach)
    share = 360 / len(colours)

    def point(degrees: float) -> str:
        radians = round3(degrees) * math.pi / 180
        return f"{number(x + reach * math.cos(radians))},{number(y + reach * math.sin(radians))}"

    line = "\n              "
    wedges = "".join(
        swatch(
            f"{line}M {number(x)},{number(y)}"
            f"{line}L {point(canvas.degrees + at * share)}"
            f"{line}A {number(reach)},{number(reach)} 0 {int(share > 180)} 1 {point(canvas.degrees + (at + 1) * share)}"
            f"{line}Z\n            ",
            colour,
        )
        for at, colour in enumerate(colours)
    )
    blur = (
        '\n              <filter id="antiGap">\n'
        '                <feGaussianBlur in="SourceGraphic" stdDeviation="0.3" />\n'
        "              </filter>"
    )
    drawing = (
        f'<g clip-path="url(#squareClip)" filter="url(#antiGap)" shape-rendering="crispEdges">\n          {wedges}</g>'
    )
    return document(canvas, seed, clip(canvas, "squareClip") + blur, drawing, indent=8)


def gradient(colours: tuple[str, ...], canvas: Canvas, seed: str) -> str:
    """Thin wedges, and the exact gradient in the attribute that Figma reads on import."""
    width, height = canvas.width, canvas.height
    outline = f"M{width} 0H0V{height}H{width}V0Z"
    channels = [tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in colours]
    wedges = "".join(_wedge(canvas, at, _blend(channels, at * WEDGE_DEGREES)) for at in range(WEDGES))
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" fill="none" '
        'xmlns="http://www.w3.org/2000/svg">\n'
        f"{credit(seed)}\n"
        f'<g clip-path="url(#paint0_angular_clip_path)" data-figma-skip-parse="true">{wedges}</g>'
        f'<path d="{outline}" data-figma-gradient-fill="{_figma_fill(channels, canvas)}"/>\n'
        f'<defs>\n<clipPath id="paint0_angular_clip_path"><path d="{outline}"/></clipPath>\n</defs>\n'
        "</svg>"
    )


def _wedge(canvas: Canvas, at: int, colour: str) -> str:
    (x, y), radius = canvas.center, canvas.reach + MARGIN

    def point(degrees: float) -> str:
        radians = degrees * math.pi / 180
        return f"{fixed(x + radius * math.cos(radians), 2)},{fixed(y + radius * math.sin(radians), 2)}"

    start = canvas.degrees + at * WEDGE_DEGREES
    end = start + WEDGE_DEGREES + OVERLAP_DEGREES
    arc = f"A {fixed(radius, 2)},{fixed(radius, 2)} 0 0 1"
    return f'<path d="M {x:g},{y:g} L {point(start)} {arc} {point(end)} Z" fill="{colour}"/>'


def _blend(channels: list[tuple[int, ...]], degrees: float) -> str:
    """The hex colour at `degrees` (0-360) of the way around, mixed in RGB. Measured in degrees as the site does:
    mixing by shares of the whole rounds exact halves the other way."""
    span = 360 / (len(channels) - 1)
    below = int(degrees / span)
    mix = (degrees - below * span) / span
    pairs = zip(channels[below], channels[below + 1], strict=True)
    return "#" + "".join(f"{round_half_up(one + (other - one) * mix):02x}" for one, other in pairs)


def _figma_fill(channels: list[tuple[int, ...]], canvas: Canvas) -> str:
    """Figma's description of the gradient: JSON, escaped for an attribute. Colours are 0-1."""
    last = len(channels) - 1
    colour_stops = [
        {
            "color": {**{name: _short(value / 255) for name, value in zip("rgb", channel, strict=True)}, "a": 1},
            "position": _short(at / last),
        }
        for at, channel in enumerate(channels)
    ]
    text = json.dumps(colour_stops, separators=(",", ":"))
    fill = (
        f'{{"type":"GRADIENT_ANGULAR","stops":{text},"stopsVar":{text},"transform":{{{_transform(canvas)}}},'
        '"opacity":1.0,"blendMode":"NORMAL","visible":true}'
    )
    return escape(fill)


def _transform(canvas: Canvas) -> str:
    """A square of the picture's longer side, turned to the direction, its centre on the picture's."""
    (x, y), (dx, dy) = canvas.center, canvas.direction
    side = max(canvas.width, canvas.height)
    m00, m01, m10, m11 = side * dx, -side * dy, side * dy, side * dx
    matrix = {"m00": m00, "m01": m01, "m02": x - (m00 + m01) / 2, "m10": m10, "m11": m11, "m12": y - (m10 + m11) / 2}
    return ",".join(f'"{name}":{fixed(value, 6)}' for name, value in matrix.items())


def _short(value: float) -> float | int:
    """Whole numbers without a decimal point, as JSON from JavaScript has them."""
    return int(value) if value == int(value) else value
