"""When nothing of a prompt version is open any more, its refined palettes are exported."""

import dagster as dg

from grabient_assets.groups.exports.jobs import export_palettes
from grabient_assets.groups.exports.tables import settled_without_export
from grabient_assets.partitions import partitions_under
from grabient_assets.resources.runs import attempt, busy_with, runs_or_reason
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked

ROLE = "export-palettes"


def refinement_settled(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: a new file for every version whose palettes are not in the object store as they are now."""

    @dg.sensor(
        name="refinement_settled",
        job=export_palettes,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Exports the refined palettes of a version when they have changed and nothing of it is open.",
    )
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        reason = busy_with(context.instance, ROLE)
        if reason:
            return dg.SkipReason(reason)
        database = warehouse.open_briefly()
        with database.read() as connection:
            settled = settled_without_export(connection)
        if not settled:
            return dg.SkipReason("Every settled version is exported as it is.")
        requests: list[dg.RunRequest] = []
        reasons: list[str] = []
        for version, content in settled:
            going = attempt(context.instance, database, ROLE, [f"{version} {content}"])
            if isinstance(going, str):
                reasons.append(going)
            else:
                requests.append(dg.RunRequest(run_key=going.run_key, partition_key=version, tags=going.tags))
        return runs_or_reason(context, requests, reasons, partitions_under)

    return look
