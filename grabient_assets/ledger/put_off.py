"""What is wanted of a model and put off again and again: no batch is open that could be flagged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class PutOff:
    """Since when every batch of a model was put off, how many there were, and what the provider said last."""

    purpose: str
    provider: str
    model: str
    since: datetime
    times: int
    error: str | None


def put_off(connection: DuckDBPyConnection) -> list[PutOff]:
    """The models of which something is asked, and whose last batches, one or more in a row, were put off."""
    rows = connection.execute(
        """
        WITH accepted AS (
            SELECT purpose, provider, model, max(intended_at) AS latest FROM batches
            WHERE status IN ('submitted', 'collected') GROUP BY ALL
        )
        SELECT b.purpose, b.provider, b.model, min(coalesce(b.sent_after, b.intended_at)), count(*),
               arg_max(b.error, b.intended_at)
        FROM batches b LEFT JOIN accepted a USING (purpose, provider, model)
        WHERE b.status = 'deferred' AND b.intended_at > coalesce(a.latest, '-infinity')
          AND EXISTS (SELECT 1 FROM asks WHERE asks.purpose = b.purpose AND asks.provider = b.provider
                      AND asks.model = b.model AND asks.state = 'open')
        GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    return [
        PutOff(purpose, provider, model, since.astimezone(UTC), times, error)
        for purpose, provider, model, since, times, error in rows
    ]
