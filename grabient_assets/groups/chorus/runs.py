"""The runs of a group: how each stands, why one failed, and what it cost. They are read from the view chorus_runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, get_args

from grabient_assets.groups.chorus.purpose import ask_for_artworks, ask_for_statements
from grabient_assets.groups.chorus.tables import ChorusGroup, groups
from grabient_assets.ledger.asks import stop_subjects

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RunStatus = Literal["queued", "generating", "done", "failed", "cancelled"]
STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)


@dataclass(frozen=True, slots=True)
class ChorusRun:
    """One row of `chorus_runs`. `stage` is the one that it is in, or ended in. Dollars count every try;
    `possible_usd` may have been billed besides, for calls of which nobody knows the cost."""

    run_id: str
    group_id: str
    artist: str
    provider: str
    brush: str
    iteration: int
    prompt_version: str
    status: RunStatus
    stage: Literal["artist", "brush"]
    error: str | None
    statement: str | None
    image_prompt: str | None
    image_id: str | None
    cost_usd: Decimal
    artist_usd: Decimal | None
    brush_usd: Decimal | None
    possible_usd: Decimal
    seconds: float | None
    created_at: datetime

    @property
    def caption(self) -> str:
        """Who wrote and who painted."""
        return f"{self.artist} → {self.brush}"

    @property
    def settled(self) -> bool:
        """Whether nothing is to come of it by itself."""
        return self.status in ("done", "failed", "cancelled")


_COLUMNS = ", ".join(ChorusRun.__dataclass_fields__)


def runs_of(connection: DuckDBPyConnection, group_ids: Sequence[str] | None = None) -> list[ChorusRun]:
    """The runs of these groups, or of all, group by group and artist by artist as they were asked."""
    if not connection.execute("SELECT 1 FROM chorus_groups LIMIT 1").fetchone():
        return []  # the view looks through the requests of every purpose
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM chorus_runs WHERE $1 OR group_id IN (SELECT unnest($2::VARCHAR[])) "
        "ORDER BY created_at DESC, group_id, iteration, run_id",
        [group_ids is None, list(group_ids or ())],
    ).fetchall()
    return [ChorusRun(*row) for row in rows]


def counts_of(runs: Sequence[ChorusRun]) -> dict[RunStatus, int]:
    """How many runs stand how."""
    found = Counter(run.status for run in runs)
    return {status: found[status] for status in STATUSES}


def retry_runs(
    connection: DuckDBPyConnection, runs: Sequence[ChorusRun], answers_from: str, now: datetime
) -> list[ChorusRun]:
    """Ask again for exactly what failed or was cancelled of these runs; returns those. What is done is not touched, and
    what was refused for its prompt is left out: it would be refused again."""
    refused = connection.execute("SELECT run_id FROM artworks WHERE refused_at = 'input'").fetchall()
    final = {row[0] for row in refused}
    again = [run for run in runs if run.status in ("failed", "cancelled") and run.run_id not in final]
    asked = groups(connection, {run.group_id for run in again})
    connection.execute(
        "UPDATE chorus_groups SET cancelled_at = NULL WHERE group_id IN (SELECT unnest($1::VARCHAR[]))", [list(asked)]
    )
    for group_id, group in asked.items():
        unwritten = [run for run in again if run.group_id == group_id and run.stage == "artist"]
        artists = [one for one in group.artists if one.model in {run.artist for run in unwritten}]
        if artists:
            ask_for_statements(connection, group, artists, answers_from, now, retry=True)
    unpainted = [run.run_id for run in again if run.stage == "brush"]
    ask_for_artworks(connection, unpainted, answers_from, now, retry=True)
    return again


def cancel_group(connection: DuckDBPyConnection, group: ChorusGroup, now: datetime) -> list[str]:
    """Stop what is asked for the group and not sent; returns the open batches that hold nothing but requests of
    cancelled groups. These may be stopped at their provider; the others go on."""
    reason = "Cancelled by a person."
    stop_subjects(connection, ("statement",), [group.group_id], reason, now)
    runs = [group.run_id(artist, number) for artist in group.artists for number in range(group.iterations)]
    stop_subjects(connection, ("artwork",), runs, reason, now)
    connection.execute("UPDATE chorus_groups SET cancelled_at = $1 WHERE group_id = $2", [now, group.group_id])
    rows = connection.execute(
        """
        SELECT b.batch_id FROM batches b JOIN batch_requests r USING (batch_id)
        LEFT JOIN chorus_groups g ON g.group_id = left(r.subject, 29)
        WHERE b.status IN ('intended', 'submitted') AND b.purpose IN ('statement', 'artwork')
        GROUP BY b.batch_id HAVING bool_and(g.cancelled_at IS NOT NULL) AND bool_or(g.group_id = $1) ORDER BY b.batch_id
        """,
        [group.group_id],
    ).fetchall()
    return [row[0] for row in rows]
