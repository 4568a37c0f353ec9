"""Fetching in Dagster: sources as text, and their chunks."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.asking import checks
from grabient_assets.asking.assets import fail_for
from grabient_assets.groups.fetching.checks import source_checks
from grabient_assets.groups.fetching.fetching import cut_missing, fetch_due
from grabient_assets.groups.fetching.partitions import sources
from grabient_assets.groups.fetching.queue import dead_letters, enqueue
from grabient_assets.groups.fetching.tables import sources as stored_sources
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.partitions import unreported
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import report_materializations, show_reason
from grabient_assets.resources.sources import fetchers
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

GROUP = "knowledge"
NAMED_AT_MOST = 10


class FetchConfig(dg.Config):
    """What a run of sources does."""

    due: bool = False
    """Set by the sensor: fetch everything that is due, instead of the partitions of this run."""
    report: bool = False
    """Set by the sensor: fetch nothing. The partitions are reported, and dead ones fail the run."""


def _now() -> datetime:
    return datetime.now(UTC)


def sources_asset(
    ask: "Callable[[DuckDBPyConnection, Sequence[str], str, datetime], None]",
) -> dg.AssetsDefinition:
    """The assets `sources` and `source_chunks`. `ask` asks models about sources, given `emulator` or `live`. Their op
    is `read_sources`: Dagster loads no op that has the name of a job, here `fetch_sources`."""

    @dg.multi_asset(
        name="read_sources",
        specs=[
            dg.AssetSpec(
                "sources",
                deps=["knowledge_workflows"],
                skippable=True,
                group_name=GROUP,
                kinds={"duckdb"},
                description="Videos, documents and pages as text, their bytes in the object store. Materializing "
                "fetches them again; what has not changed is not asked about again.",
                metadata={"dagster/table_name": "sources"},
            ),
            dg.AssetSpec(
                "source_chunks",
                deps=["sources"],
                skippable=True,
                group_name=GROUP,
                kinds={"duckdb"},
                description="The texts cut into chunks with their place in characters and seconds.",
                metadata={"dagster/table_name": "chunks"},
            ),
        ],
        check_specs=[check.spec for check in source_checks],
        partitions_def=sources,
        hooks={show_reason},
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def read_sources(
        context: dg.AssetExecutionContext,
        config: FetchConfig,
        warehouse: WarehouseResource,
        objects: ObjectsResource,
        providers: ProvidersResource,
    ):
        database, store, settings, mode = (
            warehouse.open(context),
            objects.open(),
            load_settings(),
            providers.answers_from(),
        )
        chosen = list(context.partition_keys) if context.selected_asset_keys else []
        if chosen and not config.report:
            if not config.due:
                with database.write() as connection:
                    enqueue(connection, chosen, ledger_time(connection, _now()))
            done = fetch_due(
                database,
                store,
                fetchers(settings),
                _now,
                settings.knowledge_parallel,
                lambda connection, ids, now: ask(connection, ids, mode, now),
                None if config.due else chosen,
            )
            for one in done:
                if one.problem:
                    context.log.warning("%s: %s", one.source_id, one.problem)
            context.log.info("%s fetched", counted(len(done), "source"))
            cut_missing(database, store)
        if chosen:
            _report(context, database, None if config.due else chosen)
        yield from checks.results(source_checks, database, context.selected_asset_check_keys)
        if chosen and not config.due:
            with database.read() as connection:
                dead = [one for one in dead_letters(connection) if one.source_id in chosen]
            named = [f"{one.source_id}: {one.error}" for one in dead[:NAMED_AT_MOST]]
            fail_for([*named, "`grabient knowledge redrive` tries it again."] if named else [])

    return read_sources


def _report(context: dg.AssetExecutionContext, warehouse: Warehouse, chosen: Sequence[str] | None) -> None:
    """A materialization of each of these sources that has its text; of all that have none yet without them."""
    with warehouse.read() as connection:
        rows = connection.execute("SELECT source_id FROM sources WHERE object_key IS NOT NULL ORDER BY 1").fetchall()
        ready = [row[0] for row in rows if chosen is None or row[0] in chosen]
        fresh = unreported(context.instance, "sources", ready) if chosen is None else ready
        found = stored_sources(connection, fresh)
        counts = dict(connection.execute("SELECT source_id, count(*) FROM chunks GROUP BY ALL").fetchall())
    events: list[dg.AssetMaterialization] = []
    for source_id, one in sorted(found.items()):
        about = {"title": one.title or "", "characters": one.characters or 0, "quality": one.quality or 0.0}
        events.append(dg.AssetMaterialization("sources", partition=source_id, metadata=about))
        chunks = {"dagster/partition_row_count": counts.get(source_id, 0)}
        events.append(dg.AssetMaterialization("source_chunks", partition=source_id, metadata=chunks))
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    report_materializations(context, [one for one in events if one.asset_key.to_user_string() in selected])
