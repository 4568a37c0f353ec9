"""The figures of a report as short texts, the same in the UI and on the command line."""

from __future__ import annotations

import json

from grabient_assets.consensus.independence import pairs_of
from grabient_assets.groups.tagging.model_reports import FieldReport, ModelReport, PanelReport, Report


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
