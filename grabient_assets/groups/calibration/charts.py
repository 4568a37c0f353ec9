"""The pictures of a report, as `data:` URIs of some KB."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.model_reports import ModelReport

CELL, LABEL = 22, 190
FIELD_COLOURS = dict(zip(CATEGORICAL_VALUES, ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce"), strict=True))


def correlation_chart(names: Sequence[str], matrix: Sequence[Sequence[float | None]]) -> str:
    """The correlation of errors, one square per pair: red shares mistakes, blue avoids them, white is independent.

    Grey with a dash: not known.
    """
    parts: list[str] = []
    for row, name in enumerate(names):
        parts.append(_text(LABEL - 4, row * CELL + 15, name, "end"))
        for column, value in enumerate(matrix[row]):
            x, y = LABEL + column * CELL, row * CELL
            parts.append(f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="{_colour(value)}"/>')
            if row != column:
                label = "–" if value is None else f"{100 * value:.0f}"
                parts.append(_text(x + CELL // 2, y + 14, label, "middle", 9))
    return _svg(LABEL + CELL * len(names), CELL * len(names), parts)


def accuracy_chart(rows: Sequence[ModelReport]) -> str:
    """Accuracy with its interval, one line per model and field, from 0 to 100 %."""
    measured = [row for row in rows if row.field in FIELD_COLOURS and row.accuracy is not None]
    models = list(dict.fromkeys((row.provider, row.model) for row in measured))
    height = 4 * 6 + 10
    parts = [
        _text(LABEL + 100 * number, height * len(models) + 14, f"{share} %", "middle")
        for number, share in enumerate((0, 50, 100))
    ]
    for number, field in enumerate(FIELD_COLOURS):
        parts.append(
            _text(LABEL + 75 * number - 110, height * len(models) + 30, field, "start", 11, FIELD_COLOURS[field])
        )
    for place, (provider, model) in enumerate(models):
        parts.append(_text(LABEL - 4, place * height + 20, model, "end"))
        own = {row.field: row for row in measured if (row.provider, row.model) == (provider, model)}
        for number, (field, colour) in enumerate(FIELD_COLOURS.items()):
            if field in own:
                parts.append(_interval(own[field], place * height + 6 + 6 * number, colour))
    return _svg(LABEL + 220, height * len(models) + 36, parts)


def _interval(row: ModelReport, y: int, colour: str) -> str:
    low, middle, high = (_place(share) for share in (row.accuracy_low, row.accuracy, row.accuracy_high))
    line = f'<path stroke="{colour}" d="M{low} {y}H{high}"/>'
    return f'{line}<circle cx="{middle}" cy="{y}" r="2.5" fill="{colour}"/>'


def _place(share: float | None) -> float:
    return round(LABEL + 200 * (share or 0.0), 1)


def _colour(value: float | None) -> str:
    """White at 0, towards red at 1, towards blue at -1."""
    if value is None:
        return "#e5e5e5"
    faded = round(255 * (1 - min(abs(value), 1.0)))
    return f"#ff{faded:02x}{faded:02x}" if value > 0 else f"#{faded:02x}{faded:02x}ff"


def _text(x: float, y: float, text: str, anchor: str, size: int = 11, colour: str = "#555") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif">{"".join(parts)}</svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
