"""What a day brought, and which prompt versions have come to rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Palettes tagged and refined, answers that could not be used, and dollars of the batches that were sent."""

    tagged: int
    refined: int
    failures: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Finished:
    """A version of which nothing is open: how many palettes have a consensus and a usable refinement, how many were
    asked about, and when the newest of these was stored."""

    prompt_version: str
    asked: int
    tagged: int
    refined: int
    newest: datetime


def day_counts(connection: DuckDBPyConnection, start: datetime, end: datetime) -> DayCounts:
    """From `start` on and before `end`. A palette under two versions counts twice."""
    row = connection.execute(
        """
        SELECT (SELECT count(*) FROM tag_consensus WHERE created_at >= $1 AND created_at < $2),
               (SELECT count(*) FROM palette_tag_refined WHERE error IS NULL AND created_at >= $1 AND created_at < $2),
               (SELECT count(*) FROM palette_tags WHERE error IS NOT NULL AND created_at >= $1 AND created_at < $2)
                 + (SELECT count(*) FROM palette_tag_refined
                    WHERE error IS NOT NULL AND created_at >= $1 AND created_at < $2),
               (SELECT coalesce(sum(cost_usd), 0)::DECIMAL(18, 10) FROM batches
                WHERE intended_at >= $1 AND intended_at < $2)
        """,
        [start, end],
    ).fetchone()
    assert row is not None
    return DayCounts(*row)


def finished_versions(connection: DuckDBPyConnection) -> list[Finished]:
    """Versions that were asked with and of which nothing is open: no ask, no wave, no batch."""
    rows = connection.execute(
        """
        WITH asked AS (
            SELECT prompt_version, count(DISTINCT subject) AS palettes FROM asks GROUP BY ALL
            HAVING bool_and(state <> 'open')
        ),
        tagged AS (
            SELECT prompt_version, count(*) AS palettes, max(created_at) AS newest FROM tag_consensus GROUP BY ALL
        ),
        refined AS (
            SELECT prompt_version, count(*) AS palettes, max(created_at) AS newest FROM palette_tag_refined
            WHERE error IS NULL GROUP BY ALL
        )
        SELECT a.prompt_version, a.palettes, t.palettes, coalesce(r.palettes, 0),
               greatest(t.newest, coalesce(r.newest, t.newest))
        FROM asked a JOIN tagged t USING (prompt_version) LEFT JOIN refined r USING (prompt_version)
        WHERE prompt_version NOT IN (SELECT prompt_version FROM batches WHERE status IN ('intended', 'submitted'))
          AND prompt_version NOT IN (SELECT prompt_version FROM tagging_waves WHERE state = 'open')
        ORDER BY ALL
        """
    ).fetchall()
    return [Finished(*row) for row in rows]
