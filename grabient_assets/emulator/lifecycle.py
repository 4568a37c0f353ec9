"""How a batch moves on: by the number of times somebody asked for it, alone or in a list, never by the clock.

Lists count, because a batch whose id its sender never learnt can only be seen in a list, and it ends all the same.
"""

from __future__ import annotations

from enum import StrEnum

from grabient_assets.emulator.storage.batches import Batch


class Phase(StrEnum):
    """Where a batch stands, in words of no provider."""

    WAITING = "waiting"
    RUNNING = "running"
    CLOSING = "closing"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (Phase.COMPLETED, Phase.FAILED, Phase.EXPIRED, Phase.CANCELLED)


def planned(batch: Batch, kind: str) -> dict[str, object] | None:
    """The first fault of this kind that was laid on the batch when it was created."""
    return next((step for step in batch.plan if step["do"] == kind), None)


def polls_needed(batch: Batch) -> float:
    """Number of polls after which the batch has ended."""
    if (pending := planned(batch, "pending")) is None:
        return batch.needed
    polls = pending.get("polls")
    return float("inf") if polls is None else float(str(polls))


def phase(batch: Batch) -> Phase:
    """The phase after the polls so far.

    A batch that its provider finds invalid fails with the first poll. A cancelled one is cancelled with the poll after
    the cancel call.
    """
    if batch.ending is not None:
        return Phase(batch.ending["phase"])
    if batch.cancelled_after is not None:
        return Phase.CANCELLED if batch.polls > batch.cancelled_after else Phase.CANCELLING
    if batch.facts.get("invalid") and batch.polls > 0:
        return Phase.FAILED
    needed = polls_needed(batch)
    if batch.polls >= needed:
        if planned(batch, "expire"):
            return Phase.EXPIRED
        return Phase.FAILED if planned(batch, "fail") else Phase.COMPLETED
    if batch.polls == 0:
        return Phase.WAITING
    return Phase.CLOSING if needed >= 3 and batch.polls == needed - 1 else Phase.RUNNING


def finished_share(batch: Batch) -> float:
    """Share of the requests that are done in the present phase, 0 to 1."""
    now = phase(batch)
    if now is Phase.COMPLETED:
        return 1.0
    if now is Phase.FAILED:
        return 0.0
    needed = polls_needed(batch)
    if now is Phase.EXPIRED:
        expire = planned(batch, "expire")
        return float(str((expire or {}).get("share", 0.5)))
    done = batch.polls if batch.cancelled_after is None else batch.cancelled_after
    return min(done / needed, 1.0)
