"""One round of collection: several batches, each on its own, so that an error of one never delays the others."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets import interrupts
from grabient_assets.errors import GrabientError, ProviderBusyError, RegistryError, UsageError, WarehouseError
from grabient_assets.ledger import batches
from grabient_assets.ledger.adopt import adopt_batch
from grabient_assets.ledger.backoff import pause_after, pauses, record_pauses
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.collect import Collected, Fetched, SettledBatch, fetch_batch, settle_batch, write_batch
from grabient_assets.ledger.connection import Connect, Connection
from grabient_assets.ledger.direct import take_up
from grabient_assets.ledger.settling import ReaderOf
from grabient_assets.providers.connect import line_reader
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import gc_paused
from grabient_assets.wording import describe_error

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FETCHED_AHEAD = 2
"""The batches that are fetched, and held in memory, while one is settled."""

WRITTEN_TOGETHER = 20_000
"""The most settled answers that wait in memory, some 200 MB, until they are written."""


@dataclass(frozen=True, slots=True)
class Round:
    """The outcome of the batches: collected now, still waiting, or in trouble (batch id and a sentence)."""

    collected: tuple[Collected, ...]
    waiting: tuple[str, ...]
    troubles: tuple[tuple[str, str], ...]


@interrupts.heeded()
def collect_batches(
    batch_ids: Sequence[str],
    connect: Connect,
    warehouse: Warehouse,
    store: ObjectStore,
    reader: ReaderOf,
    clock: Callable[[], datetime],
    run_id: str | None = None,
    *,
    regardless_of_pauses: bool = False,
) -> Round:
    """Adopt batches that were sent without a receipt, and collect batches that have ended. Collected batches are
    skipped, and so is a provider that asked for a pause, unless a person waits for it (`regardless_of_pauses`)."""
    waiting: list[str] = []
    troubles: dict[str, GrabientError] = {}
    with warehouse.read() as database:
        found = {batch.batch_id: batch for batch in batches.batches_of(database, batch_ids)}
        paused = {} if regardless_of_pauses else pauses(database, clock())
    for batch_id in dict.fromkeys(batch_ids):
        if batch_id not in found:
            troubles[batch_id] = UsageError(f"There is no batch {batch_id}; `grabient status` lists the open ones.")
    written = _Writing(warehouse, clock, troubles)
    asked_for: dict[str, datetime] = {}
    with ExitStack() as stack, gc_paused():
        connections = _Connections(connect, stack)
        adopting = threading.Lock()

        def fetch(batch: BatchRecord) -> Fetched | BatchRecord:
            """The batch with its results, or its record when there is nothing to settle."""
            if batch.delivery == "direct":
                return take_up(batch, warehouse, store, clock, run_id)
            if batch.provider in paused | asked_for:
                return batch
            try:
                return ask_for(batch)
            except ProviderBusyError as error:
                if pause := pause_after(error, clock()):
                    asked_for[batch.provider] = pause
                raise

        def ask_for(batch: BatchRecord) -> Fetched | BatchRecord:
            connection = connections[batch.provider]
            if batch.status == "intended":
                with adopting:  # one after the other: a batch that one of them adopts is no candidate for the next
                    batch = adopt_batch(batch, connection, warehouse, clock)
            if batch.status != "submitted":
                return batch
            return fetch_batch(batch, connection, warehouse, store, clock, run_id) or batch

        chosen = [found[batch_id] for batch_id in dict.fromkeys(batch_ids) if batch_id in found]
        waited_for = [b for b in chosen if b.status in ("intended", "submitted") and b.delivery == "batch"]
        connections.open({batch.provider for batch in waited_for})
        for batch, fetching in _ahead(chosen, fetch):
            try:
                fetched = fetching.result()
                if isinstance(fetched, BatchRecord):
                    waiting += [batch.batch_id] if fetched.status in ("intended", "submitted") else []
                    continue
                direct = batch.delivery == "direct"
                read = line_reader(batch.provider) if direct else connections[batch.provider].provider.read_line
                settled = settle_batch(fetched, registered_model(batch), read, reader(fetched.batch))
            except Exception as error:  # noqa: BLE001 - one batch; the paid answers of others wait
                troubles[batch.batch_id] = _trouble(error, batch.batch_id)
            else:
                written.add(settled)
        written.flush()
    if asked_for or troubles:
        try:
            with warehouse.write() as database:
                record_pauses(database, asked_for)
                batches.record_not_collected(database, troubles)
        except WarehouseError:  # a full disk takes no record either; the troubles below report it
            if not troubles:
                raise
    return Round(tuple(written.collected), tuple(waiting), tuple((i, str(error)) for i, error in troubles.items()))


def _trouble(error: Exception, batch_id: str) -> GrabientError:
    return (
        error
        if isinstance(error, GrabientError)
        else GrabientError(describe_error(error, f"Collecting batch {batch_id}"))
    )


class _Writing:
    """Writes settled batches, each in its own transaction and several while the file is open: closing it takes longer
    than a transaction. The results of a process that dies before are archived, and are settled again."""

    def __init__(self, warehouse: Warehouse, clock: Callable[[], datetime], troubles: dict[str, GrabientError]) -> None:
        self.collected: list[Collected] = []
        self._warehouse, self._clock, self._troubles = warehouse, clock, troubles
        self._pending: list[SettledBatch] = []

    def add(self, one: SettledBatch) -> None:
        self._pending.append(one)
        if sum(len(one.settled) for one in self._pending) >= WRITTEN_TOGETHER:
            self.flush()

    def flush(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        try:
            with self._warehouse.transactions() as transaction:
                while pending:
                    self._write(transaction, pending.pop(0))
        except GrabientError as error:  # the file could not be opened
            self._troubles |= {one.batch.batch_id: error for one in pending}

    def _write(self, transaction: Callable[[], AbstractContextManager[DuckDBPyConnection]], one: SettledBatch) -> None:
        try:
            with transaction() as connection:
                done = write_batch(connection, one, self._clock)
        except Exception as error:  # noqa: BLE001 - one batch; the paid answers of others wait
            self._troubles[one.batch.batch_id] = _trouble(error, one.batch.batch_id)
        else:
            self.collected += [done] if done else []


def _ahead(
    chosen: Sequence[BatchRecord], fetch: Callable[[BatchRecord], Fetched | BatchRecord]
) -> Iterator[tuple[BatchRecord, Future[Fetched | BatchRecord]]]:
    """Each batch with its fetching. The next ones are fetched while a batch is settled: fetching waits for the network,
    settling uses the processor."""
    with ThreadPoolExecutor(max_workers=FETCHED_AHEAD, thread_name_prefix="fetch") as threads:
        fetching: deque[Future[Fetched | BatchRecord]] = deque()
        for number, batch in enumerate(chosen):
            fetching += [
                threads.submit(fetch, one) for one in chosen[number + len(fetching) : number + 1 + FETCHED_AHEAD]
            ]
            wait([fetching[0]])
            yield batch, fetching.popleft()


class _Connections:
    """One connection per provider, closed with the stack."""

    def __init__(self, connect: Connect, stack: ExitStack) -> None:
        self._connect, self._stack = connect, stack
        self._open: dict[str, Connection] = {}
        self._opening = threading.Lock()

    def open(self, names: Iterable[str]) -> None:
        """Open these before any thread asks one of them. A provider that cannot be opened reports it to the batch that
        needs it.

        Opening imports the provider's SDK, and openai 3.51 inspects the parts of httpx in `sys.modules` at every call:
        it would find half of it while another thread imports groq's SDK.
        """
        for name in sorted(names):
            with suppress(GrabientError):
                self[name]

    def __getitem__(self, name: str) -> Connection:
        with self._opening:
            if name not in self._open:
                self._open[name] = self._stack.enter_context(self._connect(name))
            return self._open[name]


def registered_model(batch: BatchRecord) -> Model | None:
    """The model in the registry. A model that was removed since only makes the cost unknown."""
    try:
        return load_registry().model(batch.provider, batch.model)
    except RegistryError:
        return None
