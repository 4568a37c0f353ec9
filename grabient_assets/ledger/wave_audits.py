"""The table wave_audits: palettes that were certain after wave one, asked on anyway, and what their values became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.ledger.asks import SubjectVersion

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIELDS = tuple(CATEGORICAL_VALUES)
"""The fields whose values the lists of a row hold, in this order."""

PENDING = """
    EXISTS (SELECT 1 FROM wave_audits a JOIN tagging_waves t USING (seed, prompt_version)
            WHERE a.plan_id = w.plan_id AND a.ended_at IS NULL AND t.plan_id = a.plan_id AND t.state = 'open')
    AND NOT EXISTS (SELECT 1 FROM budget_holds h WHERE h.purpose = 'tagging' AND h.prompt_version = w.prompt_version)
"""
"""Whether an audit of the plan of `w` is under way. While money keeps tagging back nobody waits for it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of a palette until now: by how many models, and the strongest value of each of FIELDS."""

    voices: int
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class AuditCount:
    """How many values of a field were looked at again under a plan, and how many turned."""

    prompt_version: str
    plan_id: str
    field: str
    values: int
    turned: int


@dataclass(frozen=True, slots=True)
class PaletteAudit:
    """One palette: its values when it was certain, and when the next wave was heard; None while that is under way,
    empty where nobody else spoke."""

    certain_of: tuple[str | None, ...]
    ended_as: tuple[str | None, ...] | None


def begin_audits(
    connection: DuckDBPyConnection, chosen: Mapping[SubjectVersion, tuple[str, Heard]], now: datetime
) -> None:
    """Note these palettes, each with its plan and what was heard of it. Who is audited again starts anew."""
    rows = [[p.subject, p.prompt_version, plan, one.voices, list(one.values), now] for p, (plan, one) in chosen.items()]
    if rows:
        connection.executemany(
            "INSERT OR REPLACE INTO wave_audits"
            " (seed, prompt_version, plan_id, voices, certain_of, chosen_at, ended_as, ended_at)"
            " VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)",  # DuckDB leaves columns that are not named as they were
            rows,
        )


def end_audits(connection: DuckDBPyConnection, heard: Mapping[SubjectVersion, Heard], now: datetime) -> None:
    """What the values of these palettes have become. Where nobody else spoke, nothing was looked at: the list is
    empty."""
    rows = [[one.voices, list(one.values), now, p.subject, p.prompt_version] for p, one in heard.items()]
    if rows:
        connection.executemany(
            "UPDATE wave_audits SET ended_as = CASE WHEN ? > voices THEN ?::VARCHAR[] ELSE [] END, ended_at = ?"
            " WHERE seed = ? AND prompt_version = ? AND ended_at IS NULL",
            rows,
        )


def audit_counts(connection: DuckDBPyConnection, prompt_version: str | None = None) -> list[AuditCount]:
    """Per plan and field, of one prompt version or all: what was looked at, in the order of FIELDS."""
    rows = connection.execute(
        """
        WITH one AS (
            SELECT prompt_version, plan_id, unnest($fields::VARCHAR[]) AS field, unnest(certain_of) AS before,
                   unnest(ended_as) AS after
            FROM wave_audits WHERE len(ended_as) > 0 AND ($version IS NULL OR prompt_version = $version)
        )
        SELECT prompt_version, plan_id, field, count(*) FILTER (before IS NOT NULL AND after IS NOT NULL),
               count(*) FILTER (before <> after)
        FROM one GROUP BY ALL
        """,
        {"fields": list(FIELDS), "version": prompt_version},
    ).fetchall()
    return sorted(
        (AuditCount(*row) for row in rows), key=lambda one: (one.prompt_version, one.plan_id, FIELDS.index(one.field))
    )


def plans_under_audit(connection: DuckDBPyConnection, plan_ids: Sequence[str]) -> dict[str, int]:
    """Those of the plans whose audit is under way, each with the number of its palettes that are awaited."""
    rows = connection.execute(
        f"""
        SELECT w.plan_id, count(*)
        FROM wave_plans w JOIN wave_audits b USING (plan_id) JOIN tagging_waves o
            ON o.seed = b.seed AND o.prompt_version = b.prompt_version AND o.plan_id = b.plan_id
        WHERE list_contains($plans::VARCHAR[], w.plan_id) AND b.ended_at IS NULL AND o.state = 'open' AND {PENDING}
        GROUP BY ALL
        """,
        {"plans": list(plan_ids)},
    ).fetchall()
    return dict(rows)
