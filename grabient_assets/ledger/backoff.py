"""How long a provider is left alone: backoff with jitter, pauses that it asked for, and room in its queue."""

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
"""The longest wait a provider may ask for: Retry-After has been seen as a number of any size, infinity included."""

FILES_UNSEEN_AT_MOST = 5
"""So many files in a row may be unseen right after their upload. OpenAI has shown them within seconds."""

SPREAD, LONGEST_SPREAD = 0.25, timedelta(minutes=1)
"""By so much of itself a pause is lengthened, and by a minute, at most: pipelines that met the same outage shall not
come back as one."""


def deferral(times_before: int, batch_id: str, named: float | None = None) -> timedelta:
    """Doubling from 5 seconds to half an hour, never less than the `named` seconds of a provider, and spread."""
    pause = min(FIRST_DEFERRAL * 2 ** min(times_before, 10), LONGEST_DEFERRAL)
    if named and not math.isnan(named):
        pause = max(pause, timedelta(seconds=min(named, LONGEST_NAMED.total_seconds())))
    return min(spread(pause, batch_id), LONGEST_NAMED)


def spread(pause: timedelta, batch_id: str) -> timedelta:
    """The pause with its jitter, drawn from the id of the batch: no two have the same, and none is by chance."""
    drawn = int.from_bytes(hashlib.sha256(batch_id.encode()).digest()[:4]) / 2**32
    return pause + min(SPREAD * pause, LONGEST_SPREAD) * drawn


def may_be_seen_yet(connection: DuckDBPyConnection, batch: BatchRecord) -> bool:
    """Whether a file that the provider does not see may only be too new, as not all of the last ones were."""
    kind = InputFileUnseenError.__name__
    return deferrals_of_kind(connection, batch.provider, batch.model, kind, batch.batch_id) < FILES_UNSEEN_AT_MOST


LONGEST_PAUSE = timedelta(hours=1)
"""Retry-After has been seen as a number of any size; asking once an hour is too often for nobody."""


def pauses(connection: DuckDBPyConnection, now: datetime) -> dict[str, datetime]:
    """The providers that are not to be asked now, and until when. A time beyond the longest pause was set by a clock
    that ran ahead, and does not count."""
    rows = connection.execute(
        "SELECT provider, until FROM provider_pauses WHERE until > $1 AND until <= $2", [now, now + LONGEST_PAUSE]
    ).fetchall()
    return {provider: until.astimezone(UTC) for provider, until in rows}


def record_pauses(connection: DuckDBPyConnection, found: Mapping[str, datetime]) -> None:
    """Write down until when these providers are left alone."""
    for provider, until in found.items():
        connection.execute("INSERT OR REPLACE INTO provider_pauses VALUES ($1, $2)", [provider, until])


def pause_after(error: Exception, now: datetime) -> datetime | None:
    """Until when the provider that raised this is not to be asked; None when it named no time."""
    named = error.retry_after if isinstance(error, ProviderBusyError) else None
    if not named or math.isnan(named):
        return None
    return now + timedelta(seconds=min(named, LONGEST_PAUSE.total_seconds()))


REFUSALS = 2
"""Once a queue may be full of something else."""
FEWEST = 20
"""No batch is made smaller than this: a queue that has no room for so few is full, not small."""
REMEMBERED = timedelta(days=1)
"""Then the whole size is tried again: limits grow with what an account has paid."""


def limits_with_room(
    limits: BatchLimits, provider: str, model: str, warehouse: Warehouse, now: datetime
) -> BatchLimits:
    """The provider's limits, and half of what its queue refused again and again; never less than what went through."""
    with warehouse.read() as connection:
        found = queue_refusals(connection, provider, model, now - REMEMBERED)
    if found.times < REFUSALS:
        return limits
    most = max(found.accepted, found.smallest // 2, FEWEST)
    return replace(limits, max_requests=min(limits.max_requests, most))


@dataclass(frozen=True, slots=True)
class QueueRefusals:
    """How many batches were refused that are larger than any that went through, and the requests of the smallest of
    them; `accepted`: those of the largest batch that went through, 0 without one."""

    times: int
    smallest: int
    accepted: int


def queue_refusals(connection: DuckDBPyConnection, provider: str, model: str, since: datetime) -> QueueRefusals:
    """What became of the model's batches since then. A batch that was refused while another of the model was open says
    nothing about its size: the queue was ours."""
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
