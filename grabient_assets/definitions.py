"""READ FIRST: everything there is, nothing hidden.

Four groups make the pipeline (palettes, tagging, refinement, search), exports hands its results on, calibration says
how good the models are. The group chorus stands beside it: artists answer one prompt, a brush paints what they write,
and comparisons says what their differences are worth; edits are what editors make of the works. In the group knowledge,
talks and documents become entries that one can search; its assets lie in three folders: fetching reads sources,
knowledge asks models about them, retrieval embeds, indexes and measures. Otherwise assets, jobs, sensors and checks of
a group lie in files of these names in `groups/<group>/`; the rules beside them are plain Python. What every kind of
question asked of models has in common (jobs `submit_<purpose>`, `collect_batch`, `mark_failed`, `cancel_batch`; sensors
`<purpose>_due`, `tagging_completed`, `refinement_failed`, `batches_ended`) is made in `asking/` from the list in
`groups/purposes.py`. Resources read the settings when they are used, so this loads with an empty environment.
"""

import dagster as dg


@dg.definitions
def grabient() -> dg.Definitions:
    """The code location. Sensors run by default in emulator mode and wait for a person in live mode."""
    from grabient_assets.asking import jobs as asking_jobs
    from grabient_assets.asking import sensors as asking_sensors
    from grabient_assets.groups.calibration import assets as calibration_assets
    from grabient_assets.groups.calibration import jobs as calibration_jobs
    from grabient_assets.groups.calibration import sensors as calibration_sensors
    from grabient_assets.groups.chorus import assets as chorus_assets
    from grabient_assets.groups.chorus import jobs as chorus_jobs
    from grabient_assets.groups.chorus import sensors as chorus_sensors
    from grabient_assets.groups.comparisons import assets as comparison_assets
    from grabient_assets.groups.comparisons import jobs as comparison_jobs
    from grabient_assets.groups.comparisons import sensors as comparison_sensors
    from grabient_assets.groups.edits import assets as edit_assets
    from grabient_assets.groups.edits import jobs as edit_jobs
    from grabient_assets.groups.edits import sensors as edit_sensors
    from grabient_assets.groups.exports import assets as export_assets
    from grabient_assets.groups.exports import jobs as export_jobs
    from grabient_assets.groups.exports import sensors as export_sensors
    from grabient_assets.groups.fetching import assets as fetching_assets
    from grabient_assets.groups.fetching import jobs as fetching_jobs
    from grabient_assets.groups.fetching import sensors as fetching_sensors
    from grabient_assets.groups.images import assets as image_assets
    from grabient_assets.groups.images import jobs as image_jobs
    from grabient_assets.groups.images import sensors as image_sensors
    from grabient_assets.groups.knowledge import assets as knowledge_assets
    from grabient_assets.groups.knowledge import jobs as knowledge_jobs
    from grabient_assets.groups.knowledge import sensors as knowledge_sensors
    from grabient_assets.groups.knowledge import workflows as knowledge_workflows
    from grabient_assets.groups.notices import sensors as notice_sensors
    from grabient_assets.groups.palettes import assets as palette_assets
    from grabient_assets.groups.palettes import checks as palette_checks
    from grabient_assets.groups.palettes import jobs as palette_jobs
    from grabient_assets.groups.palettes import sensors as palette_sensors
    from grabient_assets.groups.purposes import PURPOSES, purpose_assets
    from grabient_assets.groups.refinement import assets as refinement_assets
    from grabient_assets.groups.retrieval import assets as retrieval_assets
    from grabient_assets.groups.retrieval import jobs as retrieval_jobs
    from grabient_assets.groups.retrieval import sensors as retrieval_sensors
    from grabient_assets.groups.search import assets as search_assets
    from grabient_assets.groups.search import jobs as search_jobs
    from grabient_assets.groups.search import sensors as search_sensors
    from grabient_assets.groups.tagging import assets as tagging_assets
    from grabient_assets.resources.modes import seconds_between_ticks, sensors_run_by_default
    from grabient_assets.resources.objects import ObjectsResource
    from grabient_assets.resources.providers import ProvidersResource
    from grabient_assets.resources.warehouse import WarehouseResource
    from grabient_assets.settings import load_settings

    settings = load_settings()
    interval = seconds_between_ticks(settings)
    running = sensors_run_by_default(settings)
    status = dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED
    shown = purpose_assets()
    collect_batch, mark_failed = asking_jobs.collect_batch_job(PURPOSES, shown), asking_jobs.mark_failed_job(shown)
    cancel_batch = asking_jobs.cancel_batch_job(PURPOSES, shown)
    submit = {name: asking_jobs.submit_job(one) for name, one in shown.items()}
    return dg.Definitions(
        assets=[
            palette_assets.palettes,
            palette_assets.palette_images,
            *tagging_assets.tag_batches,
            tagging_assets.collect_tagging,
            refinement_assets.refinement_batches,
            refinement_assets.collect_refinement,
            search_assets.palette_embeddings,
            search_assets.palette_index,
            search_assets.search_reports,
            chorus_assets.statement_batches,
            chorus_assets.artwork_batches,
            chorus_assets.collect_chorus,
            comparison_assets.chorus_comparisons,
            comparison_assets.artist_fingerprints,
            edit_assets.edit_requests,
            edit_assets.collect_edits,
            image_assets.report_image_chains,
            knowledge_assets.knowledge_workflows,
            fetching_assets.sources_asset(knowledge_workflows.ask_about),
            knowledge_assets.extraction_batches,
            knowledge_assets.knowledge_entries,
            retrieval_assets.entry_embeddings,
            retrieval_assets.knowledge_index,
            retrieval_assets.knowledge_reports,
            calibration_assets.model_reports,
            export_assets.palette_exports,
        ],
        asset_checks=[palette_checks.every_palette_has_an_image],
        jobs=[
            palette_jobs.load_palettes,
            *submit.values(),
            collect_batch,
            mark_failed,
            cancel_batch,
            search_jobs.embed_texts,
            search_jobs.sync_indexes,
            search_jobs.measure_search,
            chorus_jobs.ask_chorus,
            chorus_jobs.submit_statements,
            chorus_jobs.submit_artworks,
            chorus_jobs.report_chorus,
            comparison_jobs.compare_artists,
            edit_jobs.submit_edits,
            edit_jobs.report_edits,
            edit_jobs.cancel_edit,
            image_jobs.report_chains,
            knowledge_jobs.new_workflow,
            fetching_jobs.fetch_sources,
            fetching_jobs.redrive_sources,
            knowledge_jobs.submit_extraction,
            knowledge_jobs.report_knowledge,
            retrieval_jobs.embed_entries,
            retrieval_jobs.index_knowledge,
            retrieval_jobs.delete_workflow,
            calibration_jobs.report_models,
            export_jobs.export_palettes,
        ],
        sensors=[
            palette_sensors.palettes_loaded(interval, status),
            asking_sensors.batches_ended(shown, collect_batch, interval, status),
            *(asking_sensors.due_sensor(one, submit[name], interval, status) for name, one in shown.items()),
            *(
                asking_sensors.settled_sensor(one, collect_batch, mark_failed, interval, status)
                for one in shown.values()
            ),
            search_sensors.texts_waiting(interval, status),
            search_sensors.vectors_changed(interval, status),
            chorus_sensors.chorus_due(interval, status),
            comparison_sensors.chorus_settled(interval, status),
            edit_sensors.edits_due(cancel_batch, status),
            image_sensors.chains_grown(interval, status),
            fetching_sensors.sources_due(interval, status),
            knowledge_sensors.extraction_due(interval, status),
            retrieval_sensors.entries_changed(interval, status),
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
