"""Cancelling a batch: the provider is asked to stop it, the end is awaited, and nothing is asked again automatically.

Requests that were finished before the stop are paid for and collected (closing.py). A batch that the provider cannot be
asked for is closed in the ledger alone, with the information that is there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from grabient_assets import interrupts
from grabient_assets.errors import (
    BatchUnknownError,
    CredentialsError,
    ProviderBusyError,
    ProviderError,
    ProviderUnreachableError,
    RequestRejectedError,
    ResultsError,
    UsageError,
)
from grabient_assets.ledger import batches
from grabient_assets.ledger.adopt import adopt_batch, look_up
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.call_journal import ask_to_stop
from grabient_assets.ledger.closing import close_batch
from grabient_assets.ledger.connection import Connect, Connection
from grabient_assets.ledger.sending_lock import is_being_sent
from grabient_assets.ledger.settling import ReaderOf
from grabient_assets.ledger.wait_limit import RepeatedFaults, TimedWait, WaitLimit, retry_after
from grabient_assets.providers.contract import BatchState
from grabient_assets.warehouse.connection import Warehouse

How = Literal["stopped", "ended", "not_sent", "given_up", "nothing_to_stop"]
"""The provider stopped it; it had ended already; the create call never arrived; it was closed without the provider; or
there was nothing to stop. After the first two its results wait to be collected."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a batch was ended, with a sentence. `batch` is the ledger's record afterwards."""

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
    """It has ended at the provider, because of the cancellation or before it."""
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


OPEN = ("intended", "submitted")
"""The statuses of a batch that has not come to its end."""


@interrupts.heeded()
def stop_batch(
    name: str,
    connect: Connect,
    warehouse: Warehouse,
    reader: ReaderOf,
    clock: Callable[[], datetime],
    wait_limit: WaitLimit,
    *,
    give_up: bool = False,
) -> Stopped:
    """Stop the batch of this id, ours or the provider's, and wait until the provider has ended it.

    With `give_up`, these batches are closed in the ledger: the provider does not have it; the present key cannot ask
    for it; its poll is refused or cannot be read; the provider stays busy until the time is up; or it stays unknown
    after a settling time whether it was ever created. The provider's answer counts when it comes twice, a settling time
    apart, even if the time is up before. Raises UsageError for an unknown id, ProviderBusyError when the time is up,
    and the provider's own errors; the batch is then unchanged, and is collected as usual when it ends.
    """
    batch = _named(name, warehouse)
    if batch.status not in OPEN:
        return at_rest(batch)
    if batch.delivery == "direct":
        return _stop_calls(batch, warehouse, clock, wait_limit)
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(connect(batch.provider))
            _refuse_other_account(batch, connection)
        except CredentialsError as error:
            closed = _give_up(batch, str(error), warehouse, reader, clock) if give_up else None
            if closed is None:
                raise
            return closed
        return _Stopping(batch.batch_id, connection, warehouse, reader, clock, wait_limit, give_up).stop()


def _named(name: str, warehouse: Warehouse) -> BatchRecord:
    with warehouse.read() as connection:
        found = batches.batch_named(connection, name)
    if found is None:
        raise UsageError(
            f"There is no batch {name!r}, neither by our id nor by the provider's. "
            "`grabient status --json` lists the open ones."
        )
    return found


def _refuse_other_account(batch: BatchRecord, connection: Connection) -> None:
    if connection.account != batch.account:
        raise CredentialsError(
            batch.provider,
            f"Batch {batch.batch_id} was sent with another key or to another address of {batch.provider} than are set "
            "now, so it cannot be stopped. Set those of that time again, or close it here alone: "
            f"`grabient cancel {batch.batch_id} --give-up`; it may go on there and be billed.",
        )


def _stop_calls(
    batch: BatchRecord, warehouse: Warehouse, clock: Callable[[], datetime], wait_limit: WaitLimit
) -> Stopped:
    """Begin no further call of a direct batch, and wait for the calls under way: their answers count, except where the
    process lets go of them (Purpose.apart)."""
    ask_calls_to_stop(batch.batch_id, warehouse, clock())
    wait = TimedWait(wait_limit)
    while is_being_sent(warehouse, batch.batch_id):
        waits_for = f"the calls of batch {batch.batch_id} that are under way"
        if wait.left <= 0:
            raise ProviderBusyError(
                batch.provider,
                f"After {wait_limit.seconds:.0f} seconds of waiting for {waits_for}, batch {batch.batch_id} is still "
                "open. No further call of it is begun, and its answers are stored when they have come.",
            )
        wait.on(waits_for)
    return let_go(_named(batch.batch_id, warehouse))


