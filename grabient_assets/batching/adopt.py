"""Finding out what became of a create call that nobody saw the end of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from grabient_assets.providers.contract import BatchProvider
from grabient_assets.warehouse import batches
from grabient_assets.warehouse.batches import BatchRecord
from grabient_assets.warehouse.connection import Warehouse

SETTLING = timedelta(seconds=60)
"""How long after the intent an absent batch may still turn up in the provider's list."""


def adopt_batch(
    batch: BatchRecord,
    provider: BatchProvider,
    warehouse: Warehouse,
    clock: Callable[[], datetime],
    settling: timedelta = SETTLING,
) -> BatchRecord:
    """Look the intended batch up at the provider and record what is found.

    Proven to be ours: the batch is `submitted` under the provider's id. Certain to be absent, after the settling
    time: `deferred`, so that its requests are due again. Anything else, above all a candidate that still runs and
    cannot be told from ours: unchanged, to be looked up again later. Nothing is sent while one candidate is open.
    """
    with warehouse.read() as connection:
        custom_ids = [r.custom_id for r in batches.requests_of(connection, batch.batch_id)]
        accounted = batches.known_provider_ids(connection, batch.provider)
    candidates = [
        state
        for state in provider.find(
            label=batch.batch_id,
            custom_ids=custom_ids,
            submitted_after=batch.intended_at,
            request_count=batch.request_count,
            input_file_id=batch.input_file_id,
        )
        if state.provider_batch_id not in accounted
    ]
    now = clock()
    proven = [state for state in candidates if state.label == batch.batch_id]
    if proven:
        found = proven[0]
        changes = {
            "status": "submitted",
            "provider_batch_id": found.provider_batch_id,
            "raw_status": found.raw_status,
            "submitted_at": found.created_at or now,
            "error": None,
        }
    elif not candidates and now - batch.intended_at >= settling:
        changes = {
            "status": "deferred",
            "retry_at": now,
            "error": "The create call had no answer and the provider lists no such batch: its requests are due again.",
        }
    else:
        return batch
    with warehouse.write() as connection:
        if changes["status"] == "deferred":
            batches.set_all_fates(connection, batch.batch_id, "errored", "Not sent: the create call never arrived.")
        batches.update_batch(connection, batch.batch_id, **changes)
    return replace(batch, **changes)
