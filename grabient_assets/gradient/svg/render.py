"""One palette, one style, one SVG text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grabient_assets.gradient.svg import angular, linear, radial
from grabient_assets.gradient.svg.frame import Canvas

_STYLES: dict[str, Callable[[tuple[str, ...], Canvas, str], str]] = {
    "linearGradient": linear.gradient,
    "linearSwatches": linear.swatches,
    "angularGradient": angular.gradient,
    "angularSwatches": angular.swatches,
    "radialGradient": radial.gradient,
    "radialSwatches": radial.swatches,
}


def render_crisp_svg(hex_colors: Sequence[str], style: str, angle: float, width: int, height: int, seed: str) -> str:
    """As `render_svg`, for a file that is drawn at any size: no background shows between the swatches.

    The shapes are the same. Edges that are no whole pixels are not blended with what lies behind, and that is one of
    the colours, for a browser may leave out a pixel where two arcs meet. The site's blur would blend the borders.
    """
    svg = render_svg(hex_colors, style, angle, width, height, seed)
    if not style.endswith("Swatches"):
        return svg
    behind = hex_colors[len(hex_colors) // 2]
    return svg.replace("<svg ", f'<svg shape-rendering="crispEdges" style="background:{behind}" ', 1).replace(
        ' filter="url(#antiGap)"', "", 1
    )


def render_svg(hex_colors: Sequence[str], style: str, angle: float, width: int, height: int, seed: str) -> str:
    """The SVG text of a palette; one swatch or stop per colour, at least two colours ("#rrggbb").

    `style` is one of `vocabulary.STYLES`; `angle` in degrees, 0 upwards, clockwise; size in pixels. `seed` goes
    into a comment. The text equals what grabient.com makes, character by character.
    """
    if style not in _STYLES:
        raise ValueError(f"There is no style {style!r}; the styles are {', '.join(_STYLES)}.")
    if len(hex_colors) < 2:
        raise ValueError(f"A picture needs at least 2 colours, not {len(hex_colors)}.")
    return _STYLES[style](tuple(hex_colors), Canvas(width, height, angle), seed)
