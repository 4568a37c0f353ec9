"""The chorus in Dagster: what is asked of artists and of the brush, what came of it, and what the differences are
worth."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking import checks
from grabient_assets.groups.chorus.checks import artwork_checks, statement_checks
from grabient_assets.groups.chorus.comparisons import compare_artists, group_sheet, images_of, keep_signals
from grabient_assets.groups.chorus.partitions import chorus_groups, chorus_runs
from grabient_assets.groups.chorus.purpose import ARTWORK, STATEMENT
from grabient_assets.groups.chorus.runs import ChorusRun, counts_of, retry_group, runs_of
from grabient_assets.groups.chorus.tables import groups, named_group
from grabient_assets.groups.markdown import inline_image
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import report_materializations, show_reason
from grabient_assets.resources.runs import PUT_OFF_TAG
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.warehouse.connection import Warehouse

GROUP = "chorus"
NAMED_AT_MOST = 10
SHEET_CELL = 160
"""Pixels of a cell of the contact sheet in Dagster, where every event is stored for ever."""


class SubmitConfig(dg.Config):
    """What a run of an asking asset does."""

    send_due: str = ""
    """Set by the sensor: send everything that is due at this provider. Without it, what failed of the partitions of
    this run is asked again, and the sensor sends it."""


class ReportConfig(dg.Config):
    """What a run of the answers' assets reports."""

    settled: bool = False
    """Set by the sensor: every run that is done and not reported yet, instead of the partitions of this run."""


def _now() -> datetime:
    return datetime.now(UTC)


def _submit(
    context: dg.AssetExecutionContext,
    config: SubmitConfig,
    purpose: Purpose,
    warehouse: Warehouse,
    objects: ObjectsResource,
    providers: ProvidersResource,
) -> None:
    """Ask again, or send what is due, and report the runs whose requests went out."""
    if not config.send_due:
        _ask_again(context, warehouse, providers)
        return
    with providers.connect(config.send_due) as connection:
        submission = Submission(connection, PURPOSES, warehouse, objects.open_for_sending(), _now)
        sent = submit_due(purpose, submission, context.run_id)
    for one in sent.batches:
        context.log.info("batch %s: %s requests, %s", one.batch.batch_id, one.batch.request_count, one.batch.status)
    for sentence in dict.fromkeys(sent.held):
        context.log.warning(sentence)
    if any(one.batch.status == "deferred" for one in sent.batches):
        context.instance.add_run_tags(context.run_id, {PUT_OFF_TAG: "true"})
    batches = {one.batch.batch_id: one.batch.model for one in sent.batches}
    with warehouse.read() as connection:
        rows = connection.execute(
            """
            SELECT DISTINCT coalesce(c.run_id, r.subject), r.batch_id, r.custom_id FROM batch_requests r
            JOIN batches b USING (batch_id) LEFT JOIN chorus_runs c ON c.group_id = r.subject AND c.artist = b.model
                AND c.provider = b.provider AND c.iteration = r.analysis_index
            WHERE r.batch_id IN (SELECT unnest($1::VARCHAR[])) ORDER BY ALL
            """,
            [list(batches)],
        ).fetchall()
    report_materializations(
        context,
        [
            dg.AssetMaterialization(context.asset_key, partition=run, metadata={"batch": batch, "custom_id": custom_id})
            for run, batch, custom_id in rows
        ],
    )
    if sent.complaints:
        raise dg.Failure(" ".join(dict.fromkeys(sent.complaints)), allow_retries=False)


def _ask_again(context: dg.AssetExecutionContext, warehouse: Warehouse, providers: ProvidersResource) -> None:
    chosen = set(context.partition_keys)
    with warehouse.write() as connection:
        now = ledger_time(connection, _now())
        by_group: dict[str, list[ChorusRun]] = {}
        for run in runs_of(connection):
            if run.run_id in chosen:
                by_group.setdefault(run.group_id, []).append(run)
        for group_id, runs in by_group.items():
            again = retry_group(connection, named_group(connection, group_id), runs, providers.answers_from(), now)
            context.log.info("%s: %s of %s runs asked again", group_id, len(again), len(runs))


@dg.asset(
    partitions_def=chorus_runs,
    hooks={show_reason},
    group_name=GROUP,
    output_required=False,
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="Requests to the artists: one prompt, each artist as often as the group says. `grabient chorus new` "
    "asks; the sensor chorus_due sends. Materializing asks again for what failed.",
    metadata={"dagster/table_name": "batches"},
)
def statement_batches(
    context: dg.AssetExecutionContext,
    config: SubmitConfig,
    warehouse: WarehouseResource,
    objects: ObjectsResource,
    providers: ProvidersResource,
):
    _submit(context, config, STATEMENT, warehouse.open(context), objects, providers)
    yield from ()


@dg.asset(
    partitions_def=chorus_runs,
    deps=["artist_statements"],
    hooks={show_reason},
    group_name=GROUP,
    output_required=False,
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="Requests to the brush: the image prompt of each statement. A statement asks for its artwork as it is "
    "stored; the sensor chorus_due sends. Materializing asks again for what failed.",
    metadata={"dagster/table_name": "batches"},
)
def artwork_batches(
    context: dg.AssetExecutionContext,
    config: SubmitConfig,
    warehouse: WarehouseResource,
    objects: ObjectsResource,
    providers: ProvidersResource,
):
    _submit(context, config, ARTWORK, warehouse.open(context), objects, providers)
    yield from ()


