"""The sensor that carries entries into the index: embed, sync, report."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking.sensors import COLLECT_ROLE
from grabient_assets.groups.embedding.linked_texts import text_work
from grabient_assets.groups.fetching.partitions import missing_sources
from grabient_assets.groups.knowledge.workflows import statuses
from grabient_assets.groups.retrieval.entry_index import (
    ENTRY_TEXTS,
    embedder_and_build,
    index_is_due,
    knowledge_state,
)
from grabient_assets.groups.retrieval.jobs import embed_entries, index_knowledge
from grabient_assets.groups.retrieval.passages import CHUNK_TEXTS
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.runs import attempt, busy_with, runs_or_reason
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.settings import load_settings


def entries_changed(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: a run that embeds what waits, then one that syncs the index, once no collection is under way.

    Its cursor is the state in which it found nothing to do, so that an index at rest is not compared at every tick.
    """

    @dg.sensor(
        name="entries_changed",
        jobs=[embed_entries, index_knowledge],
        minimum_interval_seconds=interval,
        default_status=status,
        description="Gives new entries their vectors, brings the index of knowledge to what it should hold, round by "
        "round while Cloudflare shows it, and completes workflows.",
    )
    @skipped_while_locked
    def look(
        context: dg.SensorEvaluationContext, warehouse: WarehouseResource, providers: ProvidersResource
    ) -> dg.SensorResult | dg.SkipReason:
        database, now = warehouse.open_briefly(), datetime.now(UTC)
        model, build = embedder_and_build(load_settings(), database)
        with database.read() as connection:
            states = statuses(connection)
            state = f"{build} {[one.status for one in states]} {knowledge_state(connection)}"
            if state == context.cursor:
                return dg.SkipReason("Nothing has changed since search showed every entry.")
            texts = text_work(connection, ENTRY_TEXTS, model, providers.budget_usd(), now)
            chunks = text_work(connection, CHUNK_TEXTS, model, providers.budget_usd(), now)
            embedding = bool(texts.ready or texts.work or chunks.ready or chunks.work)
            due = index_is_due(connection, model, build) or any(one.status == "validating" for one in states)
            row = connection.execute("SELECT min(source_id) FROM workflow_sources").fetchone()
        if not embedding and not due:
            if texts.waiting or chunks.waiting:
                return dg.SkipReason(" ".join([*texts.work.held, f"Texts are under way at {model.provider}."]))
            return dg.SensorResult(skip_reason="Search shows every entry.", cursor=state)
        job = embed_entries if embedding else index_knowledge
        role = job.name.replace("_", "-")
        if reason := busy_with(context.instance, role) or busy_with(context.instance, COLLECT_ROLE):
            return dg.SkipReason(reason)
        going = attempt(context.instance, database, role, [state, *map(str, chunks.ready), *texts.work.items()])
        if isinstance(going, str):
            return dg.SkipReason(going)
        first = row[0] if row and embedding else None
        request = dg.RunRequest(run_key=going.run_key, job_name=job.name, partition_key=first, tags=going.tags)
        added = [first] if first else []
        return runs_or_reason(context, [request], (), lambda instance, _: missing_sources(instance, added))

    return look
