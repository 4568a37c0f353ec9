"""The jobs that every purpose has, made of the list of purposes: submit, collect, mark as failed, cancel."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from pydantic import Field

from grabient_assets.asking import checks
from grabient_assets.asking.purpose_assets import PurposeAssets
from grabient_assets.asking.reports import log_round, report_collected
from grabient_assets.errors import GrabientError
from grabient_assets.ledger.batches import BatchRecord, batches_of
from grabient_assets.ledger.cancel import stop_batch
from grabient_assets.ledger.closing import finish_batch
from grabient_assets.ledger.collect import Collected
from grabient_assets.ledger.purpose import Purposes
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.settling import AnswerReader, ReaderOf
from grabient_assets.ledger.wait_limit import USUAL_TIMEOUT_SECONDS, WaitLimit
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import show_reason
from grabient_assets.resources.runs import ROLE_TAG
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

Shown = Mapping[str, PurposeAssets]
"""What has assets, by the names of the purposes, upstream before downstream."""

COLLECT_OP = "collect_batches"


class CollectBatchConfig(dg.Config):
    """Which batches are collected."""

    batches: list[str] = Field(default_factory=list)
    """Our batch ids. With none, the run only completes and reports subjects that became complete in another way."""


class CancelConfig(dg.Config):
    """Which batch a person wants stopped."""

    batch: str
    """Our batch id or the provider's."""
    give_up: bool = False
    """Close the batch here when its provider does not have it, cannot be asked for it, or does not hand out its
    results. The provider has to answer so twice, a settling time apart."""
    timeout_seconds: float = USUAL_TIMEOUT_SECONDS
    """The limit for its end, and then for its results."""


def _now() -> datetime:
    return datetime.now(UTC)


def submit_job(shown: PurposeAssets) -> UnresolvedAssetJobDefinition:
    """The job `submit_<purpose>`, over the assets that ask."""
    return dg.define_asset_job(
        f"submit_{shown.name}",
        selection=dg.AssetSelection.assets(*shown.asking_assets),
        description=f"Ask for {shown.name}. Started by a person it records what is wanted; the sensor {shown.name}_due "
        "starts it to send everything that is wanted.",
    )


def mark_failed_job(shown: Shown) -> UnresolvedAssetJobDefinition:
    """The job `mark_failed`, over the answers of every purpose."""
    assets = [asset for one in shown.values() for asset in one.answers]
    return dg.define_asset_job(
        "mark_failed",
        selection=dg.AssetSelection.assets(*assets),
        description="Fails with the reasons, under the partitions that have failed: Dagster shows a partition as "
        "failed only through a failed run.",
    )


def collect_batch_job(purposes: Purposes, shown: Shown) -> dg.JobDefinition:
    """The job `collect_batch`: it has no partitions, so a deleted partition keeps nothing from being collected."""

    @dg.op(name=COLLECT_OP, description="Fetches and stores the answers of batches that have ended, and reports them.")
    def collect(
        context: dg.OpExecutionContext,
        config: CollectBatchConfig,
        warehouse: WarehouseResource,
        objects: ObjectsResource,
        providers: ProvidersResource,
    ) -> None:
        database, store = warehouse.open(context), objects.open()
        reader = _reader_of(purposes, database, store)
        done = collect_batches(config.batches, providers.connect, database, store, reader, _now, context.run_id)
        log_round(context.log, done)
        collected = {one.batch.batch_id for one in done.collected}
        with database.read() as connection:
            found = batches_of(connection, config.batches)
        concerned = [one for one in shown.values() if not found or any(b.purpose == one.name for b in found)]
        report_collected(context, concerned, database, config.batches, providers.usable(), collected)
        _report_checks(context, concerned, database)
        if done.troubles:
            raise dg.Failure(" ".join(text for _, text in done.troubles), allow_retries=False)

    @dg.job(
        name="collect_batch",
        hooks={show_reason},
        description="Fetch and store the answers of batches that have ended. The sensor batches_ended starts it.",
    )
    def job() -> None:
        collect()

    return job


def cancel_batch_job(purposes: Purposes, shown: Shown) -> dg.JobDefinition:
    """The job `cancel_batch`. It is one step, because a stopped batch must also be collected."""

    @dg.op(
        name="stop_and_collect", description="Asks the provider to stop, waits for the end, stores what was finished."
    )
    def stop_and_collect(
        context: dg.OpExecutionContext,
        config: CancelConfig,
        warehouse: WarehouseResource,
        objects: ObjectsResource,
        providers: ProvidersResource,
    ) -> None:
        database, store = warehouse.open(context), objects.open()
        reader = _reader_of(purposes, database, store)
        wait_limit = WaitLimit(config.timeout_seconds, context.log.info)
        try:
            stopped = stop_batch(
                config.batch, providers.connect, database, reader, _now, wait_limit, give_up=config.give_up
            )
            context.log.info(stopped.sentence)
            if stopped.to_collect:
                done = finish_batch(
                    stopped.batch,
                    providers.connect,
                    database,
                    store,
                    reader,
                    _now,
                    wait_limit,
                    context.run_id,
                    give_up=config.give_up,
                )
                _log_collected(context, done)
        except GrabientError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        concerned = [one for one in shown.values() if one.name == stopped.batch.purpose]
        report_collected(context, concerned, database, [stopped.batch.batch_id], providers.usable())

    @dg.job(
        name="cancel_batch",
        hooks={show_reason},
        description="Stop a batch at its provider, keep what was finished, and record the rest as cancelled: it is not "
        "asked again by itself. Name the batch in the run config.",
        tags={ROLE_TAG: "cancel"},  # no job waits for it: other requests are sent meanwhile
    )
    def job() -> None:
        stop_and_collect()

    return job


def _reader_of(purposes: Purposes, warehouse: Warehouse, store: ObjectStore) -> ReaderOf:
    def reader(batch: BatchRecord) -> AnswerReader:
        return purposes[batch.purpose].reader(batch, warehouse, store)

    return reader


def _report_checks(context: dg.OpExecutionContext, concerned: Iterable[PurposeAssets], warehouse: Warehouse) -> None:
    for shown in concerned:
        for result in checks.results(shown.checks, warehouse):
            context.log_event(checks.evaluation(result))  # pyright: ignore[reportArgumentType] it is stored all the same


def _log_collected(context: dg.OpExecutionContext, done: Collected | None) -> None:
    """What was stored, into the run's log. Odd results are a warning."""
    if done is None:
        return
    fates = ", ".join(f"{count} {fate}" for fate, count in sorted(done.fates.items()))
    log = context.log.warning if done.batch.error else context.log.info
    log(f"Batch {done.batch.batch_id} is collected: {fates}. {done.batch.error or ''}".strip())
