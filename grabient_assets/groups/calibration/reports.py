"""The report as a person sees it in the UI: tables and two pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence

import dagster as dg

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.calibration.figures import (
    accuracy,
    accuracy_chart,
    alpha,
    by_model,
    correlation_chart,
    percent,
    votes,
)
from grabient_assets.groups.markdown import table
from grabient_assets.groups.tagging.model_reports import ModelReport, Report
from grabient_assets.groups.tagging.wave_audit import AuditCount, audit_figures, audit_sentences

Metadata = dict[str, dg.MetadataValue]
GOLD_TAGS = ("dominant_colors", "harmony")


def report_metadata(report: Report, audits: Sequence[AuditCount] = ()) -> Metadata:
    """Kept small: every event is stored for ever. The tables in the database hold all of it. `audits`: of wave one,
    under this version."""
    panel = report.panel
    names = [model for _, model in json.loads(panel.models)]
    matrix = correlation_chart(names, json.loads(panel.correlation))
    found: Metadata = {
        "palettes": dg.MetadataValue.int(panel.palettes),
        "votes the panel is worth": dg.MetadataValue.text(votes(panel)),
        "cost_usd": dg.MetadataValue.float(float(panel.cost_usd)),
        "who could go": dg.MetadataValue.text(panel.sentence),
        "accuracy": dg.MetadataValue.md(_accuracy(report)),
        "chart": dg.MetadataValue.md(f"![accuracy per model and field]({accuracy_chart(report.models)})"),
        **{f"values of {field}": dg.MetadataValue.md(_by_value(report, field)) for field in CATEGORICAL_VALUES},
        "tags": dg.MetadataValue.md(_tags(report)),
        "agreement": dg.MetadataValue.md(_agreement(report)),
        "correlation of errors": dg.MetadataValue.md(f"![{len(names)} models]({matrix})"),
        "without one model": dg.MetadataValue.md(_without(report)),
    }
    if audits:
        found["audit of wave one"] = dg.MetadataValue.md(_audits(audits))
    if panel.effective_votes is not None:
        found["effective votes"] = dg.MetadataValue.float(round(panel.effective_votes, 2))
    if panel.usd_per_effective_vote is not None:
        found["usd per effective vote"] = dg.MetadataValue.float(float(panel.usd_per_effective_vote))
    return found


def _audits(audits: Sequence[AuditCount]) -> str:
    rows: list[Sequence[str]] = []
    for one in audit_figures(audits):
        share = percent(one.share, one.low, one.high)
        rows.append((one.field or "all", f"{one.turned}/{one.values}", share, "yes" if one.too_many else ""))
    sentences = "\n\n".join(audit_sentences(audits))
    return f"{sentences}\n\n{table(('field', 'turned', 'share', 'too many'), rows)}"


def _accuracy(report: Report) -> str:
    rows: list[Sequence[str]] = []
    for (provider, model), fields in by_model(report).items():
        one = next(iter(fields.values()))
        cells = [accuracy(fields[field]) for field in CATEGORICAL_VALUES]
        rows.append((f"{provider} {model}", f"{one.usable}/{one.answers}", *cells))
    return table(("model", "usable", *CATEGORICAL_VALUES), rows)


def _by_value(report: Report, field: str) -> str:
    """How often each value is named where it is true, and not named where it is not."""
    values = CATEGORICAL_VALUES[field]
    rows: list[Sequence[str]] = []
    for (provider, model), fields in by_model(report).items():
        row = fields[field]
        found = json.loads(row.by_value or "{}")
        rates = [[(found.get(value) or {}).get(rate) for rate in ("sensitivity", "specificity")] for value in values]
        cells = [" / ".join(percent(*(rate or [None])[:3]) for rate in pair) for pair in rates]
        rows.append((f"{provider} {model}", _both(row), *cells))
    return table(("model: found / not said wrongly", "mean of the values", *values), rows)


def _both(row: ModelReport) -> str:
    sensitivity = percent(row.sensitivity, row.sensitivity_low, row.sensitivity_high)
    return f"{sensitivity} / {percent(row.specificity, row.specificity_low, row.specificity_high)}"


def _tags(report: Report) -> str:
    rows: list[Sequence[str]] = []
    for (provider, model), fields in by_model(report).items():
        measured = [fields[field] for field in GOLD_TAGS if field in fields]
        cells = [_both(row) for row in measured]
        rows.append((f"{provider} {model}", *cells, *[""] * (len(GOLD_TAGS) - len(cells))))
    return table(("model", *(f"{field}: sensitivity / specificity" for field in GOLD_TAGS)), rows)


def _agreement(report: Report) -> str:
    rows = [
        (one.field, alpha(one), "-" if one.entropy is None else f"{one.entropy:.2f}", str(one.palettes))
        for one in report.fields
    ]
    return table(("field", "Krippendorff's alpha", "mean entropy, bits", "palettes"), rows)


def _without(report: Report) -> str:
    rows = [
        (
            f"{one['provider']} {one['model']}",
            f"{one['changed']:.1%}",
            "-" if one["accuracy_change"] is None else f"{100 * one['accuracy_change']:+.1f} points",
            one["saved_usd"],
            "-" if one["votes"] is None else f"{one['votes']:.1f}",
        )
        for one in json.loads(report.panel.without)
    ]
    return table(("without", "consensus changed", "accuracy on gold", "saves USD", "effective votes left"), rows)
