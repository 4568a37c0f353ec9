"""Refinement: Claude Opus sees the picture and the panel's votes, and writes the tags that count and embed_text."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking.assets import (
    CollectConfig,
    collect_chosen,
    prompt_metadata,
    refuse_unusable,
    report_asked,
    send_due,
)
from grabient_assets.asking.purpose_assets import FollowUp, PurposeAssets
from grabient_assets.groups.palettes.loading import ensure_palettes
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.refinement.asking import ask_for_chained, ask_for_refinement, waiting_for_refinement
from grabient_assets.groups.refinement.checks import refinement_checks
from grabient_assets.groups.refinement.purpose import REFINEMENT, refinement_prompt, refiner
from grabient_assets.groups.refinement.refined import refinement_failures
from grabient_assets.groups.refinement.reports import refined_events, withheld_notes
from grabient_assets.ledger.asks import AskTerms, SubjectVersion
from grabient_assets.ledger.held_work import release
from grabient_assets.partitions import PALETTE_VERSIONS, chosen_palettes, palette_versions
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import show_reason
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.warehouse.connection import Warehouse

GROUP = "refinement"

REFINEMENT_ASSETS = PurposeAssets(
    purpose=REFINEMENT,
    purposes=PURPOSES,
    space=PALETTE_VERSIONS,
    providers=lambda: (refiner().provider,),
    asking=lambda _: "refinement_batches",
    asking_assets=("refinement_batches",),
    answers=("refined_tags", "embed_text"),
    marked=("refined_tags", "embed_text"),
    checks=refinement_checks,
    report=lambda warehouse, _usable, _clock, chosen: refined_events(warehouse, chosen),
    failed=lambda connection, _: refinement_failures(connection),
    notes=withheld_notes,
    follow_up=FollowUp(waiting_for_refinement, ask_for_chained),
    settled_sensor="refinement_failed",
    failed_words="could not be refined",
    retry_hint="refinement_batches",
)


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
    metadata={"dagster/table_name": "batches", **prompt_metadata(refinement_prompt)},
)
def refinement_batches(
    context: dg.AssetExecutionContext,
    config: RefineConfig,
    warehouse: WarehouseResource,
    objects: ObjectsResource,
    providers: ProvidersResource,
):
    database, provider = warehouse.open(context), refiner().provider
    if config.send_due:
        send_due(context, REFINEMENT_ASSETS, provider, database, objects, providers)
    else:
        chosen = chosen_palettes(context)
        _ask(database, providers, chosen, config)
        report_asked(context, REFINEMENT_ASSETS, provider, database, chosen)
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
    check_specs=REFINEMENT_ASSETS.check_specs(),
    partitions_def=palette_versions,
    hooks={show_reason},
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def collect_refinement(
    context: dg.AssetExecutionContext,
    config: CollectConfig,
    warehouse: WarehouseResource,
    providers: ProvidersResource,
):
    database = warehouse.open(context)

    def ask(chosen: list[SubjectVersion]) -> None:
        _ask(database, providers, chosen, RefineConfig())

    yield from collect_chosen(context, REFINEMENT_ASSETS, database, providers.usable(), ask if config.ask else None)


def _ask(
    warehouse: Warehouse, providers: ProvidersResource, chosen: Sequence[SubjectVersion], config: RefineConfig
) -> None:
    refuse_unusable(providers, [refiner().provider])
    ensure_palettes(warehouse, [p.subject for p in chosen], _now())
    with warehouse.write() as connection:
        release(connection, _now())
    ask_for_refinement(
        chosen,
        providers.answers_from(),
        warehouse,
        _now(),
        AskTerms(allow_unpriced=config.allow_unpriced, despite_checks=config.despite_checks),
        retry_failed=config.retry_failed,
    )
