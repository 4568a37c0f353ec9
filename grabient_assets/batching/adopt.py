"""Finding out what became of a create call that nobody saw the end of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from grabient_assets.batching.underway import is_being_sent
from grabient_assets.providers.contract import BatchProvider
from grabient_assets.warehouse import batches
from grabient_assets.warehouse.batches import BatchRecord
from grabient_assets.warehouse.connection import Warehouse

SETTLING = timedelta(seconds=60)
"""How long after the create call an absent batch may still turn up in the provider's list."""


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
    cannot be told from ours: unchanged, to be looked up again later. Nothing is sent while one candidate is open, nor
    is anything concluded while the create call is still under way.
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
    absent = not candidates and now - (batch.submitted_at or batch.intended_at) >= settling
    if (not proven and not absent) or is_being_sent(warehouse, batch.batch_id):
        return batch
    with warehouse.write() as connection:
        latest = batches.batch(connection, batch.batch_id)
        if latest is None or latest.status != "intended":
            return latest or batch  # whoever sent it has come back meanwhile
        if proven:
            batches.record_receipt(
                connection,
                batch.batch_id,
                provider_batch_id=proven[0].provider_batch_id,
                raw_status=proven[0].raw_status,
                submitted_at=proven[0].created_at or now,
            )
        else:
            batches.set_all_fates(connection, batch.batch_id, "errored", "Not sent: the create call never arrived.")
            reason = "The create call had no answer and the provider lists no such batch: its requests are due again."
            batches.update_batch(connection, batch.batch_id, status="deferred", retry_at=now, error=reason)
        return batches.batch(connection, batch.batch_id) or batch
