"""Palettes as pictures: SVG text as the Grabient site draws it, PNG through the cairo library, and thumbnails."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from grabient_assets.errors import GrabientError
from grabient_assets.gradient.palette import fixed, round3, round_half_up

SITE = "https://grabient.com/"
# What the refinement model is shown: eleven swatches of 40 x 100 pixels. Their edges fall on whole pixels, so no
# colour is blended; at other widths the columns between two swatches are mixed by the rasteriser.
IMAGE_WIDTH, IMAGE_HEIGHT = 440, 100
# SVG has no conical gradient. The site draws one thin wedge per degree, each half a degree wider than its place
# so that no seam shows, and a little beyond the corners.
WEDGES, WEDGE_DEGREES, OVERLAP_DEGREES, MARGIN = 360, 1.0, 0.5, 2.0


def render_svg(hex_colors: Sequence[str], style: str, angle: float, width: int, height: int, seed: str) -> str:
    """The SVG text of a palette; one swatch or stop per colour, at least two colours ("#rrggbb").

    `style` is one of `vocabulary.STYLES`; `angle` in degrees, 0 upwards, clockwise; size in pixels. `seed` goes
    into a comment. The text equals what grabient.com makes, character by character.
    """
    if style not in _STYLES:
        raise ValueError(f"There is no style {style!r}; the styles are {', '.join(_STYLES)}.")
    if len(hex_colors) < 2:
        raise ValueError(f"A picture needs at least 2 colours, not {len(hex_colors)}.")
    return _STYLES[style](tuple(hex_colors), _Canvas(width, height, angle), seed)


def render_crisp_svg(hex_colors: Sequence[str], style: str, angle: float, width: int, height: int, seed: str) -> str:
    """As `render_svg`, for a file that is drawn at any size: no background shows between the swatches.

    The shapes are the same. Edges that are no whole pixels are not blended with what lies behind, and that is one of
    the colours, because a browser may leave out a pixel where two arcs meet. The site's blur would blend the borders.
    """
    svg = render_svg(hex_colors, style, angle, width, height, seed)
    if not style.endswith("Swatches"):
        return svg
    behind = hex_colors[len(hex_colors) // 2]
    return svg.replace("<svg ", f'<svg shape-rendering="crispEdges" style="background:{behind}" ', 1).replace(
        ' filter="url(#antiGap)"', "", 1
    )


def render_png(svg: str, width: int = IMAGE_WIDTH, height: int = IMAGE_HEIGHT) -> bytes:
    """The PNG file of an SVG text, `width` x `height` pixels, 8 bits per channel.

    Raises GrabientError when cairo, a library of the operating system, is missing.
    """
    try:
        import cairosvg
    except (ImportError, OSError) as error:
        raise GrabientError(
            "Pictures need the cairo library, which is not installed. Run `make setup`, or install it by hand: "
            "`apt-get install libcairo2` (Debian, Ubuntu) or `brew install cairo` (macOS)."
        ) from error
    png = cairosvg.svg2png(bytestring=svg.encode("utf-8"), output_width=width, output_height=height)
    if not isinstance(png, bytes):
        raise GrabientError("cairosvg returned no picture for the SVG it was given.")
    return png


def thumbnail(hex_colors: Sequence[str], width: int = 220, height: int = 40) -> str:
    """A `data:` URI with one upright bar per colour, as SVG. About 900 bytes for eleven colours."""
    bars = "".join(f'<path fill="{colour}" d="M{i} 0h1.02v1H{i}z"/>' for i, colour in enumerate(hex_colors))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'shape-rendering="crispEdges" '
        f'viewBox="0 0 {len(hex_colors)} 1" preserveAspectRatio="none">{bars}</svg>'
    )
    return data_uri(svg)


def data_uri(svg: str) -> str:
    """The address of a picture that holds the picture itself."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


@dataclass(frozen=True, slots=True)
class _Canvas:
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


