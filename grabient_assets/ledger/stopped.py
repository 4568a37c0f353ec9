"""How a batch was brought to its end, in sentences for the person who stopped it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grabient_assets.ledger.batches import BatchRecord

How = Literal["stopped", "ended", "not_sent", "given_up", "nothing_to_stop"]
"""The provider stopped it; it had ended by itself; the create call never arrived; closed without the provider; or
there was nothing to stop. After the first two its results wait to be collected."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a batch was brought to its end, as a sentence too. `batch` is as the ledger has it afterwards."""

    batch: BatchRecord
    how: How
    sentence: str

    @property
    def to_collect(self) -> bool:
        """Whether the provider holds results that the ledger does not have yet."""
        return self.how in ("stopped", "ended")


def at_rest(batch: BatchRecord) -> Stopped:
    """Why there is nothing to stop."""
    name = f"Batch {batch.batch_id}"
    match batch.status:
        case "collected":
            sentence = f"{name} was collected at {batch.collected_at:%Y-%m-%d %H:%M:%S} UTC; there is nothing to stop."
        case "refused":
            sentence = (
                f"{name} is not with {batch.provider}: it was never accepted, and it is not sent again by itself."
            )
        case _:
            sentence = (
                f"{name} is not with {batch.provider}: it was put off ({batch.error or 'no reason given'}). Its "
                "requests are due again and go out in a new batch; that one can be cancelled."
            )
    return Stopped(batch, "nothing_to_stop", sentence)


def not_sent(batch: BatchRecord) -> Stopped:
    """The create call never arrived."""
    return Stopped(
        batch,
        "not_sent",
        f"Batch {batch.batch_id} never reached {batch.provider}; {_recorded(batch, 'cancelled')}.",
    )


def ended(batch: BatchRecord, asked: bool) -> Stopped:
    """It has ended at the provider, because it was asked to or by itself."""
    if asked:
        return Stopped(batch, "stopped", f"{batch.provider} has stopped batch {batch.batch_id}.")
    return Stopped(batch, "ended", f"Batch {batch.batch_id} had already ended at {batch.provider}.")


def let_go(batch: BatchRecord) -> Stopped:
    """No further call of a direct batch is made."""
    return Stopped(
        batch,
        "stopped",
        f"Batch {batch.batch_id} is stopped: no further call of it is made. What was answered is stored; a call "
        "without an answer may have been billed.",
    )


def given_up(batch: BatchRecord) -> Stopped:
    """It was closed without the provider."""
    return Stopped(
        batch,
        "given_up",
        f"Batch {batch.batch_id} is closed in the ledger: {_recorded(batch, 'missing')}. "
        f"If {batch.provider} has it after all, it may still run and be billed.",
    )


def _recorded(batch: BatchRecord, fate: str) -> str:
    if batch.request_count == 1:
        return f"its only request is recorded as {fate}, and `grabient retry` asks it again"
    return f"its {batch.request_count:,} requests are recorded as {fate}, and `grabient retry` asks them again"
