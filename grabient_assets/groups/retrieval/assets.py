"""Retrieval in Dagster: entries get their vectors, the index holds them, and both are measured."""

from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking import checks
from grabient_assets.asking.assets import fail_for, send_purpose
from grabient_assets.groups.embedding.embedding import LOCAL
from grabient_assets.groups.embedding.linked_texts import embed_linked
from grabient_assets.groups.embedding.purpose import EMBEDDING
from grabient_assets.groups.fetching.partitions import sources
from grabient_assets.groups.knowledge.workflows import mark_completed
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.retrieval.checks import index_checks, report_checks
from grabient_assets.groups.retrieval.entry_index import ENTRY_TEXTS, embedder_and_build, sync_knowledge
from grabient_assets.groups.retrieval.gate import ask_for_fixture
from grabient_assets.groups.retrieval.passages import CHUNK_TEXTS
from grabient_assets.groups.retrieval.reports import coverage_metadata
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import report_materializations, show_reason
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import load_settings

GROUP = "knowledge"


def _now() -> datetime:
    return datetime.now(UTC)


@dg.asset(
    partitions_def=sources,
    deps=["knowledge_entries"],
    hooks={show_reason},
    group_name=GROUP,
    kinds={"duckdb"},
    output_required=False,
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="The vector of each entry and of each chunk, by the embedder of GRABIENT_EMBEDDER; equal texts have "
    "one.",
    metadata={"dagster/table_name": "entry_embeddings"},
)
def entry_embeddings(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    objects: ObjectsResource,
    providers: ProvidersResource,
):
    database = warehouse.open(context)
    model, _ = embedder_and_build(load_settings(), database)
    mode, complaints = providers.answers_from(), tuple[str, ...]()
    written = embed_linked(ENTRY_TEXTS, database, model, mode, _now)
    embed_linked(CHUNK_TEXTS, database, model, mode, _now)
    ask_for_fixture(database, model, mode, _now)
    if model.provider != LOCAL and model.provider in providers.usable():
        complaints = send_purpose(context, EMBEDDING, PURPOSES, model.provider, database, objects, providers).complaints
        written += embed_linked(ENTRY_TEXTS, database, model, mode, _now)
        embed_linked(CHUNK_TEXTS, database, model, mode, _now)
    for one in written:
        if one.error:
            context.log.warning("Entry %s has no vector: %s", one.key, one.error)
    with database.read() as connection:
        rows = connection.execute(
            "SELECT DISTINCT source_id FROM workflow_entries WHERE list_contains($1::VARCHAR[], entry_id) ORDER BY 1",
            [[one.key for one in written if not one.error]],
        ).fetchall()
    about = {"embedder": model.id}
    events = [dg.AssetMaterialization("entry_embeddings", partition=source, metadata=about) for (source,) in rows]
    report_materializations(context, events)
    fail_for(complaints)
    yield from ()


@dg.multi_asset(
    name="knowledge_index",
    specs=[
        dg.AssetSpec(
            "knowledge_index",
            deps=[entry_embeddings],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="What `grabient knowledge search` looks in, with a namespace for each workflow. New vectors "
            "are visible before old ones leave.",
            metadata={"dagster/table_name": "index_entries"},
        )
    ],
    check_specs=[check.spec for check in index_checks],
    hooks={show_reason},
    can_subset=True,
)
def knowledge_index(context: dg.AssetExecutionContext, warehouse: WarehouseResource):
    database = warehouse.open(context)
    if context.selected_asset_keys:
        synced = sync_knowledge(load_settings(), database, _now)
        with database.write() as connection:
            done = mark_completed(connection, ledger_time(connection, _now()))
        metadata: dict[str, dg.MetadataValue] = {"completed": dg.MetadataValue.text(", ".join(done) or "none")}
        if synced is not None:
            counts = {"added": synced.added, "replaced": synced.replaced, "removed": synced.removed}
            metadata |= {name: dg.MetadataValue.int(count) for name, count in counts.items()}
            metadata["dagster/row_count"] = dg.MetadataValue.int(synced.version.present)
            metadata["on the way to Cloudflare"] = dg.MetadataValue.int(synced.on_the_way)
        yield dg.MaterializeResult("knowledge_index", metadata=metadata)
    yield from checks.results(index_checks, database, context.selected_asset_check_keys)


@dg.multi_asset(
    name="knowledge_reports",
    specs=[
        dg.AssetSpec(
            "knowledge_reports",
            deps=[knowledge_index],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb", "svg"},
            description="Which sources are read for which areas, as one picture, and how good the entries are.",
        )
    ],
    check_specs=[check.spec for check in report_checks],
    hooks={show_reason},
    can_subset=True,
)
def knowledge_reports(context: dg.AssetExecutionContext, warehouse: WarehouseResource):
    database = warehouse.open(context)
    if context.selected_asset_keys:
        with database.read() as connection:
            metadata = coverage_metadata(connection)
        yield dg.MaterializeResult("knowledge_reports", metadata=metadata)
    yield from checks.results(report_checks, database, context.selected_asset_check_keys)