def _linear_swatches(colours: tuple[str, ...], canvas: _Canvas, seed: str) -> str:
    """One parallel band per colour along a line."""
    (x, y), (dx, dy), reach = canvas.center, canvas.direction, canvas.reach
    # CSS Images, "Linear gradients": how far the picture extends along the direction.
    length = abs(canvas.width * dx) + abs(canvas.height * dy)
    # Each band is drawn far beyond the picture on both sides. The order of these sums decides the sign of the
    # zeros in the text, and with it whether our SVG equals the site's.
    right, left = (x - dy * reach, y + dx * reach), (x + dy * reach, y - dx * reach)

    def point(side: tuple[float, float], distance: float) -> str:
        return f"{_number(side[0] + dx * distance)},{_number(side[1] + dy * distance)}"

    edges = [-length / 2 + at / len(colours) * length for at in range(len(colours) + 1)]
    bands = "".join(
        _swatch(f"M {point(right, start)} L {point(left, start)} L {point(left, end)} L {point(right, end)} Z", colour)
        for (start, end), colour in zip(pairwise(edges), colours, strict=True)
    )
    return _document(canvas, seed, _clip(canvas, "bounds"), f'<g clip-path="url(#bounds)">{bands}</g>')


def _linear_gradient(colours: tuple[str, ...], canvas: _Canvas, seed: str) -> str:
    """A linearGradient over the bounding box."""
    dx, dy = canvas.direction
    start, end = (0.5 - dx / 2, 0.5 - dy / 2), (0.5 + dx / 2, 0.5 + dy / 2)
    definition = (
        f'              <linearGradient id="gradient" x1="{_number(start[0])}" y1="{_number(start[1])}" '
        f'x2="{_number(end[0])}" y2="{_number(end[1])}">\n'
        f"        {_stops(colours)}\n"
        "              </linearGradient>"
    )
    drawing = f'<rect x="0" y="0" width="{canvas.width}" height="{canvas.height}" fill="url(#gradient)" />'
    return _document(canvas, seed, definition, drawing)


def _radial_swatches(colours: tuple[str, ...], canvas: _Canvas, seed: str) -> str:
    """One ring per colour, all equally wide; the first is a disc. The angle has no effect."""
    rings: list[str] = []
    for at, colour in enumerate(colours):
        path = _circle(canvas, canvas.reach * (at + 1) / len(colours), sweep=1)
        if at:
            # Drawn the other way round, the inner circle becomes a hole.
            path += " " + _circle(canvas, canvas.reach * at / len(colours), sweep=0)
        rings.append(_swatch(path, colour))
    return _document(canvas, seed, _clip(canvas, "ringBounds"), f'<g clip-path="url(#ringBounds)">{"".join(rings)}</g>')


def _radial_gradient(colours: tuple[str, ...], canvas: _Canvas, seed: str) -> str:
    """A radialGradient whose circle reaches the corners."""
    x, y = canvas.center
    definition = (
        f'              <radialGradient id="radial" gradientUnits="userSpaceOnUse" '
        f'cx="{_number(x)}" cy="{_number(y)}" r="{_number(canvas.reach)}">\n'
        f"        {_stops(colours)}\n"
        "              </radialGradient>"
    )
    drawing = f'<rect x="0" y="0" width="{canvas.width}" height="{canvas.height}" fill="url(#radial)" />'
    return _document(canvas, seed, definition, drawing)


def _circle(canvas: _Canvas, radius: float, sweep: int) -> str:
    x, y = canvas.center
    arc = f"A {_number(radius)},{_number(radius)} 0 1 {sweep}"
    left, right = f"{_number(x - radius)},{_number(y)}", f"{_number(x + radius)},{_number(y)}"
    return f"M {left} {arc} {right} {arc} {left} Z"


