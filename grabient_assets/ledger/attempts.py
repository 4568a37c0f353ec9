"""The table run_attempts: how often sensors asked for runs at the same work, and what of it is held after failures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grabient_assets.warehouse.rows import utf8

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Attempts:
    """The number of the latest attempt at a work, and since when its failures count: None is since ever.

    `held_until` and `reason` are those of the hold that was written down last."""

    number: int = 0
    counted_from: datetime | None = None
    held_until: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HeldWork:
    """Work that failed again and again: which sensor's, until when it is left alone, and how the last run failed."""

    role: str
    until: datetime
    reason: str


def attempts_at(connection: DuckDBPyConnection, work: str) -> Attempts:
    """What is known of the attempts at this work."""
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
    """Write down that the attempt of this number has begun: no later one has its number."""
    connection.execute(
        """
        INSERT INTO run_attempts BY NAME SELECT $1 AS work, $2 AS role, $3 AS attempts
        ON CONFLICT DO UPDATE SET attempts = greatest(run_attempts.attempts, excluded.attempts)
        """,
        [work, role, number],
    )


def hold_work(connection: DuckDBPyConnection, work: str, role: str, number: int, until: datetime, reason: str) -> None:
    """Write down until when this work is left alone after its attempt of this number, and why."""
    record_attempt(connection, work, role, number)
    connection.execute(
        "UPDATE run_attempts SET held_until = $2, reason = $3 WHERE work = $1", [work, until, utf8(reason)]
    )


def held_work(connection: DuckDBPyConnection, now: datetime) -> list[HeldWork]:
    """What is left alone now, the one that is tried first in front."""
    rows = connection.execute(
        "SELECT role, held_until, reason FROM run_attempts WHERE held_until > $1 ORDER BY held_until, role", [now]
    ).fetchall()
    return [HeldWork(role, until.astimezone(UTC), reason) for role, until, reason in rows]


def release_work(connection: DuckDBPyConnection, now: datetime) -> None:
    """Let everything be tried at once: a person asks for it, and failures before `now` count no more."""
    connection.execute("UPDATE run_attempts SET counted_from = $1, held_until = NULL, reason = NULL", [now])


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC)
