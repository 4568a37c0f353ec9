"""The data of notifications: the results of a day, the finished prompt versions, and the table notices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


MOST_ATTEMPTS = 5
TRIED_AGAIN_AFTER = timedelta(minutes=10)
"""The time after which undelivered events are tried again, and claimed ones whose process was killed before posting."""

_DUE = "n.delivered_at IS NULL AND n.attempts < $attempts AND n.claimed_at <= $before"


def unsent(connection: DuckDBPyConnection, events: Sequence[str], now: datetime) -> set[str]:
    """The events that were not posted yet, or that are to be tried again."""
    rows = connection.execute(
        f"""
        SELECT e.event FROM (SELECT DISTINCT unnest($events::VARCHAR[]) AS event) e LEFT JOIN notices n USING (event)
        WHERE n.event IS NULL OR ({_DUE})
        """,
        {"events": list(events), "attempts": MOST_ATTEMPTS, "before": now - TRIED_AGAIN_AFTER},
    ).fetchall()
    return {row[0] for row in rows}


def claim(connection: DuckDBPyConnection, kind: str, events: Sequence[str], now: datetime) -> set[str]:
    """The events that the caller posts now; no other process posts them meanwhile. Within a transaction."""
    mine = unsent(connection, events, now)
    connection.execute(
        """
        INSERT INTO notices BY NAME
        SELECT unnest($1::VARCHAR[]) AS event, $2 AS kind, 1 AS attempts, $3 AS claimed_at
        ON CONFLICT DO UPDATE SET attempts = notices.attempts + 1, claimed_at = excluded.claimed_at
        """,
        [sorted(mine), kind, now],
    )
    return mine


def record_delivery(connection: DuckDBPyConnection, events: Sequence[str], error: str | None, now: datetime) -> None:
    """Record the delivery of these events, or the error."""
    connection.execute(
        """
        UPDATE notices SET delivered_at = CASE WHEN $2 IS NULL THEN $3 END, error = $2
        WHERE event IN (SELECT unnest($1::VARCHAR[]))
        """,
        [list(events), error, now],
    )


def undelivered(connection: DuckDBPyConnection, since: datetime) -> list[tuple[str, str]]:
    """(kind, error) of the notifications that were not delivered since then, each once."""
    return connection.execute(
        """
        SELECT DISTINCT kind, error FROM notices
        WHERE delivered_at IS NULL AND error IS NOT NULL AND claimed_at >= $1 ORDER BY ALL
        """,
        [since],
    ).fetchall()


@dataclass(frozen=True, slots=True)
class DayCounts:
    """Palettes tagged and refined, answers that could not be used, and dollars of the batches that were sent."""

    tagged: int
    refined: int
    failures: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class FinishedVersion:
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


def finished_versions(connection: DuckDBPyConnection) -> list[FinishedVersion]:
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
    return [FinishedVersion(*row) for row in rows]
