"""`grabient reports`: the stored report as a table and as JSON, and the way out where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grabient_assets.cli.main import app
from grabient_assets.groups.calibration.measuring import report_on
from grabient_assets_tests.groups.answered import AT, answered_warehouse, audit_wave_one
from grabient_assets_tests.pipeline.place import settings_of


def test_a_report_is_shown_and_one_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    none = CliRunner().invoke(app, ["reports"])
    assert none.exit_code == 1 and "There is no report yet." in none.stderr

    report = report_on(answered_warehouse(tmp_path / "grabient.duckdb"), "v1", AT)
    assert report is not None
    shown = CliRunner().invoke(app, ["reports"])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("v1: 63 palettes, measured 2026-11-01 00:00 UTC")
    assert report.panel.sentence in shown.stdout and "Krippendorff's alpha" in shown.stdout

    plain = CliRunner().invoke(app, ["reports", "--prompt-version", "v1", "--json"])
    (found,) = json.loads(plain.stdout)["reports"]
    assert (found["cost_usd"], found["reported_at"]) == (1.26, AT.isoformat())
    assert (len(found["by_model"]), len(found["by_field"]), len(found["without"])) == (100, 10, 10)

    missing = CliRunner().invoke(app, ["reports", "--prompt-version", "v9"])
    assert missing.exit_code == 2 and "There is no prompt version 'v9'" in missing.stderr


AUDITED = "Audit of wave one (v1): 20 certain palettes were asked about again, "


@pytest.mark.parametrize(
    ("turned", "interval", "verdict"),
    [
        (None, (0.0, 0.0), None),
        (0, (0.0, 4.6), ""),
        (1, (0.2, 6.7), ""),
        (5, (2.7, 13.8), " Too many in contrast: no palette is called certain after wave one now."),
    ],
)
def test_the_audit_of_wave_one_is_told_with_its_interval(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    turned: int | None,
    interval: tuple[float, float],
    verdict: str | None,
) -> None:
    """Twenty palettes have eighty values; the intervals are Wilson's, worked out by hand."""
    for name, value in settings_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    warehouse = answered_warehouse(tmp_path / "grabient.duckdb", analyses=1)
    report_on(warehouse, "v1", AT)
    if turned is not None:
        audit_wave_one(warehouse, turned)
    shown = CliRunner().invoke(app, ["reports"]).stdout
    said = [line for line in shown.splitlines() if line.startswith("Audit of")]
    plain = CliRunner().invoke(app, ["reports", "--json"]).stdout
    figures = json.loads(plain)["reports"][0]["audit_of_wave_one"]
    if turned is None:
        assert said == figures == []
        return
    low, high = interval
    share = f"{100 * turned / 80:.1f} %, 95 %: {low} to {high} %"
    assert said == [f"{AUDITED}{turned} of 80 values turned ({share}).{verdict}"]
    assert [(one["field"], one["values"], one["turned"], one["too_many"]) for one in figures] == [
        (None, 80, turned, bool(verdict)),
        ("temperature", 20, 0, False),
        ("contrast", 20, turned, bool(verdict)),
        ("brightness", 20, 0, False),
        ("saturation", 20, 0, False),
    ]
    assert (round(100 * figures[0]["low"], 1), round(100 * figures[0]["high"], 1)) == interval
