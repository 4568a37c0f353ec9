"""Refinement: Claude Opus sees the picture and the panel's votes, and writes the tags that count and embed_text."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from grabient_assets.groups.palettes.loading import ensure_palettes
from grabient_assets.groups.prompts import prompt_metadata
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.refinement.asking import ask_for_chained, ask_for_refinement
from grabient_assets.groups.refinement.checks import refinement_checks, run_checks
from grabient_assets.groups.refinement.purpose import REFINEMENT
from grabient_assets.groups.refinement.refiner import refiner
from grabient_assets.groups.refinement.run_reports import (
    kept_back,
    observe_plan,
    report_asked,
    report_collected,
    report_ended,
    report_held,
    report_refined,
    report_sent,
)
from grabient_assets.groups.round_log import log_round
from grabient_assets.groups.tagging.withheld import explained
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.holding import release
from grabient_assets.ledger.refined import refinement_failures
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.partitions import chosen_palettes, palette_versions, partition_key
from grabient_assets.resources.hooks import show_reason
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import PUT_OFF_TAG
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

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
    ask: bool = True
    """Unset by the sensor that marks failed palettes: what was asked before is reported, and nothing asked anew."""


def _now() -> datetime:
    return datetime.now(UTC)


@dg.asset(
    partitions_def=palette_versions,
    hooks={show_reason},
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
        complaints = ask_for_chained(house, providers.usable(), providers.answers_from(), _now())
        with providers.connect(refiner().provider) as connection:
            sent = submit_due(
                REFINEMENT,
                Submission(
                    connection,
                    PURPOSES,
                    house,
                    objects.open_for_sending(),
                    _now,
                    images_by_url=providers.images_by_url(),
                ),
                run_id=context.run_id,
                announce=lambda targets: observe_plan(
                    context, house, connection, targets, by_url=providers.images_by_url()
                ),
            )
        for one in sent.batches:
            context.log.info("batch %s: %s requests, %s", one.batch.batch_id, one.batch.request_count, one.batch.status)
        report_sent(context, house, [s.batch.batch_id for s in sent.batches if s.error is None])
        report_held(context, house, sent.held)
        if any(one.batch.status == "deferred" for one in sent.batches):
            context.instance.add_run_tags(context.run_id, {PUT_OFF_TAG: "true"})
        if complaints := (*complaints, *sent.complaints):
            raise dg.Failure(" ".join(dict.fromkeys(complaints)), allow_retries=False)
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
        report_asked(context, house, chosen)
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
    hooks={show_reason},
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
            lambda batch: REFINEMENT.reader(batch, house, store),
            _now,
            context.run_id,
        )
        report_collected(context, house, config.batches)
        yield from run_checks(context, house)
        log_round(context.log, done)
        if done.troubles:
            raise dg.Failure(" ".join(text for _, text in done.troubles), allow_retries=False)
    else:
        chosen = chosen_palettes(context)
        if config.ask:
            _ask(house, providers, chosen)
        report_refined(context, house, chosen)
        failed = _failed(house, chosen)
        report_ended(context, house, list(failed))
        for one in kept_back(house, chosen).values():
            context.log.warning("%s: %s", partition_key(one.partition), explained(one))
        yield from run_checks(context, house)
        if failed:
            alike: dict[str, list[str]] = {}
            for one, reason in list(failed.items())[:10]:
                alike.setdefault(reason.rstrip("."), []).append(one.subject)
            named = "; ".join(f"{', '.join(seeds)}: {reason}" for reason, seeds in alike.items())
            raise dg.Failure(
                f"{counted(len(failed), 'palette')} could not be refined. {named}. "
                "Ask again with `grabient retry`, or materialize refinement_batches with retry_failed.",
                allow_retries=False,
            )


def _failed(warehouse: Warehouse, chosen: Sequence[SubjectVersion]) -> dict[SubjectVersion, str]:
    """Those of the palettes whose refinement has failed, and why."""
    among = set(chosen)
    with warehouse.read() as connection:
        return {one.partition: one.reason for one in refinement_failures(connection) if one.partition in among}


def _ask(
    warehouse: Warehouse,
    providers: ProvidersResource,
    chosen: Sequence[SubjectVersion],
    *,
    retry_failed: bool = False,
    allow_unpriced: bool = False,
    despite_checks: bool = False,
) -> None:
    provider = refiner().provider
    if provider not in providers.usable():
        raise dg.Failure(providers.why_not(provider), allow_retries=False)
    ensure_palettes(warehouse, [p.subject for p in chosen], _now())
    with warehouse.write() as connection:
        release(connection, _now())
    ask_for_refinement(
        chosen,
        providers.answers_from(),
        warehouse,
        _now(),
        retry_failed=retry_failed,
        allow_unpriced=allow_unpriced,
        despite_checks=despite_checks,
    )
