"""Colours side by side along a line: as bands, or as a smooth run."""

from __future__ import annotations

from itertools import pairwise

from grabient_assets.gradient.svg.frame import Canvas, clip, document, number, stops, swatch


def swatches(colours: tuple[str, ...], canvas: Canvas, seed: str) -> str:
    """One parallel band per colour."""
    (x, y), (dx, dy), reach = canvas.center, canvas.direction, canvas.reach
    # CSS Images, "Linear gradients": how far the picture extends along the direction.
    length = abs(canvas.width * dx) + abs(canvas.height * dy)
    # Each band is drawn far beyond the picture on both sides. The order of these sums decides the sign of the
    # zeros in the text, and with it whether our SVG equals the site's.
    right, left = (x - dy * reach, y + dx * reach), (x + dy * reach, y - dx * reach)

    def point(side: tuple[float, float], distance: float) -> str:
        return f"{number(side[0] + dx * distance)},{number(side[1] + dy * distance)}"

    edges = [-length / 2 + at / len(colours) * length for at in range(len(colours) + 1)]
    bands = "".join(
        swatch(f"M {point(right, start)} L {point(left, start)} L {point(left, end)} L {point(right, end)} Z", colour)
        for (start, end), colour in zip(pairwise(edges), colours, strict=True)
    )
    return document(canvas, seed, clip(canvas, "bounds"), f'<g clip-path="url(#bounds)">{bands}</g>')


def gradient(colours: tuple[str, ...], canvas: Canvas, seed: str) -> str:
    """A linearGradient over the bounding box."""
    dx, dy = canvas.direction
    start, end = (0.5 - dx / 2, 0.5 - dy / 2), (0.5 + dx / 2, 0.5 + dy / 2)
    definition = (
        f'              <linearGradient id="gradient" x1="{number(start[0])}" y1="{number(start[1])}" '
        f'x2="{number(end[0])}" y2="{number(end[1])}">\n'
        f"        {stops(colours)}\n"
        "              </linearGradient>"
    )
    drawing = f'<rect x="0" y="0" width="{canvas.width}" height="{canvas.height}" fill="url(#gradient)" />'
    return document(canvas, seed, definition, drawing)
