"""The runs of a group: how each stands, why one failed, and what it cost. They are read from the view chorus_runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, get_args

from grabient_assets.groups.chorus.asking import ask_again
from grabient_assets.groups.chorus.tables import ChorusGroup
from grabient_assets.ledger.asks import stop_subjects

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RunStatus = Literal["queued", "generating", "done", "failed", "cancelled"]
STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)


@dataclass(frozen=True, slots=True)
class ChorusRun:
    """One row of `chorus_runs`. `stage` is the one that it is in, or ended in. Dollars count every try;
    `possible_usd` may have been billed besides, for calls whose answer never came."""

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


def group_document(group: ChorusGroup, runs: Sequence[ChorusRun]) -> dict[str, Any]:
    """The document of `grabient chorus show --json`."""
    return {
        "group": group.group_id,
        "prompt_version": group.prompt_version,
        "prompt_digest": group.prompt_digest,
        "brush": group.brush,
        "size": group.size,
        "quality": group.quality,
        "seed": group.seed,
        "delivery": group.delivery,
        "estimated_usd": None if group.estimated_usd is None else float(group.estimated_usd),
        "made_at": group.made_at.isoformat(),
        "counts": counts_of(runs),
        "cost_usd": float(sum(run.cost_usd for run in runs)),
        "possible_usd": float(sum(run.possible_usd for run in runs)),
        "runs": [run_document(run) for run in runs],
    }


def run_document(run: ChorusRun) -> dict[str, Any]:
    """A run as JSON, by the names of the columns."""

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return float(value)
        return value.isoformat() if isinstance(value, datetime) else value

    return {name: plain(getattr(run, name)) for name in ChorusRun.__dataclass_fields__}


def retry_group(
    connection: DuckDBPyConnection, group: ChorusGroup, runs: Sequence[ChorusRun], answers_from: str, now: datetime
) -> list[ChorusRun]:
    """Ask again for exactly what failed or was cancelled; returns these runs. What was refused for its prompt is left
    out: it would be refused again."""
    refused = connection.execute(
        "SELECT run_id FROM artworks WHERE group_id = $1 AND refused_at = 'input'", [group.group_id]
    ).fetchall()
    final = {row[0] for row in refused}
    chosen = [run for run in runs if run.status in ("failed", "cancelled") and run.run_id not in final]
    if chosen:
        ask_again(connection, group, [(run.run_id, run.stage) for run in chosen], answers_from, now)
    return chosen


def cancel_group(connection: DuckDBPyConnection, group: ChorusGroup, now: datetime) -> list[str]:
    """Stop what is asked for the group and not sent; returns the open batches that hold nothing but its requests.
    These may be stopped at their provider; the others go on."""
    reason = "Cancelled by a person."
    stop_subjects(connection, ("statement",), [group.group_id], reason, now)
    runs = [group.run_id(artist, number) for artist in group.artists for number in range(group.iterations)]
    stop_subjects(connection, ("artwork",), runs, reason, now)
    connection.execute("UPDATE chorus_groups SET cancelled_at = $1 WHERE group_id = $2", [now, group.group_id])
    rows = connection.execute(
        """
        SELECT b.batch_id FROM batches b JOIN batch_requests r USING (batch_id)
        WHERE b.status IN ('intended', 'submitted') AND b.purpose IN ('statement', 'artwork')
        GROUP BY b.batch_id HAVING bool_and(list_contains($1::VARCHAR[], r.subject)) ORDER BY b.batch_id
        """,
        [[group.group_id, *runs]],
    ).fetchall()
    return [row[0] for row in rows]
