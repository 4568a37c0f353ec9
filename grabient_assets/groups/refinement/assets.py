"""Refinement: Claude Opus sees the picture and the panel's votes, and writes the tags that count and embed_text."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from grabient_assets.batching.round import collect_batches
from grabient_assets.groups.palettes.loading import ensure_palettes
from grabient_assets.groups.plan_metadata import plan_metadata
from grabient_assets.groups.prompts import prompt_metadata
from grabient_assets.groups.refinement.asking import PURPOSE, ask_for_refinement, refiner
from grabient_assets.groups.refinement.checks import refinement_checks, run_checks
from grabient_assets.groups.refinement.planning import plan_refinements
from grabient_assets.groups.refinement.reading import RefinedReader
from grabient_assets.groups.refinement.reports import refined_events
from grabient_assets.groups.refinement.submission import ask_for_chained, hold_key, submit_due_refinements
from grabient_assets.groups.tagging.withheld import explained
from grabient_assets.partitions import by_version, chosen_palettes, palette_versions, partition_key
from grabient_assets.resources.dead_runs import broken_off
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import PUT_OFF_TAG
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.warehouse.asks import PaletteVersion
from grabient_assets.warehouse.batches import batches_of, palettes_in, record_reported, submit_runs
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.money import holds
from grabient_assets.warehouse.refined import DueRefinement, due_refinements, refined, underway_refinements
from grabient_assets.warehouse.usage import measured_tokens
from grabient_assets.warehouse.withheld import Withheld, withheld_palettes

GROUP = "refinement"


class RefineConfig(dg.Config):
    """What a person may say when materializing refinement_batches."""

    retry_failed: bool = False
    """Ask again where the refiner's answer could not be used."""
    allow_unpriced: bool = False
    """Send also when the refiner's batch price is not known; whoever sends later keeps to it."""
    despite_checks: bool = False
    """Refine also palettes that a check keeps back; whoever sends later keeps to it."""
    send_due: bool = False
    """Set by the sensor: send everything that is due, instead of asking for the partitions of this run."""


class CollectConfig(dg.Config):
    """What a collecting run is about. Without batches, the run asks for and reports its own partitions."""

    batches: list[str] = Field(default_factory=list)
    """Batches to collect, by our id."""


def _now() -> datetime:
    return datetime.now(UTC)


@dg.asset(
    partitions_def=palette_versions,
    group_name=GROUP,
    kinds={"anthropic"},
    deps=["tag_consensus", "palette_images"],
    output_required=False,
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="Refinement requests to Claude Opus through Anthropic's Message Batches: picture, colours, consensus. "
    "Materializing asks; the sensor refinement_due sends, once the tagging of a palette is complete.",
    metadata={"dagster/table_name": "batches", **prompt_metadata("refinement")},
)
def refinement_batches(
    context: dg.AssetExecutionContext,
    config: RefineConfig,
    warehouse: WarehouseResource,
    objects: ObjectsResource,
    providers: ProvidersResource,
):
    house = warehouse.open(context)
    if config.send_due:
        ask_for_chained(house, providers.usable(), providers.answers_from(), _now())
        with providers.connect(refiner().provider) as connection:
            sent = submit_due_refinements(
                connection,
                house,
                objects.open(),
                _now,
                by_url=providers.images_by_url(),
                run_id=context.run_id,
                announce=lambda due: _observe_plan(context, house, due, by_url=providers.images_by_url()),
            )
        for one in sent.batches:
            context.log.info("batch %s: %s requests, %s", one.batch.batch_id, one.batch.request_count, one.batch.status)
        _report_sent(context, house, [s.batch.batch_id for s in sent.batches if s.error is None])
        _report_held(context, house, sent.held)
        if any(one.batch.status == "deferred" for one in sent.batches):
            context.instance.add_run_tags(context.run_id, {PUT_OFF_TAG: "true"})
        if sent.complaints:
            raise dg.Failure(" ".join(dict.fromkeys(sent.complaints)), allow_retries=False)
    else:
        chosen = chosen_palettes(context)
        _ask(
            house,
            providers,
            chosen,
            retry_failed=config.retry_failed,
            allow_unpriced=config.allow_unpriced,
            despite_checks=config.despite_checks,
        )
        context.log.info("%d palettes asked for; refinement_due sends what is missing", len(chosen))
        _report_asked(context, house, chosen)
    yield from ()


