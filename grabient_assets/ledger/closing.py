"""Closing a batch in the ledger although its provider does not hand out all of its results.

This happens only on a person's request. Readable results are kept; the rest is final, and asked again only by a retry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from grabient_assets import interrupts
from grabient_assets.errors import GrabientError, ProviderBusyError, ProviderUnreachableError, ResultsError
from grabient_assets.ledger import batches
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.collect import Collected, fetch_batch, settle_batch, write_batch, write_settled
from grabient_assets.ledger.connection import Connect, Connection
from grabient_assets.ledger.costs import FREE, UNKNOWN
from grabient_assets.ledger.fates import Fate
from grabient_assets.ledger.round import collect_batches, registered_model
from grabient_assets.ledger.settling import ReaderOf, Settled, Verdict
from grabient_assets.ledger.wait_limit import RepeatedFaults, TimedWait, WaitLimit, retry_after
from grabient_assets.providers.contract import BatchProvider, BatchResults
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
    """End the batch with one final fate for every request.

    `batch` is the record of the decision. None when the batch has another status or got a provider's id since.
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
    wait_limit: WaitLimit,
    run_id: str | None = None,
) -> Collected | None:
    """Collect an ended batch as far as its results can be read, and give up the rest.

    Results that break off are downloaded again, until they break off twice in the same place, a settling time apart, or
    the time is up; the longest are kept. None when the batch goes on, or another process has collected it. Raises the
    provider's errors, except errors of the results.
    """
    with warehouse.read() as database:
        batch = batches.batch(database, batch_id)
    if batch is None or batch.status != "submitted":
        return None
    provider = _AsFarAsItCanBeRead(connection, wait_limit)
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
    """Results that would be due again become final. The cost of a request without an answer is unknown."""
    return [
        one if one.final else replace(one, final=True, charge=UNKNOWN if one.text is None else one.charge)
        for one in settled
    ]


class _AsFarAsItCanBeRead:
    """A provider whose results end at the first place that cannot be read; `why` holds the reason."""

    def __init__(self, connection: Connection, wait_limit: WaitLimit) -> None:
        self._inner = connection.provider
        self._wait, self._faults = TimedWait(wait_limit), RepeatedFaults.at(connection)
        self.why: str | None = None

    def results(self, provider_batch_id: str) -> BatchResults:
        results = self._inner.results(provider_batch_id)
        return replace(results, lines=self._lines(results))

    def _lines(self, results: BatchResults) -> Sequence[bytes]:
        provider_batch_id = results.state.provider_batch_id
        longest: list[bytes] = []
        before: int | None = None
        while True:
            lines: list[bytes] = []
            try:
                if before is not None:
                    results = self._inner.results(provider_batch_id)
                for line in results.lines:
                    lines.append(line)
                return lines
            except (ResultsError, ProviderBusyError, ProviderUnreachableError) as error:
                longest = max(longest, lines, key=len)
                final = self._faults.is_final(error, self._wait)
                if final and (len(lines) == before or self._wait.left <= 0):
                    self.why = str(error)
                    return longest
                if self._wait.left <= 0:
                    raise
                before = len(lines)
                what = f"the results of batch {provider_batch_id} to be whole: {error}"
                self._wait.on(what, max(self._faults.pause, retry_after(error)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@interrupts.heeded()
def finish_batch(
    batch: BatchRecord,
    connect: Connect,
    warehouse: Warehouse,
    store: ObjectStore,
    reader: ReaderOf,
    clock: Callable[[], datetime],
    wait_limit: WaitLimit,
    run_id: str | None = None,
    *,
    give_up: bool = False,
) -> Collected | None:
    """Collect the ended batch, and wait for results that are incomplete. None when another process collected it.

    A person waits, so a pause that was set for other processes does not delay it. With `give_up`, the readable part of
    the results is kept. Raises GrabientError with the reason when the batch is still open at the end.
    """
    batch_id, wait = batch.batch_id, TimedWait(wait_limit)
    while True:
        done = collect_batches([batch_id], connect, warehouse, store, reader, clock, run_id, regardless_of_pauses=True)
        collected = done.collected[0] if done.collected else None
        if done.troubles and give_up:
            with connect(batch.provider) as connection:
                collected = salvage_batch(batch_id, connection, warehouse, store, reader, clock, wait_limit, run_id)
        elif done.troubles:
            raise GrabientError(" ".join(text for _, text in done.troubles))
        if collected is not None:
            return collected
        with warehouse.read() as database:
            latest = batches.batch(database, batch_id)
        if latest is None or latest.status != "submitted":
            return None
        waits_for = f"the results of batch {batch_id} to be complete"
        if wait.left <= 0:
            raise GrabientError(
                f"Batch {batch_id} has ended at {batch.provider}, but after {wait_limit.seconds:.0f} seconds of "
                f"waiting for its results it is not collected. {latest.error or ''} Nothing is lost: the next "
                f"`grabient run` or the daemon collects it. `grabient cancel {batch_id}` waits on.".replace("  ", " ")
            )
        wait.on(f"{waits_for}: {latest.error}" if latest.error else waits_for)
