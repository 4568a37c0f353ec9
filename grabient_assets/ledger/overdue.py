"""Batches that take longer than any provider promises, and requests that no provider takes."""

from __future__ import annotations

from datetime import datetime, timedelta

from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.put_off import PutOff
from grabient_assets.thresholds import BATCH_ENDS_WITHIN, CREATE_IS_CLEARED_UP_WITHIN, PUT_OFF_AT_MOST
from grabient_assets.wording import counted


def overdue(batch: BatchRecord, now: datetime) -> str | None:
    """A sentence with age and way out for an open batch that is older than it should be, otherwise None."""
    age = now - _since(batch, now)
    name = f"Batch {batch.batch_id} ({batch.provider} {batch.model}, {counted(batch.request_count, 'request')})"
    why = f" Last trouble: {batch.error}" if batch.error else ""
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
    """When it was sent, as the wall clock said; where that has not come yet, because the clock ran ahead, what is known
    beside it."""
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
