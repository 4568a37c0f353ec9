"""Tagging: one batch asset per provider, then the answers and what they say together.

Materializing a batch asset (in the UI, by backfill, by the CLI) records what is wanted; the sensor `tagging_due` then
sends everything that is wanted in one run per provider. A partition of a batch asset is materialized when its requests
are asked for (its metadata says whether they are sent), one of `palette_tags` and `tag_consensus` when every answer
is in.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from grabient_assets.groups.palettes.loading import ensure_palettes
from grabient_assets.groups.prompts import prompt_metadata
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.round_log import log_round
from grabient_assets.groups.tagging.adaptive import ask_in_waves
from grabient_assets.groups.tagging.asking import TaggingWish, ask_for_tags
from grabient_assets.groups.tagging.checks import run_checks, tagging_checks
from grabient_assets.groups.tagging.collection import Completed, complete_palettes
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.reading import TagReader
from grabient_assets.groups.tagging.run_reports import (
    observe_plan,
    report_collected,
    report_completed,
    report_held,
    report_sent,
)
from grabient_assets.ledger.asks import SubjectVersion, stopped_subjects
from grabient_assets.ledger.due import DueTarget
from grabient_assets.ledger.holding import release
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.ledger.wave_states import wave_states
from grabient_assets.partitions import chosen_palettes, palette_versions, partition_key
from grabient_assets.resources.hooks import show_reason
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import PUT_OFF_TAG
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import PROVIDERS, load_settings, parse_analyses, parse_dollars
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

GROUP = "tagging"
BACKFILL_ID_TAG = "dagster/backfill"


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


class CollectConfig(dg.Config):
    """What a collecting run is about. With neither, the run asks for and reports its own partitions."""

    batches: list[str] = Field(default_factory=list)
    """Batches to collect, by our id."""
    all_due: bool = False
    """Set by the sensor: complete every palette whose answers are all in."""
    ask: bool = True
    """Unset by the sensor that marks failed palettes: what was asked before is reported, and nothing asked anew."""


def _now() -> datetime:
    return datetime.now(UTC)


def ask(
    config: AskConfig,
    warehouse: Warehouse,
    providers: ProvidersResource,
    chosen: Sequence[SubjectVersion],
    names: Sequence[str],
    run: dg.DagsterRun,
) -> None:
    """Record that these palettes are wanted from these providers. Fails for a provider that cannot be asked."""
    for name in names:
        if name not in providers.usable():
            raise dg.Failure(providers.why_not(name), allow_retries=False)
    settings = load_settings()
    analyses = parse_analyses(config.analyses, "analyses") if config.analyses else settings.analyses
    ensure_palettes(warehouse, [p.subject for p in chosen], _now())
    with warehouse.write() as connection:
        release(connection, _now())
    wish = TaggingWish(
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
        name=f"{provider}_tag_batches",
        partitions_def=palette_versions,
        hooks={show_reason},
        group_name=GROUP,
        kinds={provider},
        deps=["palette_images"],
        output_required=False,
        backfill_policy=dg.BackfillPolicy.single_run(),
        description=f"Tagging requests at {provider}, through its batch API at half price: palettes x analyses x the "
        f"panel's {provider} models, one batch per model. Materializing asks; the sensor tagging_due sends.",
        metadata={"dagster/table_name": "batches", **prompt_metadata("tagging")},
    )
    def batches(
        context: dg.AssetExecutionContext,
        config: AskConfig,
        warehouse: WarehouseResource,
        objects: ObjectsResource,
        providers: ProvidersResource,
    ):
        house = warehouse.open(context)
        if config.send_due:
            started = _now()
            store = objects.open_for_sending()
            with providers.connect(provider) as connection:

                def announce(targets: Sequence[DueTarget]) -> None:
                    observe_plan(context, house, connection, targets)

                sent = submit_due(
                    TAGGING, Submission(connection, PURPOSES, house, store, _now), context.run_id, announce
                )
            for one in sent.batches:
                batch = one.batch
                context.log.info("batch %s: %s requests, %s", batch.batch_id, batch.request_count, batch.status)
            with house.read() as database:
                stopped = stopped_subjects(database, TAGGING.name, provider, started)
            stopped = [one for one in stopped if partition_key(one) != context.partition_key]  # this one turns red
            report_sent(context, house, provider, [one.batch.batch_id for one in sent.batches], stopped)
            if any(one.batch.status == "deferred" for one in sent.batches):
                context.instance.add_run_tags(context.run_id, {PUT_OFF_TAG: "true"})
            report_held(context, house, provider, sent.held)
            if sent.complaints:
                raise dg.Failure(" ".join(dict.fromkeys(sent.complaints)), allow_retries=False)
        else:
            chosen = chosen_palettes(context)
            ask(config, house, providers, chosen, [provider], context.run)
            context.log.info("%d palettes asked of %s; tagging_due sends what is missing", len(chosen), provider)
            report_sent(context, house, provider, asked=chosen)
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
            description="What each model said about each palette: raw text, parsed tags or the reason why not, tokens, "
            "cost. Complete when every answer that was asked for is in.",
            metadata={"dagster/table_name": "palette_tags"},
        ),
        dg.AssetSpec(
            "tag_consensus",
            deps=["palette_tags"],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="What the panel says together: one vote per model, and beside it what the colours alone say.",
            metadata={"dagster/table_name": "tag_consensus"},
        ),
    ],
    check_specs=tagging_checks,
    partitions_def=palette_versions,
    hooks={show_reason},
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def collect_tagging(
    context: dg.AssetExecutionContext,
    config: CollectConfig,
    warehouse: WarehouseResource,
    objects: ObjectsResource,
    providers: ProvidersResource,
):
    house = warehouse.open(context)
    usable = providers.usable()
    if not context.selected_asset_keys:
        yield from run_checks(context, house)  # a person runs the checks alone
    elif config.batches or config.all_due:
        done = collect_batches(
            config.batches, providers.connect, house, objects.open(), lambda _: TagReader(), _now, context.run_id
        )
        log_round(context.log, done)
        report_completed(context, house, complete_palettes(house, usable, _now))
        report_collected(context, house, config.batches, done, usable)
        yield from run_checks(context, house)
        if done.troubles:
            raise dg.Failure(" ".join(text for _, text in done.troubles), allow_retries=False)
    else:
        chosen = chosen_palettes(context)
        if config.ask and "palette_tags" in {key.to_user_string() for key in context.selected_asset_keys}:
            with house.read() as connection:  # those in waves have been asked for, on other terms than these
                in_waves = wave_states(connection, chosen)
            wanted = [palette for palette in chosen if palette not in in_waves]
            ask(AskConfig(), house, providers, wanted, usable, context.run)
        completed = complete_palettes(house, usable, _now, chosen)
        report_completed(context, house, completed)
        yield from run_checks(context, house)
        _fail_without_answers(completed)


def _fail_without_answers(completed: Completed) -> None:
    """A palette that every model failed on must not look as if it were merely not there yet."""
    failed = [t for t in completed.tagged if not t.answers]
    if failed:
        reasons = [(t.partition.subject, (t.error or "nothing could be asked").rstrip(".")) for t in failed[:10]]
        named = "; ".join(f"{seed}: {reason}" for seed, reason in reasons)
        raise dg.Failure(
            f"{counted(len(failed), 'palette')} without a usable answer. {named}. "
            "Ask again with `grabient retry`, or materialize a batch asset with retry_failed.",
            allow_retries=False,
        )
