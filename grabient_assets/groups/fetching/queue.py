"""The queue of sources to fetch: leases, backoff, dead letters and their re-drive. Fetching is free and flaky; what
costs money goes through the ledger.

queued -> leased -> done, or queued again later, or dead. A lease that expired, or whose process is gone, returns to the
queue. A dead item stays as it is; its re-drive is a new item.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from grabient_assets.errors import UsageError
from grabient_assets.process_identity import parse, this_process
from grabient_assets.sortable_ids import sortable_id
from grabient_assets.warehouse.rows import utf8

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.sources.problem import SourceProblem

LEASE = timedelta(minutes=5)
"""Longer than a fetch may take: a page has 30 s, a transcript three calls."""
MOST_ATTEMPTS = 4
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=15)
LONGEST_ASKED = timedelta(hours=1)
"""What a server may ask for with Retry-After."""


@dataclass(frozen=True, slots=True)
class QueueItem:
    """One row of `source_queue` that is leased to this process. `lease` names the process, and tells it from a later
    lease of the same item."""

    item_id: str
    source_id: str
    attempts: int
    lease: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An item that will not be tried again by itself, and the bytes that came, if any did."""

    item_id: str
    source_id: str
    locator: str
    error_class: str
    error: str
    attempts: int
    died_at: datetime
    object_key: str | None
    media_type: str | None


def backoff(item_id: str, attempts: int) -> timedelta:
    """The wait after so many attempts: 30 s, doubled each time, at most 15 min, and up to a quarter more or less by the
    item's id, so that items that failed together do not return together."""
    jitter = 0.75 + hashlib.sha256(item_id.encode()).digest()[0] / 510
    return min(FIRST_WAIT * 2 ** (attempts - 1) * jitter, LONGEST_WAIT)


def enqueue(
    connection: DuckDBPyConnection, source_ids: Sequence[str], now: datetime, redriven_from: str | None = None
) -> list[str]:
    """Queue those of the sources that are not queued or leased already; returns their ids. So a source that two
    workflows share is fetched once."""
    rows = connection.execute(
        """
        SELECT DISTINCT id FROM (SELECT unnest($1::VARCHAR[]) AS id) ANTI JOIN (
            SELECT source_id AS id FROM source_queue WHERE status IN ('queued', 'leased')) USING (id) ORDER BY id
        """,
        [list(source_ids)],
    ).fetchall()
    fresh = [row[0] for row in rows]
    connection.execute(
        """
        INSERT INTO source_queue BY NAME
        SELECT unnest($1::VARCHAR[]) AS item_id, unnest($2::VARCHAR[]) AS source_id, 'queued' AS status, 0 AS attempts,
               $3 AS scheduled_for, $3 AS queued_at, $4 AS redriven_from
        """,
        [[sortable_id("it_", now) for _ in fresh], fresh, now, redriven_from],
    )
    return fresh


def lost_leases(connection: DuckDBPyConnection, now: datetime) -> list[str]:
    """The items whose lease has expired `now`, by the clock of leases (Warehouse.time), or whose process on this
    machine is gone: after `kill -9` or a second Ctrl-C."""
    rows = connection.execute(
        "SELECT item_id, lease, leased_until < $1 FROM source_queue WHERE status = 'leased' ORDER BY item_id", [now]
    ).fetchall()
    gone = {lease: _is_gone(lease or "") for _, lease, expired in rows if not expired}
    return [item for item, lease, expired in rows if expired or gone[lease]]


def _is_gone(lease: str) -> bool:
    """Whether the process that holds the lease has ended. One of another machine cannot be judged from here."""
    process = parse(lease.partition("|")[0])
    return process is not None and process.has_ended() is True


def _new_lease(now: datetime) -> str:
    return f"{this_process()}|{sortable_id('le_', now)}"


def lease_next(
    connection: DuckDBPyConnection,
    parallel: int,
    now: datetime,
    among: Collection[str] | None = None,
    lease_time: datetime | None = None,
) -> QueueItem | None:
    """Lease the item that is next, of all sources or `among` these, unless so many are leased already, in all processes
    together. Next is what has the fewest sources left in its workflow, then the oldest. Lost leases return to the queue
    first. `lease_time` is that of Warehouse.time, by which machines with different clocks agree; `now` without it."""
    lease_time = lease_time or now
    connection.execute(
        "UPDATE source_queue SET status = 'queued', leased_until = NULL, lease = NULL "
        "WHERE item_id IN (SELECT unnest($1::VARCHAR[]))",
        [lost_leases(connection, lease_time)],
    )
    row = connection.execute(
        """
        WITH open AS (SELECT source_id FROM source_queue WHERE status IN ('queued', 'leased')),
        sizes AS (
            SELECT m.workflow_id, count(*) AS remaining FROM workflow_sources m JOIN workflows w USING (workflow_id)
            SEMI JOIN open USING (source_id) WHERE w.deleted_at IS NULL GROUP BY ALL
        ),
        ranked AS (
            SELECT m.source_id, min(z.remaining) AS remaining FROM workflow_sources m JOIN sizes z USING (workflow_id)
            GROUP BY ALL
        )
        SELECT q.item_id, q.source_id, q.attempts FROM source_queue q LEFT JOIN ranked r USING (source_id)
        WHERE q.status = 'queued' AND q.scheduled_for <= $now
          AND (SELECT count(*) FROM source_queue WHERE status = 'leased') < $parallel
          AND ($all OR q.source_id IN (SELECT unnest($among::VARCHAR[])))
        ORDER BY r.remaining NULLS LAST, q.queued_at, q.item_id LIMIT 1
        """,
        {"now": now, "parallel": parallel, "all": among is None, "among": list(among or ())},
    ).fetchone()
    if row is None:
        return None
    item = QueueItem(row[0], row[1], row[2] + 1, _new_lease(now))
    connection.execute(
        "UPDATE source_queue SET status = 'leased', attempts = $1, leased_until = $2, lease = $3 WHERE item_id = $4",
        [item.attempts, lease_time + LEASE, item.lease, item.item_id],
    )
    return item