@dg.multi_asset(
    name="collect_refinement",
    specs=[
        dg.AssetSpec(
            "refined_tags",
            deps=[refinement_batches],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="The tags that count, within the limits of the source document; gaps are filled from the "
            "consensus by rule and marked.",
            metadata={"dagster/table_name": "palette_tag_refined"},
        ),
        dg.AssetSpec(
            "embed_text",
            deps=["refined_tags"],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="30 to 50 words for the vector search; outside the limits it is repaired by rule and marked.",
            metadata={"dagster/table_name": "palette_tag_refined"},
        ),
    ],
    check_specs=refinement_checks,
    partitions_def=palette_versions,
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def collect_refinement(
    context: dg.AssetExecutionContext,
    config: CollectConfig,
    warehouse: WarehouseResource,
    objects: ObjectsResource,
    providers: ProvidersResource,
):
    house = warehouse.open(context)
    if not context.selected_asset_keys:
        yield from run_checks(context, house)  # a person runs the checks alone
    elif config.batches:
        done = collect_batches(
            config.batches,
            providers.connect,
            house,
            store := objects.open(),
            lambda batch: RefinedReader(house, store, batch),
            _now,
            context.run_id,
        )
        _report_collected(context, house, config.batches)
        yield from run_checks(context, house)
        for one in done.collected:
            fates = ", ".join(f"{count} {fate}" for fate, count in sorted(one.fates.items()))
            context.log.info("batch %s collected: %s; %s USD", one.batch.batch_id, fates, one.batch.cost_usd)
        if done.troubles:
            raise dg.Failure(" ".join(text for _, text in done.troubles), allow_retries=False)
    else:
        chosen = chosen_palettes(context)
        _ask(house, providers, chosen)
        failed = _report_refined(context, house, chosen)
        for one in _withheld(house, chosen).values():
            context.log.warning("%s: %s", partition_key(one.partition), explained(one))
        yield from run_checks(context, house)
        if failed:
            raise dg.Failure(
                f"{len(failed)} palettes could not be refined. {'; '.join(failed[:10])}. "
                "Ask again with `grabient retry`, or materialize refinement_batches with retry_failed.",
                allow_retries=False,
            )


def _ask(
    warehouse: Warehouse,
    providers: ProvidersResource,
    chosen: Sequence[PaletteVersion],
    *,
    retry_failed: bool = False,
    allow_unpriced: bool = False,
    despite_checks: bool = False,
) -> None:
    provider = refiner().provider
    if provider not in providers.usable():
        raise dg.Failure(providers.why_not(provider), allow_retries=False)
    ensure_palettes(warehouse, [p.seed for p in chosen], _now())
    ask_for_refinement(
        chosen,
        providers.answers_from(),
        warehouse,
        _now(),
        retry_failed=retry_failed,
        allow_unpriced=allow_unpriced,
        despite_checks=despite_checks,
    )


def _withheld(warehouse: Warehouse, chosen: Sequence[PaletteVersion]) -> dict[PaletteVersion, Withheld]:
    with warehouse.read() as connection:
        return {one.partition: one for one in withheld_palettes(connection, chosen)}


def _report_asked(context: dg.AssetExecutionContext, warehouse: Warehouse, chosen: Sequence[PaletteVersion]) -> None:
    """Report that these palettes are asked for, and of those that a check keeps back why they wait."""
    withheld = _withheld(warehouse, chosen)
    for partition in chosen:
        state = {"state": "asked; the sensor refinement_due sends it when the tagging is complete"}
        if partition in withheld:
            state = {"state": "kept from refinement", "why": explained(withheld[partition])}
            context.log.warning("%s: %s", partition_key(partition), state["why"])
        context.log_event(
            dg.AssetMaterialization(context.asset_key, partition=partition_key(partition), metadata=state)
        )


def _observe_plan(
    context: dg.AssetExecutionContext, warehouse: Warehouse, due: Sequence[DueRefinement], *, by_url: bool
) -> None:
    """Put what is about to be sent on the run and on the asset, before the first create call."""
    with warehouse.read() as database:
        measured = measured_tokens(database)
        planned = [
            plan_refinements(database, version, seeds, _now().date(), measured, by_url=by_url)
            for version, seeds in by_version([one.partition for one in due]).items()
        ]
    metadata = plan_metadata([(one.model.id, one.sending, one.cannot) for one in planned])
    context.log_event(dg.AssetObservation(context.asset_key, description="About to be sent", metadata=metadata))


def _report_sent(context: dg.AssetExecutionContext, warehouse: Warehouse, batch_ids: Sequence[str]) -> None:
    with warehouse.read() as connection:
        sent = underway_refinements(connection, batch_ids)
        runs = submit_runs(connection, batch_ids)
    for partition, batch_id in sent:
        metadata: dict[str, dg.MetadataValue] = {
            "state": dg.MetadataValue.text("with the provider"),
            "batch": dg.MetadataValue.text(batch_id),
        }
        run_id = runs.get(batch_id)
        if run_id:
            metadata["sent by"] = dg.MetadataValue.dagster_run(run_id)
        context.log_event(
            dg.AssetMaterialization(context.asset_key, partition=partition_key(partition), metadata=metadata)
        )


def _report_held(context: dg.AssetExecutionContext, warehouse: Warehouse, sentences: Sequence[str]) -> None:
    """Say of the palettes whose refinement waits for money that it does."""
    for sentence in dict.fromkeys(sentences):
        context.log.warning(sentence)
    if not sentences:
        return
    name = refiner().provider
    with warehouse.read() as connection:
        waiting = {hold.key for hold in holds(connection, PURPOSE, name)}
        due = [one.partition for one in due_refinements(connection) if hold_key(name, one) in waiting]
    metadata = {
        "state": dg.MetadataValue.text("over budget"),
        "why": dg.MetadataValue.text(" ".join(sentences)[:1000]),
    }
    for partition in due:
        key = partition_key(partition)
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))


