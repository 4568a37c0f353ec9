"""The sensor of image chains."""

import dagster as dg

from grabient_assets.groups.images.assets import EDITED
from grabient_assets.groups.images.chains import edited_images
from grabient_assets.groups.images.jobs import report_chains
from grabient_assets.resources.runs import attempt, busy_with
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked


def chains_grown(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: a run that shows the chains anew when an edit has made another image."""

    @dg.sensor(
        name="chains_grown",
        job=report_chains,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Shows the chains of images anew when an edit has made another one.",
    )
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.RunRequest | dg.SkipReason:
        database = warehouse.open_briefly()
        with database.read() as connection:
            edited = edited_images(connection)
        latest = context.instance.get_latest_materialization_event(dg.AssetKey("image_chains"))
        event = latest.asset_materialization if latest else None
        shown = event.metadata.get(EDITED) if event else None
        if (shown.value if shown else 0) == edited:
            return dg.SkipReason("The chains of images are shown as they are.")
        going = busy_with(context.instance, "report-chains") or attempt(
            context.instance, database, "report-chains", [str(edited)]
        )
        if isinstance(going, str):
            return dg.SkipReason(going)
        return dg.RunRequest(run_key=going.run_key, tags=going.tags)

    return look
