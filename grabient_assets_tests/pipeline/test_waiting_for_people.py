"""What people ask for one by one goes out together: the due sensor waits while they are at it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._daemon.types import DaemonHeartbeat

from grabient_assets.groups.tagging.asking import TaggingWish, ask_for_tags
from grabient_assets.partitions import add_seeds
from grabient_assets.resources.runs import GAVE_UP, PAUSE_AFTER_FAILURES, Attempt, attempt
from grabient_assets.warehouse.asks import PaletteVersion
from grabient_assets_tests.pipeline.driven import Driven, driven
from grabient_assets_tests.pipeline.place import samples


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Driven]:
    """One palette is wanted from OpenAI. Nothing is sent in these tests, so no emulator starts."""
    with driven(tmp_path / "data") as pipeline:
        add_seeds(pipeline.instance, pipeline.load(1))
        wish = TaggingWish(
            [PaletteVersion("v1", samples(1).rows[0].palette.canonical)], ("openai",), 1, answers_from="emulator"
        )
        ask_for_tags(wish, pipeline.warehouse, datetime.now(UTC))
        yield pipeline


def look(pipeline: Driven) -> SensorExecutionData:
    """What Dagster understands of what tagging_due says now."""
    context = dg.build_sensor_context(
        instance=pipeline.instance,
        instance_ref=pipeline.instance.get_ref(),
        definitions=pipeline.definitions,
        sensor_name="tagging_due",
        resources=dict(pipeline.definitions.resources or {}),
    )
    return pipeline.definitions.resolve_sensor_def("tagging_due").evaluate_tick(context)


def reason(pipeline: Driven) -> str:
    said = look(pipeline)
    assert not said.run_requests and said.skip_message
    return said.skip_message


def requested(pipeline: Driven) -> list[tuple[str | None, dict[str, str]]]:
    """The runs it asks for: partition, and the tags that say for whom and how much."""
    shown = ("grabient/provider", "grabient/requests")
    runs = look(pipeline).run_requests or ()
    return [(run.partition_key, {name: run.tags[name] for name in shown}) for run in runs]


SENT = {"grabient/provider": "openai", "grabient/requests": "3"}


def test_a_run_that_a_person_started_is_waited_for(pipeline: Driven):
    run = dg.DagsterRun(job_name="submit_tagging", run_id=run_id_of(1), status=dg.DagsterRunStatus.STARTED)
    pipeline.instance.add_run(run)
    assert f"Waiting for run {run.run_id[:8]} (submit_tagging), so that what it asks for goes out together." in reason(
        pipeline
    )
    pipeline.instance.report_run_canceled(run)
    assert [tags for _, tags in requested(pipeline)] == [SENT]


def scattered() -> PartitionBackfill:
    return PartitionBackfill(
        backfill_id="scattered",
        status=BulkActionStatus.REQUESTED,
        from_failure=False,
        tags={},
        backfill_timestamp=datetime.now(UTC).timestamp(),
        asset_selection=[dg.AssetKey("openai_tag_batches")],
        partition_names=[],
    )


def test_what_only_a_daemon_could_start_is_not_waited_for_without_one(pipeline: Driven):
    pipeline.instance.add_backfill(scattered())
    created = dg.DagsterRun(job_name="submit_tagging", run_id=run_id_of(1), status=dg.DagsterRunStatus.NOT_STARTED)
    pipeline.instance.add_run(created)
    assert [tags for _, tags in requested(pipeline)] == [SENT]


def test_a_run_of_a_process_that_is_gone_is_not_waited_for(pipeline: Driven):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    tags = {"grabient/role": "submit-tagging-openai", "grabient/pid": str(gone.pid)}
    run = dg.DagsterRun(job_name="submit_tagging", run_id=run_id_of(1), status=dg.DagsterRunStatus.STARTED, tags=tags)
    pipeline.instance.add_run(run)
    assert [tags for _, tags in requested(pipeline)] == [SENT]


def test_a_backfill_is_waited_for(pipeline: Driven):
    beat = DaemonHeartbeat(datetime.now(UTC).timestamp(), "BACKFILL", "a daemon", None)
    pipeline.instance.add_daemon_heartbeat(beat)
    backfill = scattered()
    pipeline.instance.add_backfill(backfill)
    assert "Waiting for backfill scattered, so that what it asks for goes out together." in reason(pipeline)
    pipeline.instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    assert [tags for _, tags in requested(pipeline)] == [SENT]


def test_its_own_run_is_waited_for_and_that_of_another_provider_is_not(pipeline: Driven):
    for number, provider in enumerate(("groq", "openai"), start=1):
        run = dg.DagsterRun(
            job_name="submit_tagging",
            run_id=run_id_of(number),
            status=dg.DagsterRunStatus.STARTED,
            tags={"grabient/role": f"submit-tagging-{provider}"},
        )
        pipeline.instance.add_run(run)
        if provider == "groq":
            assert [tags for _, tags in requested(pipeline)] == [SENT]
        else:
            assert f"Run {run.run_id[:8]} is already doing this." in reason(pipeline)


def test_the_same_work_has_the_same_run_key(pipeline: Driven):
    keys = [one.run_key for _ in range(2) for one in look(pipeline).run_requests or ()]
    assert len(keys) == 2 and keys[0] == keys[1]
    assert keys[0] is not None and keys[0].startswith("submit-tagging-openai-") and keys[0].endswith("-1")


def test_after_five_failures_there_is_a_pause_and_then_one_try_at_a_time(pipeline: Driven):
    instance = pipeline.instance
    for number in range(1, 6):
        going = attempt(instance, "collect", ["a", "b"])
        assert isinstance(going, Attempt) and going.run_key.endswith(f"-{number}")
        failed = dg.DagsterRunStatus.FAILURE
        instance.add_run(dg.DagsterRun("collect_batch", run_id_of(number), tags=going.tags, status=failed))
    waiting = attempt(instance, "collect", ["b", "a"])
    assert isinstance(waiting, str) and waiting.startswith(f"{GAVE_UP}, the latest is 00000005; it says why.")
    later = attempt(instance, "collect", ["a", "b"], now=datetime.now(UTC) + PAUSE_AFTER_FAILURES)
    assert isinstance(later, Attempt) and later.run_key.endswith("-6")
    assert isinstance(attempt(instance, "collect", ["a"]), Attempt), "other work is not held up"


def run_id_of(number: int) -> str:
    return f"0000000{number}-0000-4000-8000-000000000000"