def _angular_swatches(colours: tuple[str, ...], canvas: _Canvas, seed: str) -> str:
    """One wedge per colour around the centre, starting at the angle and turning clockwise."""
    x, y = canvas.center
    # The site rounds the radius and the angles before it places the corners.
    reach = round3(canvas.reach)
    share = 360 / len(colours)

    def point(degrees: float) -> str:
        radians = round3(degrees) * math.pi / 180
        return f"{_number(x + reach * math.cos(radians))},{_number(y + reach * math.sin(radians))}"

    line = "\n              "
    wedges = "".join(
        _swatch(
            f"{line}M {_number(x)},{_number(y)}"
            f"{line}L {point(canvas.degrees + at * share)}"
            f"{line}A {_number(reach)},{_number(reach)} 0 {int(share > 180)} 1 "
            f"{point(canvas.degrees + (at + 1) * share)}"
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
    return _document(canvas, seed, _clip(canvas, "squareClip") + blur, drawing, indent=8)


def _angular_gradient(colours: tuple[str, ...], canvas: _Canvas, seed: str) -> str:
    """Thin wedges, and the exact gradient in the attribute that Figma reads on import."""
    width, height = canvas.width, canvas.height
    outline = f"M{width} 0H0V{height}H{width}V0Z"
    channels = [tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in colours]
    wedges = "".join(_wedge(canvas, at, _blend(channels, at * WEDGE_DEGREES)) for at in range(WEDGES))
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" fill="none" '
        'xmlns="http://www.w3.org/2000/svg">\n'
        f"{_credit(seed)}\n"
        f'<g clip-path="url(#paint0_angular_clip_path)" data-figma-skip-parse="true">{wedges}</g>'
        f'<path d="{outline}" data-figma-gradient-fill="{_figma_fill(channels, canvas)}"/>\n'
        f'<defs>\n<clipPath id="paint0_angular_clip_path"><path d="{outline}"/></clipPath>\n</defs>\n'
        "</svg>"
    )


def _wedge(canvas: _Canvas, at: int, colour: str) -> str:
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


def _figma_fill(channels: list[tuple[int, ...]], canvas: _Canvas) -> str:
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


def _transform(canvas: _Canvas) -> str:
    """A square of the picture's longer side, turned to the direction, its centre on the picture's."""
    (x, y), (dx, dy) = canvas.center, canvas.direction
    side = max(canvas.width, canvas.height)
    m00, m01, m10, m11 = side * dx, -side * dy, side * dy, side * dx
    matrix = {"m00": m00, "m01": m01, "m02": x - (m00 + m01) / 2, "m10": m10, "m11": m11, "m12": y - (m10 + m11) / 2}
    return ",".join(f'"{name}":{fixed(value, 6)}' for name, value in matrix.items())


def _short(value: float) -> float | int:
    """Whole numbers without a decimal point, as JSON from JavaScript has them."""
    return int(value) if value == int(value) else value


def _document(canvas: _Canvas, seed: str, definitions: str, drawing: str, indent: int = 10) -> str:
    """The SVG element around one drawing. `definitions` brings its own line breaks."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{canvas.width}" height="{canvas.height}" '
        f'viewBox="0 0 {canvas.width} {canvas.height}" preserveAspectRatio="none">\n'
        f"            {_credit(seed)}\n"
        f"            <defs>\n{definitions}\n            </defs>\n"
        f"            {drawing}\n{' ' * indent}</svg>"
    )


def _credit(seed: str) -> str:
    """The comment that says where the palette lives. Two hyphens may not stand in an XML comment, but do in seeds."""
    return f"<!-- {SITE}{seed.replace('--', '-%2D')} -->"


def _clip(canvas: _Canvas, name: str) -> str:
    """A clip path of the whole picture."""
    return (
        f'              <clipPath id="{name}">\n'
        f'                <rect x="0" y="0" width="{canvas.width}" height="{canvas.height}" />\n'
        "              </clipPath>"
    )


def _stops(colours: tuple[str, ...]) -> str:
    """The stops of a smooth gradient, evenly spaced."""
    last = len(colours) - 1
    return "".join(f'<stop offset="{_number(at / last)}" stop-color="{colour}" />' for at, colour in enumerate(colours))


def _swatch(path: str, colour: str) -> str:
    """One filled shape."""
    return f'<path d="{path}" fill="{colour}" fill-opacity="1.000" />'


def _number(value: float) -> str:
    """Three decimals, as all styles but angularGradient write them."""
    return fixed(value, 3)


_STYLES: dict[str, Callable[[tuple[str, ...], _Canvas, str], str]] = {
    "linearGradient": _linear_gradient,
    "linearSwatches": _linear_swatches,
    "angularGradient": _angular_gradient,
    "angularSwatches": _angular_swatches,
    "radialGradient": _radial_gradient,
    "radialSwatches": _radial_swatches,
}
