"""READ FIRST: everything there is, nothing hidden.

Three groups make the pipeline (palettes, tagging, refinement), exports hands its results on, calibration says how good
the models are, and batches holds what is common to all batches. Assets, jobs, sensors and checks of a group lie in
files of these names in `groups/<group>/`; the rules beside them are plain Python. Resources read the settings when they
are used, so this loads with an empty environment.
"""

import dagster as dg


@dg.definitions
def grabient() -> dg.Definitions:
    """The code location. Sensors run by default in emulator mode and wait for a person in live mode."""
    from grabient_assets.groups.batches import jobs as batch_jobs
    from grabient_assets.groups.batches import sensors as batch_sensors
    from grabient_assets.groups.calibration import assets as calibration_assets
    from grabient_assets.groups.calibration import jobs as calibration_jobs
    from grabient_assets.groups.calibration import sensors as calibration_sensors
    from grabient_assets.groups.exports import assets as export_assets
    from grabient_assets.groups.exports import jobs as export_jobs
    from grabient_assets.groups.exports import sensors as export_sensors
    from grabient_assets.groups.notices import sensors as notice_sensors
    from grabient_assets.groups.palettes import assets as palette_assets
    from grabient_assets.groups.palettes import checks as palette_checks
    from grabient_assets.groups.palettes import jobs as palette_jobs
    from grabient_assets.groups.palettes import sensors as palette_sensors
    from grabient_assets.groups.refinement import assets as refinement_assets
    from grabient_assets.groups.refinement import jobs as refinement_jobs
    from grabient_assets.groups.refinement import sensors as refinement_sensors
    from grabient_assets.groups.tagging import assets as tagging_assets
    from grabient_assets.groups.tagging import jobs as tagging_jobs
    from grabient_assets.groups.tagging import sensors as tagging_sensors
    from grabient_assets.resources.modes import seconds_between_ticks, sensors_run_by_default
    from grabient_assets.resources.objects import ObjectsResource
    from grabient_assets.resources.providers import ProvidersResource
    from grabient_assets.resources.warehouse import WarehouseResource
    from grabient_assets.settings import load_settings

    settings = load_settings()
    interval = seconds_between_ticks(settings)
    running = sensors_run_by_default(settings)
    status = dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED
    return dg.Definitions(
        assets=[
            palette_assets.palettes,
            palette_assets.palette_images,
            *tagging_assets.tag_batches,
            tagging_assets.collect_tagging,
            refinement_assets.refinement_batches,
            refinement_assets.collect_refinement,
            calibration_assets.model_reports,
            export_assets.palette_exports,
        ],
        asset_checks=[palette_checks.every_palette_has_an_image],
        jobs=[
            palette_jobs.load_palettes,
            tagging_jobs.submit_tagging,
            refinement_jobs.submit_refinement,
            batch_jobs.collect_batch,
            batch_jobs.cancel_batch,
            calibration_jobs.report_models,
            export_jobs.export_palettes,
        ],
        sensors=[
            palette_sensors.palettes_loaded(interval, status),
            tagging_sensors.tagging_due(interval, status),
            tagging_sensors.tagging_completed(interval, status),
            batch_sensors.batches_ended(interval, status),
            refinement_sensors.refinement_due(interval, status),
            refinement_sensors.refinement_failed(interval, status),
            calibration_sensors.consensus_settled(interval, status),
            export_sensors.refinement_settled(interval, status),
            notice_sensors.something_to_tell(interval, status),
        ],
        resources={
            "warehouse": WarehouseResource(),
            "objects": ObjectsResource(),
            "providers": ProvidersResource(),
        },
        executor=dg.in_process_executor,
    )
