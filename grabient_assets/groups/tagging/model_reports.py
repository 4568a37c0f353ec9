"""The tables model_reports, field_reports and panel_reports: how good the models are, and what the panel is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One row of `model_reports`. Rates are 0 to 1, None where nothing could be measured. `blank`: usable answers
    without a value in a categorical field, None in others and in reports from before they were counted."""

    prompt_version: str
    provider: str
    model: str
    field: str
    answers: int
    usable: int
    blank: int | None
    gold: int
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None
    sensitivity: float | None
    sensitivity_low: float | None
    sensitivity_high: float | None
    specificity: float | None
    specificity_low: float | None
    specificity_high: float | None
    by_value: str | None
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class FieldReport:
    """One row of `field_reports`."""

    prompt_version: str
    field: str
    palettes: int
    alpha: float | None
    alpha_low: float | None
    alpha_high: float | None
    alpha_reason: str | None
    entropy: float | None
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class PanelReport:
    """One row of `panel_reports`. `models`, `correlation` and `without` are JSON (docs/data.md).

    `pairs`: of how many pairs of models it is known whether they err together. `effective_votes` is None when that is
    fewer than half, with the `effective_votes_reason`.
    """

    prompt_version: str
    palettes: int
    models: str
    correlation: str
    effective_votes: float | None
    effective_votes_low: float | None
    effective_votes_high: float | None
    pairs: int | None
    effective_votes_reason: str | None
    cost_usd: Decimal
    usd_per_effective_vote: Decimal | None
    without: str
    sentence: str
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """All that is stored about one prompt version."""

    models: tuple[ModelReport, ...]
    fields: tuple[FieldReport, ...]
    panel: PanelReport


@dataclass(frozen=True, slots=True)
class Asked:
    """What one model was asked under a version: answers, those that could be read, and their dollars."""

    answers: int
    usable: int
    cost_usd: Decimal


def asked(connection: DuckDBPyConnection, prompt_version: str) -> dict[tuple[str, str], Asked]:
    """By provider and model."""
    rows = connection.execute(
        """
        SELECT provider, model, count(*), count(*) FILTER (error IS NULL), coalesce(sum(cost_usd), 0)
        FROM palette_tags WHERE prompt_version = $1 GROUP BY ALL ORDER BY ALL
        """,
        [prompt_version],
    ).fetchall()
    return {(row[0], row[1]): Asked(*row[2:]) for row in rows}


def record_report(connection: DuckDBPyConnection, report: Report) -> None:
    """Put the report in the place of the version's earlier one."""
    rows: tuple[tuple[str, Sequence[DataclassInstance]], ...] = (
        ("model_reports", report.models),
        ("field_reports", report.fields),
        ("panel_reports", (report.panel,)),
    )
    for table, records in rows:
        connection.execute(f"DELETE FROM {table} WHERE prompt_version = $1", [report.panel.prompt_version])
        insert_rows(connection, table, records)


def report_of(connection: DuckDBPyConnection, prompt_version: str) -> Report | None:
    """The stored report of a version, models and fields in the order of their names."""

    def rows(table: str, columns: Sequence[str]) -> list[list[object]]:
        found = connection.execute(
            f"SELECT {', '.join(columns)} FROM {table} WHERE prompt_version = $1 ORDER BY ALL", [prompt_version]
        ).fetchall()
        return [[one.astimezone(UTC) if isinstance(one, datetime) else one for one in row] for row in found]

    panels = rows("panel_reports", tuple(PanelReport.__dataclass_fields__))
    if not panels:
        return None
    models = rows("model_reports", tuple(ModelReport.__dataclass_fields__))
    fields = rows("field_reports", tuple(FieldReport.__dataclass_fields__))
    return Report(
        tuple(ModelReport(*row) for row in models),  # pyright: ignore[reportArgumentType] typed by the table
        tuple(FieldReport(*row) for row in fields),  # pyright: ignore[reportArgumentType]
        PanelReport(*panels[0]),  # pyright: ignore[reportArgumentType]
    )


def reported_versions(connection: DuckDBPyConnection) -> list[str]:
    """The prompt versions that have a report."""
    rows = connection.execute("SELECT prompt_version FROM panel_reports ORDER BY 1").fetchall()
    return [row[0] for row in rows]


def newest_consensus(connection: DuckDBPyConnection, prompt_version: str) -> datetime | None:
    """When the newest consensus of the version was built."""
    row = connection.execute(
        "SELECT max(created_at) FROM tag_consensus WHERE prompt_version = $1", [prompt_version]
    ).fetchone()
    return row[0].astimezone(UTC) if row and row[0] else None


def settled_without_report(connection: DuckDBPyConnection) -> list[tuple[str, datetime]]:
    """Versions whose newest consensus is newer than their report, with its time, while nothing of them is open."""
    rows = connection.execute(
        """
        SELECT c.prompt_version, max(c.created_at) FROM tag_consensus c LEFT JOIN panel_reports r USING (prompt_version)
        WHERE NOT EXISTS (
            SELECT 1 FROM asks a WHERE a.purpose = 'tagging' AND a.state = 'open'
              AND a.prompt_version = c.prompt_version)
          AND NOT EXISTS (
            SELECT 1 FROM batches b WHERE b.purpose = 'tagging' AND b.prompt_version = c.prompt_version
              AND b.status IN ('intended', 'submitted'))
        GROUP BY ALL HAVING any_value(r.reported_at) IS NULL OR max(c.created_at) > any_value(r.reported_at)
        ORDER BY 1
        """
    ).fetchall()
    return [(row[0], row[1].astimezone(UTC)) for row in rows]
