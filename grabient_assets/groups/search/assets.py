"""Search: each refined text gets its vector, the vectors stand in an index, and the index is measured."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking import checks
from grabient_assets.asking.assets import fail_for, send_purpose
from grabient_assets.errors import EmbedderError
from grabient_assets.groups.embedding.embedding import LOCAL
from grabient_assets.groups.embedding.linked_texts import TextLink, text_links
from grabient_assets.groups.embedding.purpose import EMBEDDING
from grabient_assets.groups.embedding.queries import query_embedder
from grabient_assets.groups.indexes.quality import report_on
from grabient_assets.groups.indexes.reports import report_markdown
from grabient_assets.groups.indexes.sync import Synced
from grabient_assets.groups.indexes.versions import IndexVersion, named_version
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.search.checks import embedding_checks, index_checks, report_checks
from grabient_assets.groups.search.palette_index import (
    PALETTES,
    REFINED_TEXTS,
    embed_palettes,
    embedder_and_build,
    sync_palettes,
)
from grabient_assets.groups.search.relevance import judged
from grabient_assets.groups.search.samples import sample_hits_markdown
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.partitions import chosen_palettes, palette_versions, partition_key, prompt_versions
from grabient_assets.registry.model import Model
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import report_materializations, show_reason
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

GROUP = "search"


class EmbedConfig(dg.Config):
    """What a run of palette_embeddings does."""

    waiting: bool = False
    """Set by the sensor: embed every refined text that waits, instead of the partitions of this run."""


def _now() -> datetime:
    return datetime.now(UTC)


@dg.multi_asset(
    name="palette_embeddings",
    specs=[
        dg.AssetSpec(
            "palette_embeddings",
            deps=["embed_text"],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="The vector of each refined text, by the embedder of GRABIENT_EMBEDDER; equal texts have one. "
            "Free with the local embedder; those of a provider are asked for in a batch, and are here once it was "
            "collected.",
            metadata={"dagster/table_name": "palette_embeddings"},
        )
    ],
    check_specs=[check.spec for check in embedding_checks],
    partitions_def=palette_versions,
    hooks={show_reason},
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def palette_embeddings(
    context: dg.AssetExecutionContext,
    config: EmbedConfig,
    warehouse: WarehouseResource,
    objects: ObjectsResource,
    providers: ProvidersResource,
):
    database = warehouse.open(context)
    model, _ = embedder_and_build(load_settings(), database)
    # A person may run the checks alone; such a run has no partition.
    chosen = set(chosen_palettes(context) if context.selected_asset_keys else ())
    among = None if config.waiting else chosen
    complaints: tuple[str, ...] = ()
    if chosen:
        rows = embed_palettes(database, model, providers.answers_from(), _now, among)
        if model.provider != LOCAL:
            complaints = _send(context, model, database, objects, providers)
            rows += embed_palettes(database, model, providers.answers_from(), _now, among)
        if not config.waiting:
            with database.read() as connection:
                known = text_links(connection, REFINED_TEXTS, model.id)
            rows = [one for one in known if one.key in chosen]
            if lacking := len(chosen) - len(rows):
                context.log.info("%s without a refined text, or with a vector under way", counted(lacking, "palette"))
        _report(context, rows)
    yield from checks.results(embedding_checks, database, context.selected_asset_check_keys)
    fail_for(complaints)


def _send(
    context: dg.AssetExecutionContext,
    model: Model,
    warehouse: Warehouse,
    objects: ObjectsResource,
    providers: ProvidersResource,
) -> tuple[str, ...]:
    """Send the texts that are due at the provider; returns what could not be sent, as sentences."""
    if model.provider not in providers.usable():
        return (providers.why_not(model.provider),)
    sent = send_purpose(context, EMBEDDING, PURPOSES, model.provider, warehouse, objects, providers)
    return sent.complaints


def _report(context: dg.AssetExecutionContext, rows: Sequence[TextLink[SubjectVersion]]) -> None:
    """A materialization for each palette whose vector is there now; the failures go into the log."""
    events: list[dg.AssetMaterialization] = []
    for one in rows:
        key = partition_key(one.key)
        if one.error:
            context.log.warning("%s has no vector: %s", key, one.error)
            continue
        metadata = {"embedder": one.embedder, "content_sha256": one.content_sha256}
        events.append(dg.AssetMaterialization("palette_embeddings", partition=key, metadata=metadata))
    report_materializations(context, events)


@dg.multi_asset(
    name="palette_index",
    specs=[
        dg.AssetSpec(
            "palette_index",
            deps=["palette_embeddings"],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="What `grabient search` looks in: one vector for each palette. A new version is built beside "
            "the live one and goes live in one transaction when it holds exactly what it should.",
            metadata={"dagster/table_name": "index_entries"},
        )
    ],
    check_specs=[check.spec for check in index_checks],
    hooks={show_reason},
    can_subset=True,
)
def palette_index(context: dg.AssetExecutionContext, warehouse: WarehouseResource):
    database = warehouse.open(context)
    if context.selected_asset_keys:
        synced = sync_palettes(load_settings(), database, _now)
        if synced is None:
            context.log.info("No refined palette has a vector yet, so there is nothing to hold.")
        else:
            if synced.held:
                context.log.warning(synced.held)
            metadata = {**_index_metadata(synced), **_samples(database, synced.version)}
            context.log_event(dg.AssetMaterialization("palette_index", metadata=metadata))
    yield from checks.results(index_checks, database, context.selected_asset_check_keys)


def _index_metadata(synced: Synced) -> dict[str, dg.MetadataValue]:
    version = synced.version
    found: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(version.present),
        "state": dg.MetadataValue.text(f"version {version.version} is {version.state}"),
        "embedder": dg.MetadataValue.text(f"{version.embedder}, {version.dimensions} dimensions"),
        "added": dg.MetadataValue.int(synced.added),
        "replaced": dg.MetadataValue.int(synced.replaced),
        "removed": dg.MetadataValue.int(synced.removed),
    }
    if synced.on_the_way:
        found["on the way to Cloudflare"] = dg.MetadataValue.int(synced.on_the_way)
    if synced.held:
        found["why it is not live"] = dg.MetadataValue.text(synced.held)
    return found


def _samples(warehouse: Warehouse, version: IndexVersion) -> dict[str, dg.MetadataValue]:
    """What ten queries find; the reason instead where a provider's embedder gives no vectors of them."""
    vectors_of = query_embedder(load_settings(), warehouse, _now)
    try:
        return {"sample queries": dg.MetadataValue.md(sample_hits_markdown(warehouse, version, vectors_of))}
    except EmbedderError as error:
        return {"sample queries": dg.MetadataValue.text(str(error))}


