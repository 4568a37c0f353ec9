"""Cancelling a batch from the command line: the wait is shown, then Dagster's job stores and reports what is there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from grabient_assets.errors import GrabientError
from grabient_assets.ledger.cancel import Stopped, stop_batch
from grabient_assets.ledger.wait_limit import WaitLimit
from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse


def cancel(
    name: str, warehouse: Warehouse, settings: Settings, timeout: float, log: Callable[[str], None], *, give_up: bool
) -> Stopped:
    """Stop the batch of this id, ours or the provider's, and store what was finished.

    Raises what `stop_batch` raises, and GrabientError with the reason when storing fails.
    """
    from grabient_assets.groups.purposes import reader_of
    from grabient_assets.resources.objects import open_store
    from grabient_assets.resources.providers import ProvidersResource

    connect, reader = ProvidersResource().connect, reader_of(warehouse, open_store(settings))
    stopped = stop_batch(
        name, connect, warehouse, reader, lambda: datetime.now(UTC), WaitLimit(timeout, log), give_up=give_up
    )
    if stopped.how != "nothing_to_stop":
        log(stopped.sentence)
        _run_job(stopped.batch.batch_id, settings, timeout, give_up)
    return stopped


def _run_job(batch_id: str, settings: Settings, timeout: float, give_up: bool) -> None:
    """Run the job cancel_batch here: it finds the batch ended, collects it, and reports what is complete."""
    from grabient_assets.definitions import grabient
    from grabient_assets.headless.driver import execute_job, quiet_dagster
    from grabient_assets.resources.home import dagster_instance

    how = {"batch": batch_id, "give_up": give_up, "timeout_seconds": timeout}
    config = {"ops": {"stop_and_collect": {"config": how}}}
    with quiet_dagster():
        job = grabient().resolve_job_def("cancel_batch")
        finished = execute_job(job, dagster_instance(settings), config, {})
    if not finished.success:
        raise GrabientError(finished.failure or f"The results of batch {batch_id} could not be stored.")
