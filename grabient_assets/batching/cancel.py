"""Stopping a batch: asked of the provider, waited for, and never asked again by itself.

What was finished before the stop is paid for and is collected like any other batch (round.py). A batch that cannot be
asked for is closed here, in the ledger alone, with what is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from grabient_assets.batching.adopt import adopt_batch, look_up
from grabient_assets.batching.closing import close_batch
from grabient_assets.batching.connection import Connect, Connection
from grabient_assets.batching.settling import ReaderOf
from grabient_assets.batching.underway import is_being_sent
from grabient_assets.errors import (
    BatchUnknownError,
    CredentialsError,
    ProviderBusyError,
    ProviderUnreachableError,
    RequestRejectedError,
    ResultsError,
    UsageError,
)
from grabient_assets.warehouse import batches
from grabient_assets.warehouse.batches import BatchRecord
from grabient_assets.warehouse.connection import Warehouse

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
USUAL_TIMEOUT_SECONDS = 1800.0
"""OpenAI allows itself ten minutes for a cancel; nobody else names a time."""

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


@dataclass(slots=True)
class Patience:
    """How long the end is waited for. `say` is told what is being waited for."""

    seconds: float = USUAL_TIMEOUT_SECONDS
    say: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def stop_batch(
    name: str,
    connect: Connect,
    warehouse: Warehouse,
    reader: ReaderOf,
    clock: Callable[[], datetime],
    patience: Patience,
    *,
    give_up: bool = False,
) -> Stopped:
    """Stop the batch of this id, ours or the provider's, and wait until the provider has ended it.

    With `give_up`, a batch is closed in the ledger that its provider does not have, that cannot be asked for with the
    present key, whose answer cannot be read, or of which it cannot be told after a settling time whether it was ever
    created. Raises UsageError for an unknown id, ProviderBusyError when the time is up, and what the provider
    raises; the batch is then as it was, and is collected as usual when it ends.
    """
    batch = _named(name, warehouse)
    if batch.status not in ("intended", "submitted"):
        return _at_rest(batch)
    try:
        with connect(batch.provider) as connection:
            _refuse_other_account(batch, connection)
            return _stop(batch.batch_id, connection, warehouse, reader, clock, patience, give_up)
    except (BatchUnknownError, CredentialsError, ResultsError) as error:
        if not give_up:
            raise
        return _give_up(batch.batch_id, str(error), warehouse, reader, clock)


def _named(name: str, warehouse: Warehouse) -> BatchRecord:
    with warehouse.read() as connection:
        found = batches.batch_named(connection, name)
    if found is None:
        raise UsageError(
            f"There is no batch {name!r}, neither by our id nor by the provider's. "
            "`grabient status --json` lists the open ones."
        )
    return found


def _at_rest(batch: BatchRecord) -> Stopped:
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


def _refuse_other_account(batch: BatchRecord, connection: Connection) -> None:
    if connection.account != batch.account:
        raise CredentialsError(
            batch.provider,
            f"Batch {batch.batch_id} was sent with another key or to another address of {batch.provider} than are set "
            "now, so it cannot be stopped. Set those of that time again, or close it here alone: "
            f"`grabient cancel {batch.batch_id} --give-up`; it may go on there and be billed.",
        )


def _stop(
    batch_id: str,
    connection: Connection,
    warehouse: Warehouse,
    reader: ReaderOf,
    clock: Callable[[], datetime],
    patience: Patience,
    give_up: bool,
) -> Stopped:
    """Look, ask, wait; from the ledger each time, because another process may be at the same batch."""
    give_up_at = patience.clock() + patience.seconds
    pause, asked, began = FIRST_PAUSE_SECONDS, False, clock()
    while True:
        undecided, named = False, 0.0
        batch = _named(batch_id, warehouse)
        if batch.status not in ("intended", "submitted"):
            return _at_rest(batch)
        try:
            if batch.status == "intended":
                closed = _decide(batch, connection, warehouse, reader, clock)
                if isinstance(closed, Stopped):
                    return closed
                batch = closed
            waits_for = f"the create call of batch {batch_id}, whose end nobody saw, to be cleared up"
            undecided = batch.provider_batch_id is None and not is_being_sent(warehouse, batch_id)
            if batch.provider_batch_id is not None:
                if batch.cancel_asked_at is None:
                    _note_wish(batch_id, warehouse, clock())
                word = _ask_to_stop(batch.provider_batch_id, connection, asked)
                if word == "ended":
                    return _ended(batch, asked)
                asked = True
                waits_for = f"{batch.provider} to end batch {batch_id} ({word})"
        except RequestRejectedError:
            _note_wish(batch_id, warehouse, None)
            raise
        except (ProviderBusyError, ProviderUnreachableError) as error:
            waits_for, named = f"{batch.provider} to answer: {error}", getattr(error, "retry_after", None) or 0.0
        left = give_up_at - patience.clock()
        if give_up and undecided and (left <= 0 or clock() - began >= connection.settling):
            reason = f"It cannot be told whether {batch.provider} ever had it."
            return _give_up(batch_id, reason, warehouse, reader, clock)
        if left <= 0:
            raise ProviderBusyError(
                batch.provider,
                f"After {patience.seconds:.0f} seconds of waiting for {waits_for}, batch {batch_id} is still open. "
                "Nothing is lost: it is collected when it has ended, by the next `grabient run` or the daemon. "
                f"`grabient cancel {batch_id}` waits on.",
            )
        patience.say(f"Waiting for {waits_for}.")
        patience.sleep(min(max(pause, named), left))
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)


def _decide(
    batch: BatchRecord,
    connection: Connection,
    warehouse: Warehouse,
    reader: ReaderOf,
    clock: Callable[[], datetime],
) -> BatchRecord | Stopped:
    """Clear up a create call without an answer: the batch as it is then, or closed when it never arrived."""
    found = look_up(batch, connection, warehouse, clock())
    if found.verdict != "absent":
        return adopt_batch(batch, connection, warehouse, clock)
    why = f"Not sent: the create call never reached {batch.provider}, and the batch was cancelled."
    closed = close_batch(batch, "cancelled", why, warehouse, reader, clock, status="refused")
    if closed is None:
        return _named(batch.batch_id, warehouse)
    return Stopped(
        closed,
        "not_sent",
        f"Batch {batch.batch_id} never reached {batch.provider}; its {batch.request_count} requests are recorded as "
        "cancelled, and `grabient retry` asks them again.",
    )


def _note_wish(batch_id: str, warehouse: Warehouse, now: datetime | None) -> None:
    """A person wants it stopped: before the provider is told, because what is unanswered then is not asked again."""
    with warehouse.write() as connection:
        batches.update_batch(connection, batch_id, cancel_asked_at=now)


def _ask_to_stop(provider_batch_id: str, connection: Connection, asked: bool) -> str:
    """The provider's own word for where the batch stands; "ended" once it has ended."""
    state = connection.provider.poll(provider_batch_id)
    if state.state == "running" and not asked:
        try:
            connection.provider.cancel(provider_batch_id)
        except RequestRejectedError:
            # What has ended cannot be cancelled: it may have ended between the two calls.
            if connection.provider.poll(provider_batch_id).state != "ended":
                raise
            return "ended"
    return "ended" if state.state == "ended" else state.raw_status or state.state


def _ended(batch: BatchRecord, asked: bool) -> Stopped:
    if asked:
        return Stopped(batch, "stopped", f"{batch.provider} has stopped batch {batch.batch_id}.")
    return Stopped(batch, "ended", f"Batch {batch.batch_id} had already ended at {batch.provider}.")


def _give_up(
    batch_id: str, reason: str, warehouse: Warehouse, reader: ReaderOf, clock: Callable[[], datetime]
) -> Stopped:
    batch = _named(batch_id, warehouse)
    why = f"Given up without an answer from {batch.provider}."
    closed = close_batch(batch, "missing", why, warehouse, reader, clock, status="collected", error=f"{why} {reason}")
    if closed is None:
        return _at_rest(_named(batch_id, warehouse))
    return Stopped(
        closed,
        "given_up",
        f"Batch {batch_id} is closed in the ledger: its {batch.request_count} requests are recorded as missing, and "
        f"`grabient retry` asks them again. If {batch.provider} has it after all, it may still run and be billed.",
    )