def is_held(connection: DuckDBPyConnection, item: QueueItem) -> bool:
    """Whether the lease still stands. What was fetched under another one is thrown away."""
    row = connection.execute(
        "SELECT 1 FROM source_queue WHERE item_id = $1 AND lease = $2 AND status = 'leased'", [item.item_id, item.lease]
    ).fetchone()
    return row is not None


def give_back(connection: DuckDBPyConnection, item: QueueItem) -> None:
    """Return an item that this process stops working on, as if it had not been tried."""
    connection.execute(
        "UPDATE source_queue SET status = 'queued', attempts = attempts - 1, leased_until = NULL, lease = NULL "
        "WHERE item_id = $1 AND lease = $2 AND status = 'leased'",
        [item.item_id, item.lease],
    )


def finish(connection: DuckDBPyConnection, item: QueueItem, now: datetime) -> None:
    """The item is done."""
    connection.execute(
        "UPDATE source_queue SET status = 'done', completed_at = $1, leased_until = NULL, last_error = NULL, "
        "error_class = NULL WHERE item_id = $2",
        [now, item.item_id],
    )


def fail(
    connection: DuckDBPyConnection,
    item: QueueItem,
    problem: SourceProblem,
    now: datetime,
    object_key: str | None = None,
    media_type: str | None = None,
) -> bool:
    """Schedule the item again, or let it die: at once for what will not change, otherwise after the last attempt.
    Returns whether it is dead. A server that names a longer wait gets it."""
    once = problem.error_class == "empty_body" and item.attempts > 1  # YouTube sends one now and then, never twice
    dead = problem.permanent or once or item.attempts >= MOST_ATTEMPTS
    asked = min(problem.retry_after or 0, LONGEST_ASKED.total_seconds())
    wait = max(backoff(item.item_id, item.attempts), timedelta(seconds=asked))
    connection.execute(
        """
        UPDATE source_queue SET status = $status, last_error = $error, error_class = $class, leased_until = NULL,
            scheduled_for = $next, completed_at = $completed, object_key = $key, media_type = $media
        WHERE item_id = $item
        """,
        {
            "status": "dead" if dead else "queued",
            "error": utf8(str(problem)),
            "class": problem.error_class,
            "next": now if dead else now + wait,
            "completed": now if dead else None,
            "key": object_key,
            "media": media_type,
            "item": item.item_id,
        },
    )
    return dead


_DEAD = """
    FROM fetch_states q JOIN source_queue i USING (item_id) JOIN sources s ON s.source_id = q.source_id
    WHERE q.status = 'dead' AND s.source_id IN (
        SELECT source_id FROM workflow_sources JOIN workflows USING (workflow_id) WHERE deleted_at IS NULL)
"""


def dead_letters(connection: DuckDBPyConnection, workflow_id: str | None = None) -> list[DeadLetter]:
    """What is dead, wanted, and was not re-driven since, the newest first: all, or those of a workflow."""
    rows = connection.execute(
        f"""
        SELECT i.item_id, s.source_id, s.locator, i.error_class, i.last_error, i.attempts, i.completed_at, i.object_key,
               i.media_type {_DEAD}
          AND ($1 IS NULL OR s.source_id IN (SELECT source_id FROM workflow_sources WHERE workflow_id = $1))
        ORDER BY i.completed_at DESC, i.item_id
        """,
        [workflow_id],
    ).fetchall()
    return [DeadLetter(*row) for row in rows]


def redrive(connection: DuckDBPyConnection, letters: Sequence[DeadLetter], now: datetime) -> list[str]:
    """Queue the sources of these dead letters again, each as a new item; returns those sources. What is queued already
    is left alone. The workflows that hold them are not complete any more."""
    queued = [source for one in letters for source in enqueue(connection, [one.source_id], now, one.item_id)]
    connection.execute(
        "UPDATE workflows SET completed_at = NULL WHERE workflow_id IN ("
        "SELECT workflow_id FROM workflow_sources WHERE source_id IN (SELECT unnest($1::VARCHAR[])))",
        [queued],
    )
    return queued


def named_letters(connection: DuckDBPyConnection, what: str, workflow_id: str | None) -> list[DeadLetter]:
    """The dead letters that a person means: of a workflow, of an item or source by its id, or of a class. Raises
    UsageError where nothing is meant."""
    found = dead_letters(connection, workflow_id)
    if workflow_id is not None:
        return found
    known = [row[0] for row in connection.execute("SELECT DISTINCT error_class FROM source_queue").fetchall()]
    items = connection.execute("SELECT 1 FROM source_queue WHERE item_id = $1 OR source_id = $1", [what]).fetchone()
    if what not in known and items is None:
        classes = ", ".join(sorted({one.error_class for one in found})) or "there are none"
        raise UsageError(
            f"{what!r} is no workflow, item, source or class of dead letters. Classes now: {classes}. "
            "`grabient knowledge dead` lists them."
        )
    return [one for one in found if what in (one.item_id, one.source_id, one.error_class)]
