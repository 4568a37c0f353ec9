"""Collecting a batch that has been stopped, so that nothing of it is left when the person who stopped it goes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from grabient_assets import interrupts
from grabient_assets.errors import GrabientError
from grabient_assets.ledger import batches
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.closing import salvage_batch
from grabient_assets.ledger.collect import Collected
from grabient_assets.ledger.connection import Connect
from grabient_assets.ledger.patience import Patience, Wait
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.settling import ReaderOf
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse


@interrupts.heeded()
def finish_batch(
    batch: BatchRecord,
    connect: Connect,
    warehouse: Warehouse,
    store: ObjectStore,
    reader: ReaderOf,
    clock: Callable[[], datetime],
    patience: Patience,
    run_id: str | None = None,
    *,
    give_up: bool = False,
) -> Collected | None:
    """Collect the ended batch, and wait for results that are not all there yet. None when another process did it.

    A person waits, so a pause that other processes keep does not hold it up. With `give_up`, results that cannot be
    read are kept as far as they can. Raises GrabientError with the reason when it is still open at the end.
    """
    batch_id, wait = batch.batch_id, Wait(patience)
    while True:
        done = collect_batches([batch_id], connect, warehouse, store, reader, clock, run_id, regardless_of_pauses=True)
        collected = done.collected[0] if done.collected else None
        if done.troubles and give_up:
            with connect(batch.provider) as connection:
                collected = salvage_batch(batch_id, connection, warehouse, store, reader, clock, patience, run_id)
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
                f"Batch {batch_id} has ended at {batch.provider}, but after {patience.seconds:.0f} seconds of waiting "
                f"for its results it is not collected. {latest.error or ''} Nothing is lost: the next `grabient run` "
                f"or the daemon collects it. `grabient cancel {batch_id}` waits on.".replace("  ", " ")
            )
        wait.on(f"{waits_for}: {latest.error}" if latest.error else waits_for)
