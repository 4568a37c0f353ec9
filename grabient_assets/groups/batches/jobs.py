"""Jobs about batches, whatever their purpose."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.batching.cancel import USUAL_TIMEOUT_SECONDS, Patience, stop_batch
from grabient_assets.batching.closing import salvage_batch
from grabient_assets.batching.round import collect_batches
from grabient_assets.errors import GrabientError
from grabient_assets.groups.readers import reader_of
from grabient_assets.groups.refinement.reports import refined_events
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.reports import completed_events
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import ROLE_TAG
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.asks import PaletteVersion
from grabient_assets.warehouse.batches import BatchRecord, record_reported, requests_of
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.refined import refined

COLLECTED_BY_PURPOSE = {
    "tagging": ("palette_tags", "tag_consensus"),
    "refinement": ("refined_tags", "embed_text"),
}
"""The assets into which the answers of a batch go. Groups meet through asset keys, so these are names."""

collect_batch = dg.define_asset_job(
    "collect_batch",
    selection=dg.AssetSelection.assets(*(asset for assets in COLLECTED_BY_PURPOSE.values() for asset in assets)),
    description="Fetch and store the answers of batches that have ended. The sensor batches_ended starts it.",
)


class CancelConfig(dg.Config):
    """Which batch a person wants stopped."""

    batch: str
    """Our batch id or the provider's."""
    give_up: bool = False
    """Close it here when its provider does not have it, cannot be asked for it, or does not hand out its results."""
    timeout_seconds: float = USUAL_TIMEOUT_SECONDS
    """How long its end is waited for."""


def _now() -> datetime:
    return datetime.now(UTC)


@dg.op(name="stop_and_collect", description="Asks the provider to stop, waits for the end, stores what was finished.")
def _stop_and_collect(
    context: dg.OpExecutionContext,
    config: CancelConfig,
    warehouse: WarehouseResource,
    objects: ObjectsResource,
    providers: ProvidersResource,
) -> None:
    house = warehouse.open(context)
    store = objects.open()
    reader = reader_of(house, store)
    patience = Patience(config.timeout_seconds, context.log.info)
    try:
        stopped = stop_batch(config.batch, providers.connect, house, reader, _now, patience, give_up=config.give_up)
    except GrabientError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    context.log.info(stopped.sentence)
    if stopped.to_collect:
        batch_id = stopped.batch.batch_id
        done = collect_batches([batch_id], providers.connect, house, store, reader, _now, context.run_id)
        if done.troubles and config.give_up:
            _salvage(context, stopped.batch, house, store, providers)
        elif done.troubles:
            raise dg.Failure(" ".join(text for _, text in done.troubles), allow_retries=False)
    for event in _events(house, stopped.batch, providers.usable()):
        context.log_event(event)
    with house.write() as connection:
        record_reported(connection, [stopped.batch.batch_id], _now())


def _salvage(
    context: dg.OpExecutionContext,
    batch: BatchRecord,
    house: Warehouse,
    store: ObjectStore,
    providers: ProvidersResource,
) -> None:
    reader = reader_of(house, store)
    try:
        with providers.connect(batch.provider) as connection:
            done = salvage_batch(batch.batch_id, connection, house, store, reader, _now, context.run_id)
    except GrabientError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    if done is not None:
        fates = ", ".join(f"{count} {fate}" for fate, count in sorted(done.fates.items()))
        context.log.warning(f"Batch {batch.batch_id} is closed with what could be read: {fates}. {done.batch.error}")


def _events(house: Warehouse, batch: BatchRecord, usable: tuple[str, ...]) -> list[dg.AssetMaterialization]:
    """What is complete now, as a collecting run reports it."""
    if batch.purpose == "tagging":
        return list(completed_events(house, complete_palettes(house, usable, _now)))
    with house.read() as connection:
        seeds = {request.seed for request in requests_of(connection, batch.batch_id)}
        rows = refined(connection, [PaletteVersion(batch.prompt_version, seed) for seed in seeds])
    return list(refined_events(house, rows))


@dg.job(
    name="cancel_batch",
    description="Stop a batch at its provider, keep what was finished, and record the rest as cancelled: it is not "
    "asked again by itself. Name the batch in the run config.",
    tags={ROLE_TAG: "cancel"},  # nobody waits for it: what people ask for goes out meanwhile
)
def cancel_batch() -> None:
    """One step: what is stopped must also be collected."""
    _stop_and_collect()
