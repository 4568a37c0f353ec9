"""When a provider has ended batches, their answers are collected."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from grabient_assets.batching.poll import poll_batches
from grabient_assets.groups.batches.jobs import COLLECTED_BY_PURPOSE, collect_batch
from grabient_assets.partitions import partition_key
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import attempt, busy_with
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.warehouse.asks import PaletteVersion
from grabient_assets.warehouse.batches import BatchRecord, first_seeds, open_batches, record_polled
from grabient_assets.warehouse.connection import Warehouse

UNRECEIPTED_AFTER = timedelta(seconds=10)
"""How old an intent without a receipt is before it is looked up at the provider: its create call may be under way."""


def batches_ended(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: polls open batches and asks for one collecting run per purpose for all that have ended."""

    @dg.sensor(
        name="batches_ended",
        job=collect_batch,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Asks the providers about open batches; those that have ended are collected in one run.",
    )
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        house = warehouse.open()
        with house.read() as connection:
            waiting = [b for b in open_batches(connection) if providers.belongs_here(b.account)]
        if not waiting:
            yield dg.SkipReason("No batch is open.")
            return
        reason = busy_with(context.instance, "collect")
        if reason:
            yield dg.SkipReason(reason)
            return
        polled = poll_batches(waiting, providers.connect_briefly)
        with house.write() as connection:
            record_polled(connection, polled.states, datetime.now(UTC))
        ended = {batch_id for batch_id, state in polled.states.items() if state.state == "ended"}
        ready = [b for b in waiting if b.batch_id in ended or _unreceipted(b)]
        requests = list(_requests(context.instance, house, ready))
        yield from requests
        if not any(isinstance(r, dg.RunRequest) for r in requests):
            running = ", ".join(f"{b.provider} {b.model}" for b in waiting if b.batch_id not in ended)
            yield dg.SkipReason(" ".join([f"{len(waiting)} batches are under way: {running}.", *polled.troubles]))

    return look


def _unreceipted(batch: BatchRecord) -> bool:
    return batch.status == "intended" and datetime.now(UTC) - batch.intended_at > UNRECEIPTED_AFTER


def _requests(
    instance: dg.DagsterInstance, house: Warehouse, ready: list[BatchRecord]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    with house.read() as connection:
        seeds = first_seeds(connection, [b.batch_id for b in ready])
    for purpose, assets in COLLECTED_BY_PURPOSE.items():
        batches = [b for b in ready if b.purpose == purpose]
        if not batches:
            continue
        going = attempt(instance, "collect", [b.batch_id for b in batches])
        if isinstance(going, str):
            yield dg.SkipReason(going)
            continue
        anchor = PaletteVersion(batches[0].prompt_version, seeds[batches[0].batch_id])
        yield dg.RunRequest(
            run_key=going.run_key,
            partition_key=partition_key(anchor),
            asset_selection=[dg.AssetKey(asset) for asset in assets],
            tags={**going.tags, "grabient/batches": str(len(batches))},
            run_config={"ops": {f"collect_{purpose}": {"config": {"batches": [b.batch_id for b in batches]}}}},
        )
