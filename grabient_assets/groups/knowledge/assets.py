"""Knowledge in Dagster: workflows, their sources, what models read in them, and the index that is searched."""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from grabient_assets.asking import checks
from grabient_assets.asking.assets import fail_for, send_purpose
from grabient_assets.errors import GrabientError
from grabient_assets.groups.knowledge.areas import AREAS
from grabient_assets.groups.knowledge.checks import entry_checks
from grabient_assets.groups.knowledge.coverage import Cell, read_coverage
from grabient_assets.groups.knowledge.partitions import cell_key, cells
from grabient_assets.groups.knowledge.purpose import EXTRACTION
from grabient_assets.groups.knowledge.workflows import (
    CHUNK_SIZE,
    OVERLAP,
    Wish,
    ask_cells,
    make_workflow,
    plan_workflow,
)
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.partitions import unreported
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import report_materializations, show_reason
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.settings import load_settings, parse_dollars
from grabient_assets.sources.reference import WorkflowType
from grabient_assets.wording import counted

GROUP = "knowledge"
NAMED_AT_MOST = 10


def _now() -> datetime:
    return datetime.now(UTC)


class WorkflowConfig(dg.Config):
    """The workflow that is made. Sizes in characters, dollars as text."""

    name: str
    sources: list[str]
    type: str = "mixed"
    prompt_version: str = ""
    areas: list[int] = Field(default_factory=lambda: [area.number for area in AREAS])
    chunk_size: int = CHUNK_SIZE
    overlap: int = OVERLAP
    extractors: list[str] = Field(default_factory=list)
    embedder: str = ""
    store: str = ""
    skip_hopeless: bool = False
    max_usd: str = ""


class ReportConfig(dg.Config):
    """What a run of knowledge_entries reports."""

    settled: bool = False
    """Set by the sensor: every cell that is covered and not reported yet, instead of the partitions of this run."""


class SubmitConfig(dg.Config):
    """What a run of extraction_batches does."""

    send_due: str = ""
    """Set by the sensor: send everything that is due at this provider. Without it, what failed of the partitions of
    this run is asked again, and the sensor sends it."""


@dg.asset(
    hooks={show_reason},
    group_name=GROUP,
    kinds={"duckdb"},
    description="Materializing makes a workflow of the run config: sources that are read for the same focus areas. The "
    "sensors carry it to the index. `grabient knowledge new` and the page make one too.",
    metadata={"dagster/table_name": "workflows"},
)
def knowledge_workflows(
    context: dg.AssetExecutionContext,
    config: WorkflowConfig,
    warehouse: WarehouseResource,
    providers: ProvidersResource,
) -> dg.MaterializeResult:
    database, settings = warehouse.open(context), load_settings()
    types: dict[str, WorkflowType] = {one: one for one in ("youtube", "documents", "urls", "mixed")}
    if config.type not in types:
        raise dg.Failure(f"The type is {config.type!r}; it is one of {', '.join(types)}.", allow_retries=False)
    wish = Wish(
        name=config.name,
        sources=tuple(config.sources),
        type=types[config.type],
        areas=tuple(config.areas),
        prompt_version=config.prompt_version or None,
        chunk_size=config.chunk_size,
        overlap=config.overlap,
        extractors=tuple(config.extractors),
        embedder=config.embedder or None,
        store=config.store or None,
        skip_hopeless=config.skip_hopeless,
    )
    try:
        with database.write() as connection:
            planned = plan_workflow(connection, wish, providers.usable(), settings, _now())
        cap = parse_dollars(config.max_usd, "max_usd", "Leave it out to ask without a cap") if config.max_usd else None
        made = make_workflow(database, planned, cap, providers.answers_from(), _now())
    except GrabientError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    for sentence in planned.refused:
        context.log.warning(sentence)
    return dg.MaterializeResult(
        metadata={
            "workflow": made.workflow_id,
            "sources": len(planned.references),
            "refused": dg.MetadataValue.text("\n".join(planned.refused) or "none"),
            "estimate, USD": float(planned.usd.expected),
        }
    )


@dg.asset(
    partitions_def=cells,
    deps=["sources"],
    hooks={show_reason},
    group_name=GROUP,
    output_required=False,
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="Requests to the extractors: what each source says about each focus area. The sensor extraction_due "
    "sends. Materializing asks again for what failed.",
    metadata={"dagster/table_name": "batches"},
)
def extraction_batches(
    context: dg.AssetExecutionContext,
    config: SubmitConfig,
    warehouse: WarehouseResource,
    objects: ObjectsResource,
    providers: ProvidersResource,
):
    database = warehouse.open(context)
    if not config.send_due:
        with database.write() as connection:
            now = ledger_time(connection, _now())
            asked = ask_cells(connection, _chosen_cells(context), providers.answers_from(), now)
        context.log.info("%s asked again", counted(asked, "cell"))
        return
    sent = send_purpose(context, EXTRACTION, PURPOSES, config.send_due, database, objects, providers)
    with database.read() as connection:
        rows = connection.execute(
            "SELECT DISTINCT subject, batch_id, custom_id FROM batch_requests "
            "WHERE batch_id IN (SELECT unnest($1::VARCHAR[])) ORDER BY ALL",
            [[one.batch.batch_id for one in sent.batches]],
        ).fetchall()
    events: list[dg.AssetMaterialization] = []
    for subject, batch, custom_id in rows:
        source_id, area, _ = subject.split("|")
        about = {"batch": batch, "custom_id": custom_id}
        events.append(dg.AssetMaterialization(context.asset_key, partition=f"{area}|{source_id}", metadata=about))
    report_materializations(context, events)
    fail_for(sent.complaints)
    yield from ()


def _chosen_cells(context: dg.AssetExecutionContext) -> list[tuple[str, int]]:
    keys = [str(key).partition("|") for key in context.partition_keys]
    return [(source_id, int(area.removeprefix("fa"))) for area, _, source_id in keys]


@dg.multi_asset(
    name="knowledge_entries",
    specs=[
        dg.AssetSpec(
            "knowledge_entries",
            deps=[extraction_batches],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="What each source teaches about each area. Every entry has its quote in the text; others are "
            "quarantined with the reason. A cell without entries is an answer too.",
            metadata={"dagster/table_name": "knowledge_entries"},
        )
    ],
    check_specs=[check.spec for check in entry_checks],
    partitions_def=cells,
    hooks={show_reason},
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def knowledge_entries(context: dg.AssetExecutionContext, config: ReportConfig, warehouse: WarehouseResource):
    database = warehouse.open(context)
    failed: list[Cell] = []
    if context.selected_asset_keys:
        with database.read() as connection:
            found = read_coverage(connection).cells
        known = {cell_key(one.source_id, one.focus_area): one for one in found}
        chosen = list(known) if config.settled else [str(key) for key in context.partition_keys]
        ready = [key for key in chosen if key in known and known[key].covered]
        fresh = unreported(context.instance, "knowledge_entries", ready) if config.settled else ready
        events = [
            dg.AssetMaterialization(
                "knowledge_entries",
                partition=key,
                metadata={"state": known[key].state, "dagster/partition_row_count": known[key].entries},
            )
            for key in fresh
        ]
        report_materializations(context, events)
        failed = (
            [] if config.settled else [known[key] for key in chosen if key in known and known[key].state == "failed"]
        )
    yield from checks.results(entry_checks, database, context.selected_asset_check_keys)
    again = "Ask again with `grabient knowledge redrive`, or materialize extraction_batches."
    fail_for([f"{cell_key(one.source_id, one.focus_area)}: {one.error} {again}" for one in failed[:NAMED_AT_MOST]])
