"""`grabient reports`: how good the models are, how much they agree, and what the panel is worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import output, print_figures, print_json, print_note, print_output
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from grabient_assets.groups.tagging.model_reports import Report
    from grabient_assets.groups.tagging.wave_audit import AuditCount


def reports(
    prompt_version: Annotated[
        str | None, typer.Option("--prompt-version", help="One prompt version; without it, all that have a report.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything that is stored, as JSON on stdout.")] = False,
) -> None:
    """Show the stored reports of the asset model_reports. Measures nothing anew and asks nobody."""
    from grabient_assets.groups.tagging.model_reports import report_of, reported_versions
    from grabient_assets.groups.tagging.wave_audit import audit_counts, audit_sentences
    from grabient_assets.headless.run_goal import answered_prompt_version
    from grabient_assets.settings import load_settings
    from grabient_assets.warehouse.connection import open_warehouse

    warehouse = open_warehouse(load_settings())
    if prompt_version is not None:
        answered_prompt_version(prompt_version, warehouse)
    with warehouse.read() as connection:
        versions = [prompt_version] if prompt_version else reported_versions(connection)
        found = {version: report_of(connection, version) for version in versions}
        audits = {version: audit_counts(connection, version) for version in versions}
    missing = [version for version, report in found.items() if report is None]
    if as_json:
        print_json({"reports": [_plain(report, audits[version]) for version, report in found.items() if report]})
    else:
        for version, report in found.items():
            if report:
                _show(report)
                for sentence in audit_sentences(audits[version]):
                    print_output(sentence)
    if missing or not found:
        who = f"{prompt_version} has no report" if missing else "There is no report"
        print_note(
            f"{who} yet. One is made when all tagging of a prompt version is finished: `grabient run`, or materialize "
            "model_reports."
        )
        raise typer.Exit(1)


def _plain(report: Report, audits: Sequence[AuditCount]) -> dict[str, object]:
    """The report as JSON data: columns that hold JSON opened, dollars as numbers, times as text."""
    from dataclasses import asdict

    from grabient_assets.groups.tagging.wave_audit import audit_figures

    panel = asdict(report.panel)
    parsed = {name: json.loads(panel[name]) for name in ("models", "correlation", "without")}
    rows = [{**asdict(row), "by_value": json.loads(row.by_value) if row.by_value else None} for row in report.models]
    found = {**panel, **parsed, "by_model": rows, "by_field": [asdict(row) for row in report.fields]}
    found["audit_of_wave_one"] = [{**asdict(one), "too_many": one.too_many} for one in audit_figures(audits)]
    return json.loads(json.dumps(found, default=_number_or_time))


def _number_or_time(value: object) -> object:
    from datetime import datetime
    from decimal import Decimal

    if isinstance(value, Decimal):
        return float(value)
    assert isinstance(value, datetime), value
    return value.isoformat()


def _show(report: Report) -> None:
    from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
    from grabient_assets.groups.calibration.figures import accuracy, alpha, by_model, votes

    panel, console = report.panel, output()
    print_output(
        f"{panel.prompt_version}: {counted(panel.palettes, 'palette')}, measured "
        f"{panel.reported_at:%Y-%m-%d %H:%M} UTC\n"
        "How often each model is right where the colours are clear-cut, with the interval of 95 %:"
    )
    models = []
    for (provider, model), fields in by_model(report).items():
        row = next(iter(fields.values()))
        measured = [accuracy(fields[field]) for field in CATEGORICAL_VALUES]
        models.append((provider, model, f"{row.usable}/{row.answers}", *measured))
    print_figures(console, ("provider", "model"), ("usable", *CATEGORICAL_VALUES), models)
    print_output("\nHow far the models agree:")
    print_figures(
        console,
        ("field",),
        ("Krippendorff's alpha", "mean entropy, bits"),
        [(one.field, alpha(one), "-" if one.entropy is None else f"{one.entropy:.2f}") for one in report.fields],
    )
    each = panel.usd_per_effective_vote
    price = "" if each is None else f"; {each:.4f} dollars each"
    models_asked = counted(len(json.loads(panel.models)), "model")
    print_output(f"\nIndependent votes that {models_asked} are worth: {votes(panel)}{price}")
    print_output(panel.sentence)
