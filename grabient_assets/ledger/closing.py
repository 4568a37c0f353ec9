"""Closing a batch in the ledger although its provider does not hand out all of its results.

Only a person has that done. What can be read is kept; the rest is final, and asked again only when somebody retries it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from grabient_assets.errors import ProviderBusyError, ProviderUnreachableError, ResultsError
from grabient_assets.ledger import batches
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.collect import Collected, fetch_batch, settle_batch, write_batch, write_settled
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.costs import FREE, UNKNOWN
from grabient_assets.ledger.fates import Fate
from grabient_assets.ledger.patience import Faults, Patience, Wait, named_wait
from grabient_assets.ledger.round import registered_model
from grabient_assets.ledger.settling import ReaderOf, Settled, Verdict
from grabient_assets.providers.contract import BatchProvider
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse


def close_batch(
    batch: BatchRecord,
    fate: Fate,
    why: str,
    warehouse: Warehouse,
    reader: ReaderOf,
    clock: Callable[[], datetime],
    *,
    status: str,
    error: str | None = None,
) -> BatchRecord | None:
    """End the batch with one fate for every request, final.

    `batch` is the record on which that was decided. None when it has another status or got a provider's id since.
    """
    answers = reader(batch)
    with warehouse.read() as connection:
        requests = batches.requests_of(connection, batch.batch_id)
    charge = UNKNOWN if fate == "missing" else FREE
    settled = [Settled(request, Verdict(fate, why), final=True, charge=charge) for request in requests]
    with warehouse.write() as connection:
        latest = batches.batch(connection, batch.batch_id)
        if latest is None or (latest.status, latest.provider_batch_id) != (batch.status, batch.provider_batch_id):
            return None
        now = ledger_time(connection, clock())
        changes = {"status": status, "collected_at": now, "failed": len(settled), "error": error or why}
        changes["given_up_at"] = now if fate == "missing" else None
        write_settled(connection, latest, settled, answers, now, changes)
        return batches.batch(connection, batch.batch_id)


def salvage_batch(
    batch_id: str,
    connection: Connection,
    warehouse: Warehouse,
    store: ObjectStore,
    reader: ReaderOf,
    clock: Callable[[], datetime],
    patience: Patience,
    run_id: str | None = None,
) -> Collected | None:
    """Collect an ended batch as far as its results can be read, and give up the rest.

    Results that break off are downloaded again, until they break off twice in the same place, a settling time apart, or
    the time is up; the longest are kept. None when it goes on, or another process has collected it. Raises what the
    provider raises about anything but the results.
    """
    with warehouse.read() as database:
        batch = batches.batch(database, batch_id)
    if batch is None or batch.status != "submitted":
        return None
    provider = _AsFarAsItCanBeRead(connection, patience)
    readable = replace(connection, provider=cast(BatchProvider, provider))
    fetched = fetch_batch(batch, readable, warehouse, store, clock, run_id, as_it_is=True)
    if fetched is None:
        return None
    one = settle_batch(fetched, registered_model(batch), connection.provider.read_line, reader(fetched.batch))
    if provider.why is not None:
        problems = [f"Given up: {provider.why}", *one.problems]
        one = replace(one, settled=given_up(one.settled), problems=problems)
    with warehouse.write() as database:
        done = write_batch(database, one, clock)
        if done is not None and provider.why is not None:
            batches.update_batch(database, batch_id, given_up_at=done.batch.collected_at)
        return done


def given_up(settled: Sequence[Settled]) -> list[Settled]:
    """What would be due again by itself is final. Whether a request without an answer was billed nobody knows."""
    return [
        one if one.final else replace(one, final=True, charge=UNKNOWN if one.text is None else one.charge)
        for one in settled
    ]


class _AsFarAsItCanBeRead:
    """A provider whose results end where they cannot be read on; `why` says so then."""

    def __init__(self, connection: Connection, patience: Patience) -> None:
        self._inner = connection.provider
        self._wait, self._faults = Wait(patience), Faults.at(connection)
        self.why: str | None = None

    def download(self, provider_batch_id: str) -> Iterator[bytes]:
        longest: list[bytes] = []
        before: int | None = None
        while True:
            lines: list[bytes] = []
            try:
                for line in self._inner.download(provider_batch_id):
                    lines.append(line)
                return iter(lines)
            except (ResultsError, ProviderBusyError, ProviderUnreachableError) as error:
                longest = max(longest, lines, key=len)
                believed = self._faults.believed(error, self._wait)
                if believed and (len(lines) == before or self._wait.left <= 0):
                    self.why = str(error)
                    return iter(longest)
                if self._wait.left <= 0:
                    raise
                before = len(lines)
                what = f"the results of batch {provider_batch_id} to be whole: {error}"
                self._wait.on(what, max(self._faults.pause, named_wait(error)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
