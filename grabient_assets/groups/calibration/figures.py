"""The figures of a report as short texts, the same in the UI and on the command line; and as pictures, `data:` URIs of
some KB."""

from __future__ import annotations

import json
from collections.abc import Sequence

from grabient_assets.consensus.independence import pairs_of
from grabient_assets.gradient.svg import data_uri
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups import charts
from grabient_assets.groups.tagging.model_reports import FieldReport, ModelReport, PanelReport, Report

CELL, LABEL = 22, 190
FIELD_COLOURS = dict(zip(CATEGORICAL_VALUES, ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce"), strict=True))


def percent(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """`91 % (84-96)`, or a dash."""
    if value is None:
        return "-"
    return f"{value:.0%}" + (f" ({100 * low:.0f}-{100 * high:.0f})" if low is not None and high is not None else "")


def accuracy(row: ModelReport) -> str:
    """`91 % (84-96), 5 blank`: answers without a value are no mistakes here, and misses in the sensitivities."""
    text = percent(row.accuracy, row.accuracy_low, row.accuracy_high)
    return f"{text}, {row.blank} blank" if row.blank else text


def by_model(report: Report) -> dict[tuple[str, str], dict[str, ModelReport]]:
    """The rows of each model by field."""
    found: dict[tuple[str, str], dict[str, ModelReport]] = {}
    for row in report.models:
        found.setdefault((row.provider, row.model), {})[row.field] = row
    return found


def votes(panel: PanelReport) -> str:
    """`6.9 (5.8 to 8.1), known from 44 of 45 pairs of models`, or why they are not known."""
    if panel.effective_votes is None:
        return panel.effective_votes_reason or "-"
    models = len(json.loads(panel.models))
    text = f"{panel.effective_votes:.1f}"
    if panel.effective_votes_low is not None and panel.effective_votes_high is not None:
        text += f" ({panel.effective_votes_low:.1f} to {panel.effective_votes_high:.1f})"
    if panel.pairs is None or models < 2:
        return text
    return f"{text}, known from {panel.pairs} of {pairs_of(models)} pairs of models"


def alpha(field: FieldReport) -> str:
    """`0.81 (0.71 to 0.88)`, or why there is none."""
    if field.alpha is None:
        return field.alpha_reason or "-"
    if field.alpha_low is None or field.alpha_high is None:
        return f"{field.alpha:.2f}"
    return f"{field.alpha:.2f} ({field.alpha_low:.2f} to {field.alpha_high:.2f})"


def correlation_chart(names: Sequence[str], matrix: Sequence[Sequence[float | None]]) -> str:
    """The correlation of errors, one square per pair: red shares mistakes, blue avoids them, white is independent.

    Grey with a dash: not known.
    """
    parts: list[str] = []
    for row, name in enumerate(names):
        parts.append(charts.text(LABEL - 4, row * CELL + 15, name, "end"))
        for column, value in enumerate(matrix[row]):
            x, y = LABEL + column * CELL, row * CELL
            parts.append(f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="{_colour(value)}"/>')
            if row != column:
                label = "–" if value is None else f"{100 * value:.0f}"
                parts.append(charts.text(x + CELL // 2, y + 14, label, "middle", 9))
    return data_uri(charts.chart(LABEL + CELL * len(names), CELL * len(names), parts))


def accuracy_chart(rows: Sequence[ModelReport]) -> str:
    """Accuracy with its interval, one line per model and field, from 0 to 100 %."""
    measured = [row for row in rows if row.field in FIELD_COLOURS and row.accuracy is not None]
    models = list(dict.fromkeys((row.provider, row.model) for row in measured))
    height = 4 * 6 + 10
    parts = [
        charts.text(LABEL + 100 * number, height * len(models) + 14, f"{share} %", "middle")
        for number, share in enumerate((0, 50, 100))
    ]
    for number, field in enumerate(FIELD_COLOURS):
        parts.append(
            charts.text(LABEL + 75 * number - 110, height * len(models) + 30, field, "start", 11, FIELD_COLOURS[field])
        )
    for place, (provider, model) in enumerate(models):
        parts.append(charts.text(LABEL - 4, place * height + 20, model, "end"))
        own = {row.field: row for row in measured if (row.provider, row.model) == (provider, model)}
        for number, (field, colour) in enumerate(FIELD_COLOURS.items()):
            if field in own:
                parts.append(_interval(own[field], place * height + 6 + 6 * number, colour))
    return data_uri(charts.chart(LABEL + 220, height * len(models) + 36, parts))


def _interval(row: ModelReport, y: int, colour: str) -> str:
    low, middle, high = (_place(share) for share in (row.accuracy_low, row.accuracy, row.accuracy_high))
    return charts.interval(low, middle, high, y, colour)


def _place(share: float | None) -> float:
    return round(LABEL + 200 * (share or 0.0), 1)


def _colour(value: float | None) -> str:
    """White at 0, towards red at 1, towards blue at -1."""
    if value is None:
        return "#e5e5e5"
    faded = round(255 * (1 - min(abs(value), 1.0)))
    return f"#ff{faded:02x}{faded:02x}" if value > 0 else f"#{faded:02x}{faded:02x}ff"
