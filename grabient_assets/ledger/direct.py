"""Direct calls: one call for each archived request line, with the intent, budget, fates and archive of a batch.

No provider offers a way to look up a call that was cut off. So each call is recorded as begun before it is made, and
its answer is recorded after it, in a journal (call_journal.py). When the calls are over, or their process is dead, the
journal tells for every request whether it was answered, may have been billed without an answer, or was never asked. It
becomes result lines in the shape of the provider's batches, which are archived and collected like those.

Exactly once cannot be guaranteed here: a request whose process is killed between the call and its answer is `missing`,
and its billing stays unknown. It is not asked again automatically.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from grabient_assets import interrupts
from grabient_assets.errors import (
    AmbiguousSubmissionError,
    CredentialsError,
    ModelUnavailableError,
    ProviderError,
    RequestRejectedError,
)
from grabient_assets.ledger import batches
from grabient_assets.ledger.archive import archive_results
from grabient_assets.ledger.backoff import deferral
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.call_journal import Journal, calls_of, forget_calls, open_journal, tidy
from grabient_assets.ledger.collect import Fetched, settle_batch, write_batch
from grabient_assets.ledger.sending_lock import is_being_sent, lost
from grabient_assets.ledger.settling import AnswerReader
from grabient_assets.providers.connect import line_reader
from grabient_assets.providers.contract import BatchProvider, BatchState
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.locks import Held, LockName, Locks

MOST_CALLS = 500
"""The most requests of one intent: its answers are stored, and its money is settled, when all of them are over."""

_FINAL = (CredentialsError, ModelUnavailableError, RequestRejectedError)
"""After one of these nothing is due again by itself: its asks are stopped (send.py)."""


def make_calls(
    batch: BatchRecord,
    lines: Sequence[tuple[str, bytes]],
    model: Model,
    provider: BatchProvider,
    warehouse: Warehouse,
    clock: Callable[[], datetime],
    lock: Held,
    *,
    lets_go: bool = False,
) -> ProviderError | None:
    """Make one call for each (custom_id, request line), several at a time; returns the error that ended the calls.

    All processes that share the warehouse never have more calls under way at the provider together than the registry
    allows. No call begins after the `lock` of the batch was lost, which raises WarehouseError.
    With `lets_go`, stopping the batch or the program does not wait for the answer of a call under way: it stays begun,
    so its billing is unknown.
    """
    most = load_registry().direct[batch.provider].in_flight
    tidy(warehouse)
    journal = open_journal(warehouse, batch.batch_id, clock)
    calling = _Calling(lines, journal)

    def cancelled() -> bool:
        return lets_go and (calling.is_over or interrupts.requested() is not None)

    def work() -> None:
        try:
            while (one := calling.next()) is not None:
                with _slot(warehouse, batch.provider, most, calling) as free:
                    if free:
                        call(*one)
        except BaseException:
            calling.stop()
            raise

    def call(custom_id: str, line: bytes) -> None:
        interrupts.check_before_sending()
        if not lock.stands():
            raise lost(warehouse, batch.batch_id)
        journal.began(custom_id)
        try:
            with interrupts.let_go_when(cancelled):
                answer = provider.send_directly(line, model)
        except interrupts.LetGo:
            calling.stop()
        except AmbiguousSubmissionError as error:  # it may have been billed, so it stays begun
            calling.stop(error)
        except ProviderError as error:
            journal.put_back(custom_id)
            calling.stop(error)
        except interrupts.Interrupted as stopped:
            if not stopped.unfinished:
                journal.put_back(custom_id)
            raise
        else:
            journal.answered(custom_id, answer)

    try:
        with ThreadPoolExecutor(min(most, len(lines)), thread_name_prefix="call") as threads:
            working = [threads.submit(work) for _ in range(min(most, len(lines)))]
        for one in working:
            one.result()
    finally:
        journal.close()
    return calling.error


class _Calling:
    """The requests still to be asked, and whether the calls go on."""

    def __init__(self, lines: Sequence[tuple[str, bytes]], journal: Journal) -> None:
        self._lines, self._journal = iter(lines), journal
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._stopped = False
        self.error: ProviderError | None = None

    def next(self) -> tuple[str, bytes] | None:
        with self._lock:
            return None if self.is_over else next(self._lines, None)

    @property
    def is_over(self) -> bool:
        """Whether no further call may begin: after an error, or because a person stopped the batch."""
        return self._stopped or self._journal.is_stopped

    def takes_turn(self, held: ExitStack) -> bool:
        """Wait until no other thread of these calls waits for a place. False when the calls end before."""
        while not self._turn.acquire(timeout=interrupts.SLICE_SECONDS):
            interrupts.check()
            if self.is_over:
                return False
        held.callback(self._turn.release)
        return True

    def stop(self, error: ProviderError | None = None) -> None:
        self._stopped = True
        self.error = self.error or error


@contextmanager
def _slot(warehouse: Warehouse, provider: str, most: int, calling: _Calling) -> Iterator[bool]:
    """Hold one of the places of the provider, as soon as one is free. False when the calls end before.

    A place is a lock: it ends with the process that holds it. Who waits for a place holds the lock of the queue, so a
    process that has just left its place does not take it again before others. Of each batch one thread waits there.
    """
    places = [_place(provider, str(number)) for number in range(most)]
    with ExitStack() as held:
        with ExitStack() as queue:
            free = (
                calling.takes_turn(queue)
                and _first_free([_place(provider, "queue")], warehouse.locks, queue, calling)
                and _first_free(places, warehouse.locks, held, calling)
            )
        yield free


def _place(provider: str, which: str) -> LockName:
    return LockName(f"direct:{provider}:{which}", f"direct/{provider}.{which}.slot")


def _first_free(names: Sequence[LockName], locks: Locks, held: ExitStack, calling: _Calling) -> bool:
    """Take the first of these locks that is free. False when the calls end before one is."""
    while not calling.is_over:
        interrupts.check()
        if (lock := locks.take(names)) is not None:
            held.enter_context(lock)
            return True
        time.sleep(locks.look_every * random.uniform(0.5, 1.5))
    return False


def fetch_calls(
    batch: BatchRecord,
    warehouse: Warehouse,
    store: ObjectStore,
    now: datetime,
    run_id: str | None = None,
    error: ProviderError | None = None,
) -> Fetched | None:
    """The calls as an ended batch whose result lines are archived; None when no call was begun and nobody stopped the
    batch.

    `error`: the reason why the calls ended early. Requests that were never asked are due again then, after a backoff.
    """
    calls = calls_of(warehouse, batch.batch_id)
    if not calls.began and batch.cancel_asked_at is None:
        return None
    lines = [line for custom_id, (_, line) in calls.answered.items() if custom_id in calls.began]
    with warehouse.read() as database:
        requests = {
            r.custom_id: replace(
                r,
                began_at=calls.began.get(r.custom_id),
                answered_at=calls.answered[r.custom_id][0] if r.custom_id in calls.answered else None,
            )
            for r in batches.requests_of(database, batch.batch_id)
        }
        delivered = batches.deliveries(database, requests, exclude=batch.batch_id)
        times_before = batches.deferrals(database, batch.provider, exclude=batch.batch_id)
    if error is not None and not isinstance(error, _FINAL):
        pause = deferral(times_before, batch.batch_id, getattr(error, "retry_after", None))
        batch = replace(batch, retry_at=now + pause)
    ended_at = max([at for at, _ in calls.answered.values()], default=now)
    state = BatchState(
        provider_batch_id="",
        state="ended",
        raw_status="direct",
        outcome="completed" if batch.cancel_asked_at is None else "cancelled",
        total=len(requests),
        error=str(error) if error is not None else None,
        created_at=min(calls.began.values(), default=now),
        ended_at=ended_at,
    )
    batch = replace(
        batch,
        results_key=archive_results(store, batch.batch_id, state, lines),
        submitted_at=state.created_at,
        ended_at=ended_at,
        outcome=state.outcome,
        raw_status=state.raw_status,
        collect_run_id=run_id,
    )
    return Fetched(batch, state, lines, requests, delivered)


def collect_calls(
    batch: BatchRecord,
    model: Model,
    warehouse: Warehouse,
    store: ObjectStore,
    reader: Callable[[BatchRecord], AnswerReader],
    clock: Callable[[], datetime],
    error: ProviderError | None,
) -> BatchRecord | None:
    """Store the results of the calls; returns the batch afterwards. None when no call was begun."""
    while True:
        with warehouse.read() as database:
            latest = batches.batch(database, batch.batch_id) or batch
        if latest.status != "intended":
            return latest
        fetched = fetch_calls(latest, warehouse, store, clock(), batch.submit_run_id, error)
        if fetched is None:
            return None
        settled = settle_batch(fetched, model, line_reader(batch.provider), reader(fetched.batch))
        with warehouse.write() as database:
            done = write_batch(database, settled, clock)
        if done is not None:  # otherwise a person asked to stop it meanwhile
            forget_calls(warehouse, batch.batch_id)
            return done.batch


def take_up(
    batch: BatchRecord, warehouse: Warehouse, store: ObjectStore, clock: Callable[[], datetime], run_id: str | None
) -> Fetched | BatchRecord:
    """What to do with an open direct batch: nothing while its process lives; then settle its calls or, when none was
    begun, make its requests due again. Makes no call."""
    if is_being_sent(warehouse, batch.batch_id):
        return batch
    with warehouse.read() as database:
        latest = batches.batch(database, batch.batch_id) or batch
    if latest.status != "intended":
        return latest
    fetched = fetch_calls(latest, warehouse, store, clock(), run_id)
    return fetched or record_never_begun(latest, warehouse, clock())


def record_never_begun(batch: BatchRecord, warehouse: Warehouse, now: datetime) -> BatchRecord:
    """No call was begun: the requests are due at once."""
    why = "Not sent: the program ended before the first call. Its requests are due again."
    changes: dict[str, Any] = {"status": "deferred", "retry_at": now, "error": why}
    with warehouse.write() as database:
        latest = batches.batch(database, batch.batch_id)
        if latest is None or latest.status != "intended":
            return latest or batch
        batches.set_all_fates(database, batch.batch_id, "errored", why)
        batches.update_batch(database, batch.batch_id, **changes)
    forget_calls(warehouse, batch.batch_id)
    return replace(latest, **changes)
