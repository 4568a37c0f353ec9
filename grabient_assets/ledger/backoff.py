"""Backoff of a provider: growing pauses with jitter, pauses that the provider asked for, and the room in its queue."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from grabient_assets.errors import InputFileUnseenError, ProviderBusyError
from grabient_assets.ledger.batches import BatchRecord, deferrals_of_kind
from grabient_assets.registry.model import BatchLimits
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIRST_DEFERRAL = timedelta(seconds=5)
LONGEST_DEFERRAL = timedelta(minutes=30)
LONGEST_NAMED = timedelta(days=1)
"""The longest wait a provider may ask for: Retry-After values of any size occur, infinity included."""

FILES_UNSEEN_AT_MOST = 5
"""The number of files in a row that may be unseen right after their upload. OpenAI has shown them within seconds."""

SPREAD, LONGEST_SPREAD = 0.25, timedelta(minutes=1)
"""The largest jitter: this part of the pause, and a minute. Pipelines that had the same outage must not retry at the
same moment."""


def deferral(times_before: int, batch_id: str, named: float | None = None) -> timedelta:
    """A pause that doubles from 5 seconds to half an hour, with jitter, and is never shorter than the `named` seconds
    of a provider."""
    pause = min(FIRST_DEFERRAL * 2 ** min(times_before, 10), LONGEST_DEFERRAL)
    if named and not math.isnan(named):
        pause = max(pause, timedelta(seconds=min(named, LONGEST_NAMED.total_seconds())))
    return min(spread(pause, batch_id), LONGEST_NAMED)


def spread(pause: timedelta, batch_id: str) -> timedelta:
    """The pause with its jitter, which is derived from the id of the batch: pauses differ, and none is random."""
    drawn = int.from_bytes(hashlib.sha256(batch_id.encode()).digest()[:4]) / 2**32
    return pause + min(SPREAD * pause, LONGEST_SPREAD) * drawn


def may_be_seen_yet(connection: DuckDBPyConnection, batch: BatchRecord) -> bool:
    """Whether a file that the provider does not see may be too new: fewer than FILES_UNSEEN_AT_MOST in a row were
    unseen."""
    kind = InputFileUnseenError.__name__
    return deferrals_of_kind(connection, batch.provider, batch.model, kind, batch.batch_id) < FILES_UNSEEN_AT_MOST


LONGEST_PAUSE = timedelta(hours=1)
"""The longest pause that counts: Retry-After values of any size occur, and one request per hour is never too many."""


def pauses(connection: DuckDBPyConnection, now: datetime) -> dict[str, datetime]:
    """The providers that are paused now, and until when. A time beyond the longest pause came from a clock that ran
    ahead, and does not count."""
    rows = connection.execute(
        "SELECT provider, until FROM provider_pauses WHERE until > $1 AND until <= $2", [now, now + LONGEST_PAUSE]
    ).fetchall()
    return {provider: until.astimezone(UTC) for provider, until in rows}


def record_pauses(connection: DuckDBPyConnection, found: Mapping[str, datetime]) -> None:
    """Record until when these providers are paused."""
    for provider, until in found.items():
        connection.execute("INSERT OR REPLACE INTO provider_pauses VALUES ($1, $2)", [provider, until])


def pause_after(error: Exception, now: datetime) -> datetime | None:
    """The end of the pause that the provider asked for with this error; None when it named no time."""
    named = error.retry_after if isinstance(error, ProviderBusyError) else None
    if not named or math.isnan(named):
        return None
    return now + timedelta(seconds=min(named, LONGEST_PAUSE.total_seconds()))


REFUSALS = 2
"""The refusals before the limit is lowered: a single one may have found the queue full of other batches."""
FEWEST = 20
"""The smallest limit of a batch: a queue without room for so few requests is full, not small."""
REMEMBERED = timedelta(days=1)
"""The time after which the full size is tried again: limits grow with what an account has paid."""


def limits_with_room(
    limits: BatchLimits, provider: str, model: str, warehouse: Warehouse, now: datetime
) -> BatchLimits:
    """The provider's limits, reduced to half of the size that its queue refused repeatedly, and never below an accepted
    size."""
    with warehouse.read() as connection:
        found = queue_refusals(connection, provider, model, now - REMEMBERED)
    if found.times < REFUSALS:
        return limits
    most = max(found.accepted, found.smallest // 2, FEWEST)
    return replace(limits, max_requests=min(limits.max_requests, most))


@dataclass(frozen=True, slots=True)
class QueueRefusals:
    """How many refused batches are larger than every accepted one, and the requests of the smallest of them;
    `accepted`: the requests of the largest accepted batch, 0 without one."""

    times: int
    smallest: int
    accepted: int


def queue_refusals(connection: DuckDBPyConnection, provider: str, model: str, since: datetime) -> QueueRefusals:
    """The outcomes of the model's batches since then. A batch that was refused while another of the model was open
    gives no information on its size: our own batches filled the queue."""
    row = connection.execute(
        """
        WITH recent AS (
            FROM batches WHERE provider = $provider AND model = $model AND intended_at >= $since AND delivery = 'batch'
        ),
        taken AS (
            SELECT coalesce(max(request_count), 0) AS largest FROM recent WHERE status = 'collected' AND succeeded > 0
        )
        SELECT count(request_count), coalesce(min(request_count), 0), any_value(largest)
        FROM taken LEFT JOIN recent r ON r.status = 'deferred' AND r.outcome = 'failed' AND r.request_count > largest
          AND r.error_kind IS DISTINCT FROM 'InputFileUnseenError'
          AND NOT EXISTS (
            FROM batches o
            WHERE o.provider = $provider AND o.model = $model AND o.batch_id <> r.batch_id
              AND o.submitted_at <= r.ended_at
              AND (o.status = 'submitted' OR (o.status = 'collected' AND o.ended_at > r.intended_at))
          )
        """,
        {"provider": provider, "model": model, "since": since},
    ).fetchone()
    assert row is not None
    return QueueRefusals(*(int(value) for value in row))