def _report_collected(context: dg.AssetExecutionContext, warehouse: Warehouse, batch_ids: Sequence[str]) -> None:
    """Report what these batches brought, also when a process that was killed has collected them, and the asking of
    palettes whose submitting run did not come to its end."""
    with warehouse.read() as connection:
        found = [one for one in batches_of(connection, batch_ids) if one.status == "collected"]
    unsent = broken_off(context.instance, {one.submit_run_id for one in found})
    with warehouse.read() as connection:
        chosen = palettes_in(connection, [one.batch_id for one in found])
        silent = palettes_in(connection, [one.batch_id for one in found if one.submit_run_id in unsent])
    _report_refined(context, warehouse, chosen)
    for partition in silent:
        key, metadata = partition_key(partition), {"state": "answered"}
        context.log_event(dg.AssetMaterialization("refinement_batches", partition=key, metadata=metadata))
    with warehouse.write() as connection:
        record_reported(connection, batch_ids, _now())


def _report_refined(
    context: dg.AssetExecutionContext, warehouse: Warehouse, chosen: Sequence[PaletteVersion]
) -> list[str]:
    """Report the refined ones among the palettes; returns a sentence for each that failed."""
    with warehouse.read() as connection:
        rows = refined(connection, chosen)
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    for event in refined_events(warehouse, rows, selected):
        context.log_event(event)
    return [f"{row.seed}: {row.error.rstrip('.')}" for row in rows if row.error is not None]
