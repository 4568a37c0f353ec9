"""The sensor of a chorus that has come to rest: it reports, marks and compares."""

from collections.abc import Iterator

import dagster as dg

from grabient_assets.groups.chorus.assets import unreported
from grabient_assets.groups.chorus.jobs import report_chorus
from grabient_assets.groups.chorus.runs import ChorusRun, runs_of
from grabient_assets.groups.comparisons.jobs import compare_artists
from grabient_assets.groups.comparisons.signals import groups_to_compare
from grabient_assets.partitions import missing_chorus_partitions
from grabient_assets.resources.runs import (
    ABOUT_TAG,
    attempt,
    busy_with,
    runs_or_reason,
    unmarked_failures,
)
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.wording import counted


def chorus_settled(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: reports runs that are done, marks those that failed, and compares groups that have come to rest."""

    @dg.sensor(
        name="chorus_settled",
        jobs=[report_chorus, compare_artists],
        minimum_interval_seconds=interval,
        default_status=status,
        description="Reports each run of a chorus that is done, marks those that failed by a run that fails with the "
        "reason, and compares the artists of a group that has come to rest or has new votes.",
    )
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        database = warehouse.open_briefly()
        with database.read() as connection:
            runs = runs_of(connection)
            comparing = groups_to_compare(connection) if runs else {}
        requests: list[dg.RunRequest] = []
        reasons: list[str] = []
        fresh = sorted({run.run_id for found in unreported(context.instance, runs).values() for run in found})
        if fresh:
            going = attempt(context.instance, database, "report-chorus", fresh)
            if isinstance(going, str):
                reasons.append(going)
            else:
                requests.append(
                    dg.RunRequest(
                        run_key=going.run_key,
                        job_name="report_chorus",
                        partition_key=fresh[0],
                        tags={**going.tags, ABOUT_TAG: f"{counted(len(fresh), 'run')} reported"},
                        run_config={"ops": {"collect_chorus": {"config": {"settled": True}}}},
                    )
                )
        requests += _marking(context.instance, runs)
        for group_id, state in comparing.items():
            going = attempt(context.instance, database, "compare-artists", [group_id, state])
            if isinstance(going, str):
                reasons.append(going)
            elif not (reason := busy_with(context.instance, "compare-artists")):
                requests.append(
                    dg.RunRequest(
                        run_key=going.run_key, job_name="compare_artists", partition_key=group_id, tags=going.tags
                    )
                )
            else:
                reasons.append(reason)
        return runs_or_reason(
            context,
            requests,
            reasons or ["No run of a chorus waits to be reported, marked or compared."],
            lambda instance, _: missing_chorus_partitions(instance, runs),
        )

    return look


def _marking(instance: dg.DagsterInstance, runs: list[ChorusRun]) -> Iterator[dg.RunRequest]:
    """A run that fails with the reason for each run that failed, once for each failure."""
    found = {run.run_id: run for run in runs if run.status == "failed"}
    failed = {
        run_id: ((run_id, run.stage, run.error or "", str(run.cost_usd)), f"{run.artist} failed")
        for run_id, run in found.items()
    }
    for run_id, marking in unmarked_failures(instance, "mark-chorus", failed):
        asset = "artworks" if found[run_id].stage == "brush" else "artist_statements"
        yield dg.RunRequest(
            run_key=marking.run_key,
            job_name="report_chorus",
            partition_key=run_id,
            asset_selection=[dg.AssetKey(asset)],
            tags=marking.tags,
        )