def ask_calls_to_stop(batch_id: str, warehouse: Warehouse, now: datetime) -> None:
    """Let the process that makes the calls of a direct batch begin no more. Does not wait for it."""
    _note_wish(batch_id, warehouse, now, status="intended")
    ask_to_stop(warehouse, batch_id)  # after it: a process that sees this reads it when the calls are over


class _Stopping:
    """One batch on the way to its end. The ledger is read each time, because another process may handle the batch
    too."""

    def __init__(
        self,
        batch_id: str,
        connection: Connection,
        warehouse: Warehouse,
        reader: ReaderOf,
        clock: Callable[[], datetime],
        wait_limit: WaitLimit,
        give_up: bool,
    ) -> None:
        self._batch_id, self._connection = batch_id, connection
        self._warehouse, self._reader, self._clock = warehouse, reader, clock
        self._seconds, self._wait, self._faults = (
            wait_limit.seconds,
            TimedWait(wait_limit),
            RepeatedFaults.at(connection),
        )
        self._gives_up, self._asked, self._began = give_up, False, clock()

    def stop(self) -> Stopped:
        """Poll, cancel, wait."""
        while True:
            batch = _named(self._batch_id, self._warehouse)
            if batch.status not in OPEN:
                return at_rest(batch)
            hopeless: str | None = None
            try:
                look = self._decide(batch) if batch.status == "intended" else self._ask(batch)
                self._faults.forget()
            except ProviderError as error:
                if not self._gives_up and not isinstance(error, ProviderBusyError | ProviderUnreachableError):
                    raise
                hopeless = str(error) if self._faults.is_final(error, self._wait) else None
                look = _for_an_answer(error)
            if isinstance(look, Stopped):
                return look
            if look.refusal is not None:
                raise look.refusal
            if look.undecided and self._looked_long_enough():
                hopeless = f"It cannot be told whether {batch.provider} ever had it."
            if hopeless is not None and self._gives_up:
                closed = _give_up(batch, hopeless, self._warehouse, self._reader, self._clock)
                if closed is not None:
                    return closed
                continue  # another process has adopted or collected it since it was read
            if self._wait.left <= 0:
                raise self._time_is_up(batch, look.waits_for)
            self._wait.on(look.waits_for, look.at_least)

    def _decide(self, batch: BatchRecord) -> Stopped | _Look:
        """Reconcile a create call without an answer, and cancel the batch that it created."""
        found = look_up(batch, self._connection, self._warehouse, self._clock())
        if found.verdict == "absent":
            why = f"Not sent: the create call never reached {batch.provider}, and the batch was cancelled."
            closed = close_batch(batch, "cancelled", why, self._warehouse, self._reader, self._clock, status="refused")
            if closed is not None:
                return not_sent(closed)
            latest = _named(batch.batch_id, self._warehouse)
        else:
            latest = adopt_batch(batch, self._connection, self._warehouse, self._clock)
        if latest.status == "submitted":
            return self._ask(latest)
        if latest.status != "intended":
            return at_rest(latest)
        waits_for = f"the create call of batch {batch.batch_id}, whose end nobody saw, to be cleared up"
        return _Look(waits_for, undecided=not is_being_sent(self._warehouse, batch.batch_id))

    def _ask(self, batch: BatchRecord) -> Stopped | _Look:
        """Ask the provider to stop it, once, and where it stands."""
        standing = request_cancel(batch, self._connection, self._warehouse, self._clock(), asked=self._asked)
        if standing.state.state == "ended":
            return ended(batch, self._asked)
        waits_for = f"{batch.provider} to end batch {batch.batch_id} ({standing.state.raw_status or 'running'})"
        if standing.refused:
            return _Look(waits_for, refusal=standing.trouble)
        if standing.trouble is not None:
            return _for_an_answer(standing.trouble)
        self._asked = True
        return _Look(waits_for)

    def _looked_long_enough(self) -> bool:
        return self._wait.left <= 0 or self._clock() - self._began >= self._connection.settling

    def _time_is_up(self, batch: BatchRecord, waits_for: str) -> ProviderBusyError:
        return ProviderBusyError(
            batch.provider,
            f"After {self._seconds:.0f} seconds of waiting for {waits_for}, batch {batch.batch_id} is still open. "
            "Nothing is lost: it is collected when it has ended, by the next `grabient run` or the daemon. "
            f"`grabient cancel {batch.batch_id}` waits on.",
        )


