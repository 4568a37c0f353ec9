"""Smaller batches for a queue that is too small for large ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from grabient_assets.registry.model import BatchLimits
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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
