"""The sensors that carry a refined palette into the index: embed, sync, measure."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking.sensors import COLLECT_ROLE
from grabient_assets.groups.embedding.embedding import LOCAL
from grabient_assets.groups.embedding.linked_texts import text_work, to_embed
from grabient_assets.groups.indexes.sync import sync_is_due
from grabient_assets.groups.search.jobs import embed_texts, measure_search, sync_indexes
from grabient_assets.groups.search.palette_index import (
    PALETTES,
    REFINED_TEXTS,
    embedder_and_build,
    state_of_index,
    unmeasured,
)
from grabient_assets.ledger.send import closed_until
from grabient_assets.partitions import partition_key, partitions_under
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import ABOUT_TAG, attempt, busy_with, runs_or_reason
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.settings import load_settings
from grabient_assets.wording import counted


def texts_waiting(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: one run for all refined texts that can get on to their vector."""

    @dg.sensor(
        name="texts_waiting",
        job=embed_texts,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Embeds the refined texts that have no vector, in one run. It waits for a collection to end, so "
        "that they go together.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        database, now = warehouse.open_briefly(), datetime.now(UTC)
        model, _ = embedder_and_build(load_settings(), database)
        with database.read() as connection:
            found = text_work(connection, REFINED_TEXTS, model, providers.budget_usd(), now)
        texts = counted(len(found.waiting), "text")
        if not found.ready and not found.work:
            under_way = f"{texts} under way at {model.provider}." if found.waiting else ""
            held = " ".join([*found.work.held, under_way]).strip()
            return dg.SkipReason(held or "Every refined text has its vector.")
        if model.provider != LOCAL:
            if model.provider not in providers.usable():
                return dg.SkipReason(f"{texts} waiting. {providers.why_not(model.provider)}")
            if wait := closed_until(model.provider, database, now):
                return dg.SkipReason(f"{model.provider} takes nothing before {wait:%H:%M:%S} UTC.")
        for role in ("embed-texts", COLLECT_ROLE):
            if reason := busy_with(context.instance, role):
                return dg.SkipReason(reason)
        items = [model.id, *map(partition_key, found.ready), *found.work.items()]
        going = attempt(context.instance, database, "embed-texts", items)
        if isinstance(going, str):
            return dg.SkipReason(going)
        request = dg.RunRequest(
            run_key=going.run_key,
            partition_key=partition_key(found.waiting[0]),
            tags={**going.tags, ABOUT_TAG: f"{model.id}: {texts}"},
            run_config={"ops": {"palette_embeddings": {"config": {"waiting": True}}}},
        )
        return runs_or_reason(context, [request], (), partitions_under)

    return look


def vectors_changed(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: a sync when the index does not hold what it should, and a report when it has come to rest.

    Its cursor is the state in which it found nothing to do, so that an index at rest is not compared at every tick.
    """

    @dg.sensor(
        name="vectors_changed",
        jobs=[sync_indexes, measure_search],
        minimum_interval_seconds=interval,
        default_status=status,
        description="Brings the index to what it should hold, round by round while Cloudflare shows it, and measures "
        "it when it has come to rest.",
    )
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        settings, database = load_settings(), warehouse.open_briefly()
        model, build = embedder_and_build(settings, database)
        with database.read() as connection:
            state = f"{build} {settings.prompt_version} {state_of_index(connection)}"
            if state == context.cursor:
                return dg.SkipReason("Nothing has changed since the index held what it should.")
            if to_embed(connection, REFINED_TEXTS, model.id):
                return dg.SkipReason("Texts are about to be embedded; the index follows.")
            syncing = sync_is_due(connection, PALETTES, build)
            measuring = not syncing and unmeasured(connection)
        if not syncing and not measuring:
            return dg.SensorResult(skip_reason="The index holds what it should.", cursor=state)
        job = sync_indexes if syncing else measure_search
        role = job.name.replace("_", "-")
        if reason := busy_with(context.instance, role):
            return dg.SkipReason(reason)
        going = attempt(context.instance, database, role, [state])
        if isinstance(going, str):
            return dg.SkipReason(going)
        version = None if syncing else settings.prompt_version
        request = dg.RunRequest(run_key=going.run_key, job_name=job.name, partition_key=version, tags=going.tags)
        if measuring:  # once for each state: palettes that allow no query leave no report
            context.update_cursor(state)
        return runs_or_reason(context, [request], (), partitions_under)

    return look
