"""Overdue work: batches that are open for longer than promised, models whose batches are deferred repeatedly, and
providers that do not answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.thresholds import BATCH_ENDS_WITHIN, CREATE_IS_CLEARED_UP_WITHIN, PUT_OFF_AT_MOST
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def overdue(batch: BatchRecord, now: datetime) -> str | None:
    """A sentence with age and way out for an open batch that is older than it should be, otherwise None."""
    age = now - _since(batch, now)
    name = f"Batch {batch.batch_id} ({batch.provider} {batch.model}, {counted(batch.request_count, 'request')})"
    why = f" Last trouble: {batch.error}" if batch.error else ""
    if batch.delivery == "direct":  # its process handles it, or the next poll settles it
        return None
    if batch.status == "intended" and age > CREATE_IS_CLEARED_UP_WITHIN:
        return (
            f"{name} was sent {_hours(age)} ago, nobody saw the create call end, and it cannot be told yet whether "
            f"{batch.provider} has it. It is looked for with every tick; nothing of it is sent again meanwhile.{why} "
            f"`grabient cancel {batch.batch_id}` decides now, as far as that is possible."
        )
    if batch.status == "submitted" and age > BATCH_ENDS_WITHIN:
        return (
            f"{name} has been with the provider for {_hours(age)}; {_hours(BATCH_ENDS_WITHIN)} are promised.{why} "
            f"Look it up in the provider's console as {batch.provider_batch_id}, or stop it and keep what is finished: "
            f"`grabient cancel {batch.batch_id}`, then `grabient retry`."
        )
    return None


def _since(batch: BatchRecord, now: datetime) -> datetime:
    """Since when it is open: the first of the known times that does not lie in the future (the clock may have run ahead
    then), otherwise the time of the intent."""
    known = (batch.submitted_at, batch.sent_after, batch.missed_at)
    return next((time for time in known if time is not None and time <= now), batch.intended_at)


def put_off_too_long(idle: PutOff, now: datetime) -> str | None:
    """A sentence with age and way out for a model that has taken no batch for too long, otherwise None."""
    age = now - idle.since
    if age <= PUT_OFF_AT_MOST or idle.times < 2:
        return None
    why = f" Last: {idle.error}" if idle.error else ""
    return (
        f"{idle.provider} has taken no batch for {idle.model} ({idle.purpose}) for {_hours(age)}, in {idle.times} "
        f"tries.{why} What is asked stays due and is tried on. Look at the limits of the account at {idle.provider}, "
        "or leave the model out."
    )


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.0f} hours"


@dataclass(frozen=True, slots=True)
class PutOff:
    """The time since which every batch of a model was deferred, the number of these batches, and the provider's latest
    error."""

    purpose: str
    provider: str
    model: str
    since: datetime
    times: int
    error: str | None


def put_off(connection: DuckDBPyConnection) -> list[PutOff]:
    """The models with open asks whose latest batches, one or more in a row, were deferred."""
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


def overdue_now(purpose: str, waiting: Sequence[BatchRecord], idle: Sequence[PutOff], now: datetime) -> dict[str, str]:
    """The sentences about overdue work of this purpose, by batch id, or by provider and model."""
    found = {b.batch_id: overdue(b, now) for b in waiting if b.purpose == purpose}
    found |= {f"{one.provider} {one.model}": put_off_too_long(one, now) for one in idle if one.purpose == purpose}
    return {name: sentence for name, sentence in found.items() if sentence}


_UNREACHABLE = "status = 'deferred' AND error_kind = 'ProviderUnreachableError'"
_UNANSWERED = "status = 'deferred' AND error_kind IN ('ProviderUnreachableError', 'AmbiguousSubmissionError')"


def unreachable_in_a_row(connection: DuckDBPyConnection, provider: str, since: datetime) -> tuple[int, str] | None:
    """How many submissions to the provider failed in a row until now because it could not be reached, and the last
    sentence; None when the last one was no such failure or lies before `since`."""
    return _in_a_row(connection, _UNREACHABLE, provider, since)


def unanswered_in_a_row(connection: DuckDBPyConnection, provider: str, since: datetime) -> tuple[int, str] | None:
    """The same, including create calls that were sent, got no answer and created nothing."""
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
    """Providers that refused our key at the latest poll of their open batches, and their errors."""
    rows = connection.execute(
        """
        SELECT provider, any_value(error) FROM batches
        WHERE status IN ('intended', 'submitted') AND error_kind = 'CredentialsError' GROUP BY ALL
        """
    ).fetchall()
    return dict(rows)


def forget_unreachable(connection: DuckDBPyConnection, now: datetime) -> None:
    """Let providers that could not be reached, or did not answer, be tried again at once, on a person's request."""
    connection.execute(f"UPDATE batches SET retry_at = $1 WHERE retry_at > $1 AND {_UNANSWERED}", [now])
