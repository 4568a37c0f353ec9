"""The coverage of all workflows, as a person sees it in Dagster's UI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from grabient_assets.gradient.svg import data_uri
from grabient_assets.groups.knowledge.coverage import read_coverage
from grabient_assets.groups.knowledge.coverage_picture import coverage_picture

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def coverage_metadata(connection: DuckDBPyConnection) -> dict[str, Any]:
    """The picture with its figures; a figure that there is none of is left out."""
    coverage = read_coverage(connection)
    figures = coverage.figures
    shares = {name: round(figures[name], 4) for name in ("coverage", "yield", "grounded") if figures[name] is not None}
    return {
        "picture": dg.MetadataValue.md(f"![Coverage]({data_uri(coverage_picture(coverage))})"),
        "sources": len(coverage.rows),
        "cells": figures["cells"],
        **figures["by_state"],
        **shares,
        "quarantined": figures["quarantined"],
        "duplicates": figures["duplicates"],
    }
