"""Whether Dagster's daemon runs over the data folder, as its heartbeats say. Dagster is not imported for that."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

FRESH = timedelta(seconds=120)
"""The daemon writes a heartbeat every 30 seconds, and ticks that take long delay it."""


def last_heartbeat(home: Path) -> datetime | None:
    """When the sensor daemon of this Dagster folder gave its last sign of life; None when it never did, or the file
    cannot be read just now."""
    file = home / "history" / "runs.db"
    if not file.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)) as connection:
            row = connection.execute(
                "SELECT max(timestamp) FROM daemon_heartbeats WHERE daemon_type = 'SENSOR'"
            ).fetchone()
    except sqlite3.Error:
        return None
    return datetime.fromisoformat(row[0]).replace(tzinfo=UTC) if row and row[0] else None


def daemon_runs(home: Path, now: datetime) -> bool:
    """Whether a daemon was alive a moment ago."""
    last = last_heartbeat(home)
    return last is not None and now - last < FRESH
