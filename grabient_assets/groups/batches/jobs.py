"""Jobs about batches, whatever their purpose."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.errors import GrabientError
from grabient_assets.groups.readers import reader_of
from grabient_assets.groups.refinement.reports import asked_events as refinement_events
from grabient_assets.groups.refinement.reports import refined_events
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.reports import asked_events as tagging_events
from grabient_assets.groups.tagging.reports import completed_events
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord, record_reported, requests_of
from grabient_assets.ledger.cancel import stop_batch
from grabient_assets.ledger.collect import Collected
from grabient_assets.ledger.finish import finish_batch
from grabient_assets.ledger.patience import USUAL_TIMEOUT_SECONDS, Patience
from grabient_assets.ledger.refined import refined
from grabient_assets.resources.hooks import show_reason
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import report_materializations
from grabient_assets.resources.runs import ROLE_TAG
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.warehouse.connection import Warehouse

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
    """Close it here when its provider does not have it, cannot be asked for it, or does not hand out its results: when
    it says so twice, a settling time apart."""
    timeout_seconds: float = USUAL_TIMEOUT_SECONDS
    """How long its end is waited for, and then its results."""


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
        context.log.info(stopped.sentence)
        if stopped.to_collect:
            done = finish_batch(
                stopped.batch,
                providers.connect,
                house,
                store,
                reader,
                _now,
                patience,
                context.run_id,
                give_up=config.give_up,
            )
            _tell(context, done)
    except GrabientError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    report_materializations(context, _events(house, stopped.batch, providers.usable()))
    with house.write() as connection:
        record_reported(connection, [stopped.batch.batch_id], _now())


def _tell(context: dg.OpExecutionContext, done: Collected | None) -> None:
    """What was stored, into the run's log. Odd results are a warning."""
    if done is None:
        return
    fates = ", ".join(f"{count} {fate}" for fate, count in sorted(done.fates.items()))
    tell = context.log.warning if done.batch.error else context.log.info
    tell(f"Batch {done.batch.batch_id} is collected: {fates}. {done.batch.error or ''}".strip())


def _events(house: Warehouse, batch: BatchRecord, usable: tuple[str, ...]) -> list[dg.AssetMaterialization]:
    """What is complete now, as a collecting run reports it."""
    with house.read() as connection:
        seeds = {request.subject for request in requests_of(connection, batch.batch_id)}
        asked = [SubjectVersion(batch.prompt_version, seed) for seed in seeds]
        rows = refined(connection, asked) if batch.purpose == "refinement" else []
    if batch.purpose == "refinement":
        return [*refined_events(house, rows), *refinement_events(house, asked)]
    completed = complete_palettes(house, usable, _now)
    return [*completed_events(house, completed), *tagging_events(house, batch.provider, [batch.batch_id], asked)]


@dg.job(
    name="cancel_batch",
    hooks={show_reason},
    description="Stop a batch at its provider, keep what was finished, and record the rest as cancelled: it is not "
    "asked again by itself. Name the batch in the run config.",
    tags={ROLE_TAG: "cancel"},  # nobody waits for it: what people ask for goes out meanwhile
)
def cancel_batch() -> None:
    """One step: what is stopped must also be collected."""
    _stop_and_collect()
