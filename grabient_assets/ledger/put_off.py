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


_UNREACHABLE = "status = 'deferred' AND error_kind = 'ProviderUnreachableError'"
_UNANSWERED = "status = 'deferred' AND error_kind IN ('ProviderUnreachableError', 'AmbiguousSubmissionError')"


def unreachable_in_a_row(connection: DuckDBPyConnection, provider: str, since: datetime) -> tuple[int, str] | None:
    """How many submissions to the provider failed in a row until now because it could not be reached, and the last
    sentence; None when the last one was no such failure or lies before `since`."""
    return _in_a_row(connection, _UNREACHABLE, provider, since)


def unanswered_in_a_row(connection: DuckDBPyConnection, provider: str, since: datetime) -> tuple[int, str] | None:
    """The same, create calls that were sent, had no answer and created nothing counted as well."""
    return _in_a_row(connection, _UNANSWERED, provider, since)


def _in_a_row(connection: DuckDBPyConnection, what: str, provider: str, since: datetime) -> tuple[int, str] | None:
    rows = connection.execute(
        f"""
        SELECT {what}, error, intended_at >= $2 FROM batches
        WHERE provider = $1 AND status <> 'intended' ORDER BY intended_at DESC LIMIT 20
        """,
        [provider, since],
    ).fetchall()
    count = next((i for i, row in enumerate(rows) if not row[0]), len(rows))
    return (count, rows[0][1]) if count and rows[0][2] else None


def locked_out(connection: DuckDBPyConnection) -> dict[str, str]:
    """Providers that refused our key when their open batches were asked about last, and what they said."""
    rows = connection.execute(
        """
        SELECT provider, any_value(error) FROM batches
        WHERE status IN ('intended', 'submitted') AND error_kind = 'CredentialsError' GROUP BY ALL
        """
    ).fetchall()
    return dict(rows)


def forget_unreachable(connection: DuckDBPyConnection, now: datetime) -> None:
    """Let providers that could not be reached, or did not answer, be tried again at once: a person asks for it."""
    connection.execute(f"UPDATE batches SET retry_at = $1 WHERE retry_at > $1 AND {_UNANSWERED}", [now])
