"""Tagging: one batch asset per provider, then the answers and what they say together.

Materializing a batch asset (in the UI, by backfill, by the CLI) records what is wanted; the sensor `tagging_due` then
sends everything that is wanted in one run per provider. A partition of a batch asset is materialized when its requests
are asked for (its metadata says whether they are sent), one of `palette_tags` and `tag_consensus` when every answer
is in.
"""

from collections.abc import Iterator, Sequence
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
from grabient_assets.asking.purpose_assets import Clock, PurposeAssets
from grabient_assets.groups.palettes.loading import ensure_palettes
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.tagging.adaptive import ask_in_waves
from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags
from grabient_assets.groups.tagging.checks import tagging_checks
from grabient_assets.groups.tagging.collection import (
    complete_palettes,
    palettes_to_complete,
    palettes_without_answer,
)
from grabient_assets.groups.tagging.purpose import TAGGING, tagging_prompt
from grabient_assets.groups.tagging.reports import completed_events, wave_notes
from grabient_assets.groups.tagging.waves import under_way_sentence, wave_counts, wave_states
from grabient_assets.ledger.asked_progress import Failure
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.held_work import release
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.partitions import PALETTE_VERSIONS, chosen_palettes, palette_versions
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import show_reason
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import PROVIDERS, load_settings, parse_analyses, parse_dollars
from grabient_assets.warehouse.connection import Warehouse

GROUP = "tagging"
BACKFILL_ID_TAG = "dagster/backfill"
ASKING_ASSETS = {provider: f"{provider}_tag_batches" for provider in PROVIDERS}


def _now() -> datetime:
    return datetime.now(UTC)


def _report(
    warehouse: Warehouse, usable: Sequence[str], clock: Clock, chosen: Sequence[SubjectVersion]
) -> Iterator[dg.AssetMaterialization]:
    return completed_events(warehouse, complete_palettes(warehouse, usable, clock, chosen))


def _complete(warehouse: Warehouse, usable: Sequence[str], clock: Clock) -> Iterator[dg.AssetMaterialization]:
    return completed_events(warehouse, complete_palettes(warehouse, usable, clock))


TAGGING_ASSETS = PurposeAssets(
    purpose=TAGGING,
    purposes=PURPOSES,
    space=PALETTE_VERSIONS,
    providers=lambda: PROVIDERS,
    asking=ASKING_ASSETS.__getitem__,
    asking_assets=tuple(ASKING_ASSETS.values()),
    answers=("palette_tags", "tag_consensus"),
    marked=("palette_tags",),
    checks=tagging_checks,
    report=_report,
    complete=_complete,
    to_complete=palettes_to_complete,
    failed=lambda connection, usable: {
        one.partition: Failure(one.error or "nothing could be asked", str(one.failures))
        for one in palettes_without_answer(connection, usable)
    },
    notes=wave_notes,
    under_way=lambda connection: under_way_sentence(wave_counts(connection)),
    settled_sensor="tagging_completed",
    failed_words="without a usable answer",
    retry_hint="a batch asset",
)


class AskConfig(dg.Config):
    """What a person may say when materializing a batch asset."""

    analyses: int = 0
    """How often each model is asked, 1-20; 0 takes TAG_ANALYSIS_COUNT."""
    retry_failed: bool = False
    """Ask again what was answered with something unusable."""
    refine: bool = True
    """Refine the palettes as soon as their tagging is complete."""
    allow_unpriced: bool = False
    """Send also to models whose batch price is not known; whoever sends later keeps to it."""
    adaptive: bool = False
    """Ask wave by wave: a few cheap models first, the others only about palettes that are not certain then. Each asset
    asks its provider's part of the wave; it is judged when all four were asked. `analyses` is the most of any model."""
    max_usd: float = 0.0
    """The most to spend on what this run, or its backfill, asks for, refinement included; 0: no cap of its own."""
    send_due: bool = False
    """Set by the sensor: send everything that is due, instead of asking for the partitions of this run."""


