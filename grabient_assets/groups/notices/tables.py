"""The table notices: which events were told, by whom first, and whether that arrived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_ATTEMPTS = 5
TRIED_AGAIN_AFTER = timedelta(minutes=10)
"""What was not delivered is tried again then; so is what a process claimed and was killed before it sent."""

_DUE = "n.delivered_at IS NULL AND n.attempts < $attempts AND n.claimed_at <= $before"


def untold(connection: DuckDBPyConnection, events: Sequence[str], now: datetime) -> set[str]:
    """Those of the events that nobody has told yet, or that are to be tried again."""
    rows = connection.execute(
        f"""
        SELECT e.event FROM (SELECT DISTINCT unnest($events::VARCHAR[]) AS event) e LEFT JOIN notices n USING (event)
        WHERE n.event IS NULL OR ({_DUE})
        """,
        {"events": list(events), "attempts": MOST_ATTEMPTS, "before": now - TRIED_AGAIN_AFTER},
    ).fetchall()
    return {row[0] for row in rows}


def claim(connection: DuckDBPyConnection, kind: str, events: Sequence[str], now: datetime) -> set[str]:
    """Those of the events that the caller tells now; nobody else does meanwhile. Within a transaction."""
    mine = untold(connection, events, now)
    connection.execute(
        """
        INSERT INTO notices BY NAME
        SELECT unnest($1::VARCHAR[]) AS event, $2 AS kind, 1 AS attempts, $3 AS claimed_at
        ON CONFLICT DO UPDATE SET attempts = notices.attempts + 1, claimed_at = excluded.claimed_at
        """,
        [sorted(mine), kind, now],
    )
    return mine


def record_told(connection: DuckDBPyConnection, events: Sequence[str], error: str | None, now: datetime) -> None:
    """How telling them ended: delivered, or why not."""
    connection.execute(
        """
        UPDATE notices SET delivered_at = CASE WHEN $2 IS NULL THEN $3 END, error = $2
        WHERE event IN (SELECT unnest($1::VARCHAR[]))
        """,
        [list(events), error, now],
    )


def undelivered(connection: DuckDBPyConnection, since: datetime) -> list[tuple[str, str]]:
    """(kind, why) of what was to be told since then and did not arrive, each once."""
    return connection.execute(
        """
        SELECT DISTINCT kind, error FROM notices
        WHERE delivered_at IS NULL AND error IS NOT NULL AND claimed_at >= $1 ORDER BY ALL
        """,
        [since],
    ).fetchall()
