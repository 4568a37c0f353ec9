"""The table run_attempts: how often sensors requested runs for the same work, and which work is held after failures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grabient_assets.warehouse.rows import utf8

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Attempts:
    """The number of the latest attempt at a work, and the time from which its failures count: None means all count.

    `held_until` and `reason` are those of the latest recorded hold.
    """

    number: int = 0
    counted_from: datetime | None = None
    held_until: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HeldWork:
    """Work that failed repeatedly: the sensor's role, the end of the hold, and the failure of the last run."""

    role: str
    until: datetime
    reason: str


def attempts_at(connection: DuckDBPyConnection, work: str) -> Attempts:
    """The recorded attempts at this work."""
    row = connection.execute(
        "SELECT attempts, counted_from, held_until, reason FROM run_attempts WHERE work = $1", [work]
    ).fetchone()
    if row is None:
        return Attempts()
    number, counted_from, held_until, reason = row
    return Attempts(number, _utc(counted_from), _utc(held_until), reason)


def attempt_numbers(connection: DuckDBPyConnection) -> dict[str, int]:
    """The number of the latest attempt by work."""
    return dict(connection.execute("SELECT work, attempts FROM run_attempts").fetchall())


def record_attempt(connection: DuckDBPyConnection, work: str, role: str, number: int) -> None:
    """Record that the attempt of this number has begun: no later one has its number."""
    connection.execute(
        """
        INSERT INTO run_attempts BY NAME SELECT $1 AS work, $2 AS role, $3 AS attempts
        ON CONFLICT DO UPDATE SET attempts = greatest(run_attempts.attempts, excluded.attempts)
        """,
        [work, role, number],
    )


def hold_work(connection: DuckDBPyConnection, work: str, role: str, number: int, until: datetime, reason: str) -> None:
    """Record until when this work is held after its attempt of this number, and why."""
    record_attempt(connection, work, role, number)
    connection.execute(
        "UPDATE run_attempts SET held_until = $2, reason = $3 WHERE work = $1", [work, until, utf8(reason)]
    )


def held_work(connection: DuckDBPyConnection, now: datetime) -> list[HeldWork]:
    """The work that is held now, ordered by the end of the hold."""
    rows = connection.execute(
        "SELECT role, held_until, reason FROM run_attempts WHERE held_until > $1 ORDER BY held_until, role", [now]
    ).fetchall()
    return [HeldWork(role, until.astimezone(UTC), reason) for role, until, reason in rows]


def release_work(connection: DuckDBPyConnection, now: datetime) -> None:
    """Release everything on a person's request. Failures before `now` no longer count."""
    connection.execute("UPDATE run_attempts SET counted_from = $1, held_until = NULL, reason = NULL", [now])


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC)