@dataclass(frozen=True, slots=True)
class _Look:
    """One poll of a batch that has not ended: the event to wait for, and the least seconds to wait.

    `undecided`: it is unknown whether the provider has it. `refusal`: the provider will not stop it.
    """

    waits_for: str
    at_least: float = 0.0
    undecided: bool = False
    refusal: ProviderError | None = None


def _for_an_answer(error: ProviderError) -> _Look:
    return _Look(f"{error.provider} to answer: {error}", retry_after(error))


def _give_up(
    batch: BatchRecord, reason: str, warehouse: Warehouse, reader: ReaderOf, clock: Callable[[], datetime]
) -> Stopped | None:
    """Close the batch if its record is still the one of the decision; None when more has become known of it since."""
    why = f"Given up without an answer from {batch.provider}."
    closed = close_batch(batch, "missing", why, warehouse, reader, clock, status="collected", error=f"{why} {reason}")
    return None if closed is None else given_up(closed)


UNCLEAR = (ProviderBusyError, ProviderUnreachableError, ResultsError)
"""After one of these errors it is unknown whether the cancel call took effect; it is repeated while the batch runs."""


@dataclass(frozen=True, slots=True)
class CancelState:
    """The latest state at the provider. `trouble`: the error of the cancel call, while the batch runs on."""

    state: BatchState
    trouble: ProviderError | None = None

    @property
    def refused(self) -> bool:
        """Whether the provider will not stop it, although it has it."""
        return self.trouble is not None and not isinstance(self.trouble, UNCLEAR)


def request_cancel(
    batch: BatchRecord, connection: Connection, warehouse: Warehouse, now: datetime, *, asked: bool
) -> CancelState:
    """Poll the batch and, while it runs and was not `asked` to yet, ask the provider to stop it.

    The request is in the ledger before the call, because a request without an answer then is not sent again; it is
    removed when the provider refuses. Raises the errors of the poll: only the poll proves that the provider does not
    have the batch.
    """
    assert batch.provider_batch_id is not None
    provider, known = connection.provider, batch.provider_batch_id
    state = provider.poll(known)
    if batch.cancel_asked_at is None:
        _note_wish(batch.batch_id, warehouse, now)
    if state.state != "running" or asked:
        return CancelState(state)
    try:
        provider.cancel(known)
    except UNCLEAR as error:
        return CancelState(state, error)
    except ProviderError as error:
        # What has ended cannot be cancelled, and it may have ended between the two calls.
        state = provider.poll(known)
        if state.state != "running":
            return CancelState(state)
        _note_wish(batch.batch_id, warehouse, None)
        return CancelState(state, _not_stoppable(batch, state, error))
    return CancelState(state)


def _not_stoppable(batch: BatchRecord, state: BatchState, error: ProviderError) -> ProviderError:
    if not isinstance(error, BatchUnknownError):
        return error
    return RequestRejectedError(
        batch.provider,
        f"{batch.provider} answered 404 to the call that stops batch {batch.batch_id}, but it has the batch "
        f"({state.raw_status or state.state}). It goes on, may be billed, and is collected when it has ended. "
        f"`grabient cancel {batch.batch_id}` tries again.",
    )


def _note_wish(batch_id: str, warehouse: Warehouse, now: datetime | None, status: str = "submitted") -> None:
    """Record the request to cancel, except for a batch that another process has ended: its answers were settled without
    it."""
    with warehouse.write() as connection:
        latest = batches.batch(connection, batch_id)
        if latest is not None and latest.status == status:
            batches.update_batch(connection, batch_id, cancel_asked_at=now)
