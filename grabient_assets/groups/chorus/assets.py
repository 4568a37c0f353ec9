"""The chorus in Dagster: what is asked of artists and of the brush, and what came of it."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from grabient_assets.asking import checks
from grabient_assets.asking.assets import fail_for, send_purpose
from grabient_assets.groups.chorus.checks import artwork_checks, statement_checks
from grabient_assets.groups.chorus.purpose import ARTWORK, STATEMENT
from grabient_assets.groups.chorus.runs import ChorusRun, retry_runs, runs_of
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.partitions import chorus_runs
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets.resources.reporting import report_materializations, show_reason
from grabient_assets.resources.warehouse import WarehouseResource

GROUP = "chorus"
NAMED_AT_MOST = 10


class SubmitConfig(dg.Config):
    """What a run of an asking asset does."""

    send_due: str = ""
    """Set by the sensor: send everything that is due at this provider. Without it, what failed of the partitions of
    this run is asked again, and the sensor sends it."""


class ReportConfig(dg.Config):
    """What a run of the answers' assets reports."""

    settled: bool = False
    """Set by the sensor: every run that is done and not reported yet, instead of the partitions of this run."""


_SENT = """
    SELECT DISTINCT coalesce(c.run_id, r.subject), r.batch_id, r.custom_id FROM batch_requests r
    JOIN batches b USING (batch_id) LEFT JOIN chorus_runs c ON c.group_id = r.subject AND c.artist = b.model
        AND c.provider = b.provider AND c.iteration = r.analysis_index
    WHERE r.batch_id IN (SELECT unnest($1::VARCHAR[])) ORDER BY ALL
"""


def _asking_asset(name: str, purpose: Purpose, deps: Sequence[str], description: str) -> dg.AssetsDefinition:
    """The asset that sends what is due of a purpose."""

    @dg.asset(
        name=name,
        partitions_def=chorus_runs,
        deps=deps,
        hooks={show_reason},
        group_name=GROUP,
        output_required=False,
        backfill_policy=dg.BackfillPolicy.single_run(),
        description=f"{description} The sensor chorus_due sends. Materializing asks again for what failed.",
        metadata={"dagster/table_name": "batches"},
    )
    def send(
        context: dg.AssetExecutionContext,
        config: SubmitConfig,
        warehouse: WarehouseResource,
        objects: ObjectsResource,
        providers: ProvidersResource,
    ):
        database = warehouse.open(context)
        if not config.send_due:
            chosen, asked_from = set(context.partition_keys), providers.answers_from()
            with database.write() as connection:
                runs = [run for run in runs_of(connection) if run.run_id in chosen]
                again = retry_runs(connection, runs, asked_from, ledger_time(connection, datetime.now(UTC)))
            context.log.info("%s of %s runs asked again", len(again), len(runs))
            return
        sent = send_purpose(context, purpose, PURPOSES, config.send_due, database, objects, providers)
        with database.read() as connection:
            rows = connection.execute(_SENT, [[one.batch.batch_id for one in sent.batches]]).fetchall()
        events = [
            dg.AssetMaterialization(context.asset_key, partition=run, metadata={"batch": batch, "custom_id": custom_id})
            for run, batch, custom_id in rows
        ]
        report_materializations(context, events)
        fail_for(sent.complaints)
        yield from ()

    return send


statement_batches = _asking_asset(
    "statement_batches", STATEMENT, (), "Requests to the artists: one prompt, each as often as the group says."
)
artwork_batches = _asking_asset(
    "artwork_batches", ARTWORK, ("artist_statements",), "Requests to the brush: the image prompt of each statement."
)


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
        _report(context, unreported(context.instance, runs) if config.settled else _ready(runs))
    every = (*statement_checks, *artwork_checks)
    yield from checks.results(every, database, context.selected_asset_check_keys)
    if failed:
        named = "; ".join(f"{run.run_id}: {run.error or run.status}" for run in failed[:NAMED_AT_MOST])
        raise dg.Failure(f"{named}. Ask again with `grabient chorus retry`.", allow_retries=False)


def _ready(runs: Sequence[ChorusRun]) -> dict[str, list[ChorusRun]]:
    """By asset, the runs that have what it stands for."""
    return {
        "artist_statements": [run for run in runs if run.stage == "brush"],
        "artworks": [run for run in runs if run.status == "done"],
    }


def unreported(instance: dg.DagsterInstance, runs: Sequence[ChorusRun]) -> dict[str, list[ChorusRun]]:
    """The same without those that have a materialization."""
    found: dict[str, list[ChorusRun]] = {}
    for asset, ready in _ready(runs).items():
        known = instance.get_materialized_partitions(dg.AssetKey(asset)) if ready else set[str]()
        found[asset] = [run for run in ready if run.run_id not in known]
    return found


def _report(context: dg.AssetExecutionContext, found: dict[str, list[ChorusRun]]) -> None:
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    events: list[dg.AssetMaterialization] = []
    for asset, ready in found.items():
        for run in ready if asset in selected else ():
            shown = {"artist and brush": run.caption, "cost, USD": float(run.cost_usd)}
            if asset == "artist_statements":
                shown |= {"statement": run.statement or "none", "image prompt": run.image_prompt or ""}
            else:
                shown |= {"image": run.image_id or ""}
            events.append(dg.AssetMaterialization(asset, partition=run.run_id, metadata=shown))
    report_materializations(context, events)
