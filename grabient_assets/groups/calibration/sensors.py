"""When a prompt version has come to rest, its models are measured."""

import dagster as dg

from grabient_assets.groups.calibration.jobs import report_models
from grabient_assets.groups.tagging.model_reports import settled_without_report
from grabient_assets.partitions import partitions_under
from grabient_assets.resources.runs import attempt, busy_with, runs_or_reason
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked

ROLE = "report-models"


def consensus_settled(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: a report for every version whose consensus is newer than it, once no tagging of it is open."""

    @dg.sensor(
        name="consensus_settled",
        job=report_models,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Measures the models of a prompt version when its consensus has changed and nothing of it is open.",
    )
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        reason = busy_with(context.instance, ROLE)
        if reason:
            return dg.SkipReason(reason)
        database = warehouse.open_briefly()
        with database.read() as connection:
            settled = settled_without_report(connection)
        if not settled:
            return dg.SkipReason("Every settled consensus has its report.")
        requests: list[dg.RunRequest] = []
        reasons: list[str] = []
        for version, newest in settled:
            going = attempt(context.instance, database, ROLE, [f"{version} {newest.isoformat()}"])
            if isinstance(going, str):
                reasons.append(going)
            else:
                requests.append(dg.RunRequest(run_key=going.run_key, partition_key=version, tags=going.tags))
        return runs_or_reason(context, requests, reasons, partitions_under)

    return look
