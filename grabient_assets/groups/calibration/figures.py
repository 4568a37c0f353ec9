"""The figures of a report as short texts, the same in the UI and on the command line."""

from __future__ import annotations

from grabient_assets.warehouse.calibration import FieldReport, ModelReport, Report


def percent(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """`91 % (84-96)`, or a dash."""
    if value is None:
        return "-"
    return f"{value:.0%}" + (f" ({100 * low:.0f}-{100 * high:.0f})" if low is not None and high is not None else "")


def by_model(report: Report) -> dict[tuple[str, str], dict[str, ModelReport]]:
    """The rows of each model by field."""
    found: dict[tuple[str, str], dict[str, ModelReport]] = {}
    for row in report.models:
        found.setdefault((row.provider, row.model), {})[row.field] = row
    return found


def alpha(field: FieldReport) -> str:
    """`0.81 (0.71 to 0.88)`, or why there is none."""
    if field.alpha is None:
        return field.alpha_reason or "-"
    if field.alpha_low is None or field.alpha_high is None:
        return f"{field.alpha:.2f}"
    return f"{field.alpha:.2f} ({field.alpha_low:.2f} to {field.alpha_high:.2f})"
