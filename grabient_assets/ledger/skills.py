"""The table model_skills: the error rates of the models, as the estimates use them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class SkillRecord:
    """One row of `model_skills`. `parameters` is JSON: {"models": [[provider, model]], "prevalence": per class,
    "confusion": [model][true class][answer]}; classes are the values of the field, for tags absent and present.
    `correlation`: the mean of the errors of two models, of the version; None where it is not known."""

    prompt_version: str
    field: str
    method: str
    parameters: str
    palettes: int
    fitted_at: datetime
    correlation: float | None = None


def skills(connection: DuckDBPyConnection, prompt_versions: Collection[str]) -> list[SkillRecord]:
    """What is stored of these versions."""
    columns = ", ".join(SkillRecord.__dataclass_fields__)
    rows = connection.execute(
        f"SELECT {columns} FROM model_skills WHERE list_contains($1::VARCHAR[], prompt_version) ORDER BY ALL",
        [sorted(prompt_versions)],
    ).fetchall()
    return [SkillRecord(*row[:5], fitted_at=row[5].astimezone(UTC), correlation=row[6]) for row in rows]


def answering(connection: DuckDBPyConnection, prompt_version: str) -> tuple[int, set[tuple[str, str]]]:
    """How many palettes have a usable answer under the version, and from which models (provider, model)."""
    rows = connection.execute(
        "SELECT DISTINCT provider, model FROM palette_tags WHERE prompt_version = $1 AND error IS NULL",
        [prompt_version],
    ).fetchall()
    palettes = connection.execute(
        "SELECT count(DISTINCT seed) FROM palette_tags WHERE prompt_version = $1 AND error IS NULL", [prompt_version]
    ).fetchone()
    return (palettes[0] if palettes else 0), {(row[0], row[1]) for row in rows}


def record_skills(connection: DuckDBPyConnection, records: Sequence[SkillRecord]) -> None:
    """Insert or replace."""
    key = ("prompt_version", "field", "method")
    updates = ", ".join(f"{c} = excluded.{c}" for c in SkillRecord.__dataclass_fields__ if c not in key)
    insert_rows(connection, "model_skills", records, f"ON CONFLICT DO UPDATE SET {updates}")
