"""Whether Dagster's daemon runs, as its heartbeats say. Dagster is not imported for that."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grabient_assets.errors import GrabientError
from grabient_assets.resources.records import postgres_records, records_in_files

FRESH = timedelta(seconds=120)
"""The daemon writes a heartbeat every 30 seconds, and ticks that take long delay it."""


CONNECT_SECONDS = 2
"""A page of the studio waits for the answer."""


def last_heartbeat(home: Path) -> datetime | None:
    """When the sensor daemon of this Dagster folder gave its last sign of life; None when it never did, or the records
    cannot be read just now."""
    try:
        if not records_in_files(home):
            return _in_postgres(home)
    except GrabientError:
        return None
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


def _in_postgres(home: Path) -> datetime | None:
    """The body of the row is read: its time is UTC, whatever the time zone of the server."""
    if (records := postgres_records(home)) is None:
        return None
    with records.connection(CONNECT_SECONDS) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT body FROM daemon_heartbeats WHERE daemon_type = 'SENSOR'")
        row = cursor.fetchone()
    return datetime.fromtimestamp(json.loads(row[0])["timestamp"], UTC) if row else None


def daemon_runs(home: Path, now: datetime) -> bool:
    """Whether a daemon was alive a moment ago."""
    last = last_heartbeat(home)
    return last is not None and now - last < FRESH
