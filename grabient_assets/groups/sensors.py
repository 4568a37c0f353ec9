"""The sensor that looks for prompt versions of which nothing is open any more, and starts a run for each."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from grabient_assets.partitions import partitions_under
from grabient_assets.resources.runs import attempt, busy_with, runs_or_reason
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def version_sensor(
    name: str,
    job: UnresolvedAssetJobDefinition,
    settled: "Callable[[DuckDBPyConnection], Iterable[tuple[str, str]]]",
    description: str,
    nothing: str,
    interval: int,
    status: dg.DefaultSensorStatus,
) -> dg.SensorDefinition:
    """A sensor that starts `job` under each version of `settled`, which come with a text that identifies their content:
    the same content starts no second run. `nothing` is the sentence when there is no such version."""
    role = job.name.replace("_", "-")

    @dg.sensor(name=name, job=job, minimum_interval_seconds=interval, default_status=status, description=description)
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        reason = busy_with(context.instance, role)
        if reason:
            return dg.SkipReason(reason)
        database = warehouse.open_briefly()
        with database.read() as connection:
            versions = list(settled(connection))
        if not versions:
            return dg.SkipReason(nothing)
        requests: list[dg.RunRequest] = []
        reasons: list[str] = []
        for version, content in versions:
            going = attempt(context.instance, database, role, [f"{version} {content}"])
            if isinstance(going, str):
                reasons.append(going)
            else:
                requests.append(dg.RunRequest(run_key=going.run_key, partition_key=version, tags=going.tags))
        return runs_or_reason(context, requests, reasons, partitions_under)

    return look
