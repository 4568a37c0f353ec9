"""Colours from the centre outwards: as rings, or as a smooth run. The angle has no effect."""

from __future__ import annotations

from grabient_assets.gradient.svg.frame import Canvas, clip, document, number, stops, swatch


def swatches(colours: tuple[str, ...], canvas: Canvas, seed: str) -> str:
    """One ring per colour, all equally wide; the first is a disc."""
    rings: list[str] = []
    for at, colour in enumerate(colours):
        path = _circle(canvas, canvas.reach * (at + 1) / len(colours), sweep=1)
        if at:
            # Drawn the other way round, the inner circle becomes a hole.
            path += " " + _circle(canvas, canvas.reach * at / len(colours), sweep=0)
        rings.append(swatch(path, colour))
    return document(canvas, seed, clip(canvas, "ringBounds"), f'<g clip-path="url(#ringBounds)">{"".join(rings)}</g>')


def gradient(colours: tuple[str, ...], canvas: Canvas, seed: str) -> str:
    """A radialGradient whose circle reaches the corners."""
    x, y = canvas.center
    definition = (
        f'              <radialGradient id="radial" gradientUnits="userSpaceOnUse" '
        f'cx="{number(x)}" cy="{number(y)}" r="{number(canvas.reach)}">\n'
        f"        {stops(colours)}\n"
        "              </radialGradient>"
    )
    drawing = f'<rect x="0" y="0" width="{canvas.width}" height="{canvas.height}" fill="url(#radial)" />'
    return document(canvas, seed, definition, drawing)


def _circle(canvas: Canvas, radius: float, sweep: int) -> str:
    x, y = canvas.center
    arc = f"A {number(radius)},{number(radius)} 0 1 {sweep}"
    left, right = f"{number(x - radius)},{number(y)}", f"{number(x + radius)},{number(y)}"
    return f"M {left} {arc} {right} {arc} {left} Z"