@dg.multi_asset(
    name="collect_chorus",
    specs=[
        dg.AssetSpec(
            "artist_statements",
            deps=[statement_batches],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb"},
            description="What each artist says of its work, and the image prompt that it wrote.",
            metadata={"dagster/table_name": "artist_statements"},
        ),
        dg.AssetSpec(
            "artworks",
            deps=[artwork_batches],
            skippable=True,
            group_name=GROUP,
            kinds={"duckdb", "png"},
            description="What the brush painted of each image prompt, by content in the object store.",
            metadata={"dagster/table_name": "artworks"},
        ),
    ],
    check_specs=[check.spec for check in (*statement_checks, *artwork_checks)],
    partitions_def=chorus_runs,
    hooks={show_reason},
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def collect_chorus(context: dg.AssetExecutionContext, config: ReportConfig, warehouse: WarehouseResource):
    database = warehouse.open(context)
    failed: list[ChorusRun] = []
    if context.selected_asset_keys:
        with database.read() as connection:
            runs = runs_of(connection)
        if not config.settled:
            chosen = set(context.partition_keys)
            runs = [run for run in runs if run.run_id in chosen]
            failed = [run for run in runs if run.status in ("failed", "cancelled")]
        _report(context, runs, again=not config.settled)
    every = (*statement_checks, *artwork_checks)
    yield from checks.results(every, database, context.selected_asset_check_keys)
    if failed:
        named = "; ".join(f"{run.run_id}: {run.error or run.status}" for run in failed[:NAMED_AT_MOST])
        raise dg.Failure(f"{named}. Ask again with `grabient chorus retry`.", allow_retries=False)


def unreported(instance: dg.DagsterInstance, runs: Sequence[ChorusRun]) -> dict[str, list[ChorusRun]]:
    """By asset, the runs that have what it stands for and no materialization."""
    having = {
        "artist_statements": [run for run in runs if run.stage == "brush"],
        "artworks": [run for run in runs if run.status == "done"],
    }
    return {
        asset: [run for run in found if run.run_id not in known]
        for asset, found in having.items()
        for known in [instance.get_materialized_partitions(dg.AssetKey(asset)) if found else set()]
    }


def _report(context: dg.AssetExecutionContext, runs: Sequence[ChorusRun], *, again: bool) -> None:
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    found = unreported(context.instance, runs)
    if again:
        found = {
            "artist_statements": [run for run in runs if run.stage == "brush"],
            "artworks": [run for run in runs if run.status == "done"],
        }
    events: list[dg.AssetMaterialization] = []
    for asset, ready in found.items():
        for run in ready if asset in selected else ():
            metadata: dict[str, dg.MetadataValue] = {
                "artist and brush": dg.MetadataValue.text(run.caption),
                "cost, USD": dg.MetadataValue.float(float(run.cost_usd)),
            }
            if asset == "artist_statements":
                metadata["statement"] = dg.MetadataValue.text(run.statement or "none")
                metadata["image prompt"] = dg.MetadataValue.text(run.image_prompt or "")
            else:
                metadata["image"] = dg.MetadataValue.text(run.image_id or "")
            events.append(dg.AssetMaterialization(asset, partition=run.run_id, metadata=metadata))
    report_materializations(context, events)


@dg.asset(
    partitions_def=chorus_groups,
    deps=["artworks"],
    hooks={show_reason},
    group_name=GROUP,
    kinds={"duckdb"},
    description="The images of a group side by side, and the signals of each: numbers from pixels and text, without "
    "any model.",
    metadata={"dagster/table_name": "artwork_signals"},
)
def chorus_comparisons(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, objects: ObjectsResource
) -> dg.MaterializeResult:
    database, store = warehouse.open(context), objects.open()
    unreadable = keep_signals(database, store, [context.partition_key])
    with database.read() as connection:
        group = groups(connection, [context.partition_key])[context.partition_key]
        runs = runs_of(connection, [group.group_id])
    sheet = group_sheet(group, runs, images_of(database, store, runs), SHEET_CELL)
    if unreadable:
        raise dg.Failure(" ".join(unreadable), allow_retries=False)
    counts = counts_of(runs)
    return dg.MaterializeResult(
        metadata={
            "contact sheet": dg.MetadataValue.md(inline_image(sheet, f"The works of {group.group_id}")),
            **{name: dg.MetadataValue.int(count) for name, count in counts.items()},
            "cost, USD": dg.MetadataValue.float(float(sum(run.cost_usd for run in runs))),
        }
    )


@dg.asset(
    deps=[chorus_comparisons],
    hooks={show_reason},
    group_name=GROUP,
    kinds={"duckdb"},
    description="What is typical of each artist under one prompt and brush, which pairs differ by more than chance, and "
    "how they are rated in blind votes. Where there are too few works, that is the answer.",
    metadata={"dagster/table_name": "artist_fingerprints"},
)
def artist_fingerprints(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    compared = compare_artists(warehouse.open(context), _now())
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": dg.MetadataValue.int(compared.fingerprints),
            "pairs that differ": dg.MetadataValue.int(compared.different),
            "pairs with too few works": dg.MetadataValue.int(compared.undecided),
            "ratings": dg.MetadataValue.md(compared.markdown),
        }
    )
