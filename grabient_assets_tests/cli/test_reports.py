"""`grabient reports`: the stored report as a table and as JSON, and the way out where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grabient_assets.cli.main import app
from grabient_assets.groups.calibration.reporting import report_on
from grabient_assets_tests.groups.answered import AT, answered_warehouse
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