@dg.multi_asset(
    name="search_reports",
    specs=[
        dg.AssetSpec(
            "search_reports",
            deps=["palette_index"],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="How good search finds: the live index on queries whose palettes are known from colours, "
            "harmonies and the consensus, beside words alone and chance. Free with the local embedder.",
            metadata={"dagster/table_name": "search_reports"},
        )
    ],
    check_specs=[check.spec for check in report_checks],
    partitions_def=prompt_versions,
    hooks={show_reason},
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def search_reports(context: dg.AssetExecutionContext, warehouse: WarehouseResource):
    database, settings = warehouse.open(context), load_settings()
    for prompt_version in context.partition_keys if context.selected_asset_keys else ():
        with database.read() as connection:
            version = named_version(connection, PALETTES.name, None)
        report = report_on(database, version, judged, query_embedder(settings, database, _now), _now())
        if report is None:
            context.log.info("The palettes allow no query whose answer is known; there is nothing to measure.")
            continue
        metadata = {
            "report": dg.MetadataValue.md(report_markdown(report)),
            "index version": version.version,
            "embedder": f"{version.embedder}, {version.dimensions} dimensions",
            "queries": report.queries,
            "nDCG@10": report.ndcg_at_10,
            "recall@5": report.recall_at_5,
            "MRR": report.mrr,
            "nDCG@10 of words alone": report.words_ndcg,
            "nDCG@10 of chance": report.chance_ndcg,
        }
        context.log_event(dg.AssetMaterialization("search_reports", partition=prompt_version, metadata=metadata))
    yield from checks.results(report_checks, database, context.selected_asset_check_keys)