def ask(
    config: AskConfig,
    warehouse: Warehouse,
    providers: ProvidersResource,
    chosen: Sequence[SubjectVersion],
    names: Sequence[str],
    run: dg.DagsterRun,
) -> None:
    """Record that these palettes are wanted from these providers. Fails for a provider that cannot be asked."""
    refuse_unusable(providers, names)
    settings = load_settings()
    analyses = parse_analyses(config.analyses, "analyses") if config.analyses else settings.analyses
    ensure_palettes(warehouse, [p.subject for p in chosen], _now())
    with warehouse.write() as connection:
        release(connection, _now())
    wish = TaggingAsk(
        chosen,
        names,
        analyses,
        providers.answers_from(),
        config.refine,
        config.retry_failed,
        config.allow_unpriced,
        _cap(config.max_usd, run),
    )
    if config.adaptive:
        ask_in_waves(wish, providers.usable(), warehouse, _now())
    else:
        ask_for_tags(wish, warehouse, _now())


def _cap(max_usd: float, run: dg.DagsterRun) -> SpendingCap | None:
    """One cap for all runs of a backfill."""
    if not max_usd:
        return None
    usd = parse_dollars(str(max_usd), "max_usd", "Leave it at 0 to ask without a cap")
    return SpendingCap(run.tags.get(BACKFILL_ID_TAG, run.run_id), usd)


def _tag_batches(provider: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=ASKING_ASSETS[provider],
        partitions_def=palette_versions,
        hooks={show_reason},
        group_name=GROUP,
        kinds={provider},
        deps=["palette_images"],
        output_required=False,
        backfill_policy=dg.BackfillPolicy.single_run(),
        description=f"Tagging requests at {provider}, through its batch API at half price: palettes x analyses x the "
        f"panel's {provider} models, one batch per model. Materializing asks; the sensor tagging_due sends.",
        metadata={"dagster/table_name": "batches", **prompt_metadata(tagging_prompt)},
    )
    def batches(
        context: dg.AssetExecutionContext,
        config: AskConfig,
        warehouse: WarehouseResource,
        objects: ObjectsResource,
        providers: ProvidersResource,
    ):
        database = warehouse.open(context)
        if config.send_due:
            send_due(context, TAGGING_ASSETS, provider, database, objects, providers)
        else:
            chosen = chosen_palettes(context)
            ask(config, database, providers, chosen, [provider], context.run)
            report_asked(context, TAGGING_ASSETS, provider, database, chosen)
        yield from ()

    return batches


tag_batches = [_tag_batches(provider) for provider in PROVIDERS]


@dg.multi_asset(
    name="collect_tagging",
    specs=[
        dg.AssetSpec(
            "palette_tags",
            deps=tag_batches,
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="The answers of each model about each palette: raw text, parsed tags or the reason why not, "
            "tokens, cost. Complete when every answer that was asked for is in.",
            metadata={"dagster/table_name": "palette_tags"},
        ),
        dg.AssetSpec(
            "tag_consensus",
            deps=["palette_tags"],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="The consensus of the panel: one vote per model, beside the values computed from the colours.",
            metadata={"dagster/table_name": "tag_consensus"},
        ),
    ],
    check_specs=TAGGING_ASSETS.check_specs(),
    partitions_def=palette_versions,
    hooks={show_reason},
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def collect_tagging(
    context: dg.AssetExecutionContext,
    config: CollectConfig,
    warehouse: WarehouseResource,
    providers: ProvidersResource,
):
    database, usable = warehouse.open(context), providers.usable()

    def ask_all(chosen: list[SubjectVersion]) -> None:
        with database.read() as connection:  # those in waves have been asked for, on other terms than these
            in_waves = wave_states(connection, chosen)
        wanted = [palette for palette in chosen if palette not in in_waves]
        ask(AskConfig(), database, providers, wanted, usable, context.run)

    asks = config.ask and dg.AssetKey("palette_tags") in context.selected_asset_keys
    yield from collect_chosen(context, TAGGING_ASSETS, database, usable, ask_all if asks else None)
