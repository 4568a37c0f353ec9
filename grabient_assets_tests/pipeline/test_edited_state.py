"""What people delete in Dagster while batches are out: partitions, runs, events of assets, a prompt version. No tick
fails by it, every paid answer is collected into the ledger, and the palettes go on to their end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from grabient_assets.headless.driver import SENSOR_TAG, FinishedRun, execute_job, quiet_dagster
from grabient_assets.partitions import PROMPT_VERSIONS, SEEDS
from grabient_assets.resources.runs import REASON_TAG, RUN_KEY_TAG
from grabient_assets_tests.pipeline.driven import AFTER_PICTURES, TAG_BATCHES, Driven, driven


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Driven]:
    with driven(tmp_path / "data") as pipeline:
        yield pipeline


def tick_alone(pipeline: Driven, name: str) -> list[FinishedRun]:
    """One sensor's tick and its runs, as the daemon makes them; no other sensor comes before it."""
    sensor = pipeline.definitions.resolve_sensor_def(name)
    context = dg.build_sensor_context(
        instance=pipeline.instance,
        instance_ref=pipeline.instance.get_ref(),
        definitions=pipeline.definitions,
        sensor_name=name,
        resources=dict(pipeline.definitions.resources or {}),
    )
    ended: list[FinishedRun] = []
    with quiet_dagster():
        said = sensor.evaluate_tick(context)
        for change in said.dynamic_partitions_requests or ():
            pipeline.instance.add_dynamic_partitions(change.partitions_def_name, list(change.partition_keys))
        for request in said.run_requests or ():
            job = pipeline.definitions.resolve_job_def(request.job_name or sensor.job.name)
            tags = {**request.tags, SENSOR_TAG: name, RUN_KEY_TAG: request.run_key or ""}
            selection = list(request.asset_selection) if request.asset_selection else None
            config, key = request.run_config, request.partition_key
            ended.append(
                execute_job(job, pipeline.instance, config, tags, partition_key=key, asset_selection=selection)
            )
    return ended


def delete_everything(pipeline: Driven) -> None:
    """All partitions, all runs, and what Dagster knows of every asset."""
    for space in (SEEDS, PROMPT_VERSIONS):
        for key in pipeline.instance.get_dynamic_partitions(space):
            pipeline.instance.delete_dynamic_partition(space, key)
    for run in pipeline.instance.get_runs():
        pipeline.instance.delete_run(run.run_id)
    pipeline.instance.wipe_assets(list(pipeline.definitions.resolve_asset_graph().get_all_asset_keys()))


def ask(pipeline: Driven, key: str) -> None:
    for asset in TAG_BATCHES:
        assert pipeline.person(asset, key, {"analyses": 1}).success


@pytest.mark.slow
def test_every_sensor_goes_on_when_everything_was_deleted_before_its_tick(pipeline: Driven) -> None:
    [seed] = pipeline.load(1)
    pipeline.tick()
    ask(pipeline, f"v1|{seed}")

    def ended(name: str) -> list[tuple[str, bool, str | None]]:
        delete_everything(pipeline)
        return [(run.job, run.success, run.failure) for run in tick_alone(pipeline, name)]

    def until_collected(status: str) -> list[tuple[str, bool, str | None]]:
        runs: list[tuple[str, bool, str | None]] = []
        while pipeline.rows(f"SELECT 1 FROM batches WHERE status = '{status}'"):
            runs += ended("batches_ended")
        return runs

    assert ended("tagging_due") == [("submit_tagging", True, None)] * 4
    assert set(until_collected("submitted")) == {("collect_batch", True, None)}
    assert pipeline.rows("SELECT count(*) FROM palette_tags WHERE error IS NULL") == [(10,)]
    assert ended("consensus_settled") == [("report_models", True, None)]
    pipeline.write("DELETE FROM tag_consensus")
    assert ended("tagging_completed") == [("collect_batch", True, None)]
    assert ended("palettes_loaded") == [("load_palettes", True, None)]
    assert ended("refinement_due") == [("submit_refinement", True, None)]
    assert set(until_collected("submitted")) == {("collect_batch", True, None)}
    assert pipeline.rows("SELECT count(*) FROM palette_tag_refined WHERE error IS NULL") == [(1,)]
    assert ended("refinement_settled") == [("export_palettes", True, None)]
    assert pipeline.green("palette_exports") == {"v1"}
    assert pipeline.rows("SELECT prompt_version, row_count FROM palette_exports") == [("v1", 1)]
    delete_everything(pipeline)
    again = {run.job: run.success for run in pipeline.tick()}
    assert again == {"load_palettes": True, "report_models": True}, "reported again, and nothing is asked"
    assert pipeline.instance.get_dynamic_partitions(SEEDS) == [seed]
    assert pipeline.instance.get_dynamic_partitions(PROMPT_VERSIONS) == ["v1"]
    assert pipeline.rows("SELECT count(*) FROM batches") == [(11,)]


@pytest.mark.slow
def test_a_version_whose_folder_is_gone_keeps_no_other_back(pipeline: Driven) -> None:
    """One palette was asked under a version that is renamed while its batches are out, the other under v1."""
    gone, other = pipeline.load(2)
    pipeline.tick()
    ask(pipeline, f"v1|{gone}")
    pipeline.tick()
    assert pipeline.rows("SELECT DISTINCT status FROM batches") == [("submitted",)]
    for table in ("asks", "batches"):
        pipeline.write(f"UPDATE {table} SET prompt_version = 'gone'")
    ask(pipeline, f"v1|{other}")
    runs = pipeline.until("the other", "embed_text", {f"v1|{other}"})
    key = f"gone|{gone}"
    for asset in ("palette_tags", "tag_consensus"):
        assert pipeline.green(asset) == {key, f"v1|{other}"}
    assert pipeline.rows("SELECT count(*) FROM palette_tags WHERE prompt_version = 'gone' AND error IS NULL") == [(10,)]
    assert pipeline.instance.get_dynamic_partitions(PROMPT_VERSIONS) == ["v1", "gone"]
    failed = {run.job: run for run in runs if not run.success}
    why = "There is no prompt version 'gone'; there is "
    assert set(failed) == {"submit_tagging", "submit_refinement"}, "what was to be sent under it is stopped"
    assert (failed["submit_tagging"].failure or "").startswith(why)
    assert (failed["submit_refinement"].failure or "").startswith(f"1 palette not refined. {why}")
    found = pipeline.instance.get_run_by_id(failed["submit_refinement"].run_id)
    assert found is not None and found.tags[REASON_TAG].startswith(f"1 palette not refined. {why}")
    assert [run for run in pipeline.tick() if not run.success] == []
    for asset in AFTER_PICTURES:
        assert f"v1|{other}" in pipeline.green(asset)
