"""What charts are drawn with: SVG text, without a library. The reports of several groups use it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def text(x: float, y: float, words: str, anchor: str, size: int = 11, colour: str = "#555") -> str:
    """A line of text. `anchor` says what of it lies at x: its start, middle or end."""
    return f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def interval(low: float, middle: float, high: float, y: float, colour: str) -> str:
    """A dot with the line of its interval."""
    return f'<path stroke="{colour}" d="M{low} {y}H{high}"/><circle cx="{middle}" cy="{y}" r="2.5" fill="{colour}"/>'


def chart(width: int, height: int, parts: Sequence[str]) -> str:
    """The SVG text of a chart of these parts."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif">{"".join(parts)}</svg>'
    )
