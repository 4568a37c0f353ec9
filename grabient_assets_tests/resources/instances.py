"""Dagster instances on a folder of a test."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from grabient_assets.settings import PROJECT_DIR

STOCK = "telemetry: {enabled: false}\n"


def configure(home: Path, text: str | None = None) -> dg.DagsterInstance:
    """An instance over this folder, configured as the project's own unless `text` says otherwise."""
    project = (PROJECT_DIR / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(project if text is None else text, encoding="utf-8")
    return dg.DagsterInstance.from_config(str(home))
