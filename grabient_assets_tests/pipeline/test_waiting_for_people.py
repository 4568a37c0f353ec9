"""What people ask for one by one goes out together: the due sensor waits while they are at it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._daemon.types import DaemonHeartbeat

from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags
from grabient_assets.headless.driver import Driver, quiet_dagster
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.attempts import hold_work
from grabient_assets.ledger.held_work import Held, held_back
from grabient_assets.partitions import add_partitions
from grabient_assets.resources.dead_runs import PID_TAG
from grabient_assets.resources.runs import (
    ABOUT_TAG,
    GAVE_UP,
    PAUSE_AFTER_FAILURES,
    REASON_TAG,
    ROLE_TAG,
    RUN_KEY_TAG,
    WORK_TAG,
    Attempt,
    attempt,
    record_begun,
)
from grabient_assets_tests.pipeline.driven import Driven, driven
from grabient_assets_tests.pipeline.place import samples


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Driven]:
    """One palette is wanted from OpenAI. Nothing is sent in these tests, so no emulator starts."""
    with driven(tmp_path / "data") as pipeline:
        add_partitions(pipeline.instance, pipeline.load(1))
        wish = TaggingAsk(
            [SubjectVersion("v1", samples(1).rows[0].palette.canonical)], ("openai",), 1, answers_from="emulator"
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


def requested(pipeline: Driven) -> list[tuple[str | None, str]]:
    """The runs it asks for: partition, and the tags that say for whom and how much."""
    runs = look(pipeline).run_requests or ()
    return [(run.partition_key, run.tags[ABOUT_TAG]) for run in runs]


SENT = "openai: 3 requests"


def test_a_run_that_a_person_started_is_waited_for(pipeline: Driven):
    run = dg.DagsterRun(job_name="submit_tagging", run_id=run_id_of(1), status=dg.DagsterRunStatus.STARTED)
    pipeline.instance.add_run(run)
    assert f"Waiting for run {run.run_id[:8]} (submit_tagging), so that what it asks for goes out together." in reason(
        pipeline
    )
    pipeline.instance.report_run_canceled(run)
    assert [about for _, about in requested(pipeline)] == [SENT]


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
    assert [about for _, about in requested(pipeline)] == [SENT]


def test_a_run_of_a_process_that_is_gone_is_not_waited_for(pipeline: Driven):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    tags = {ROLE_TAG: "submit-tagging-openai", PID_TAG: str(gone.pid)}
    run = dg.DagsterRun(job_name="submit_tagging", run_id=run_id_of(1), status=dg.DagsterRunStatus.STARTED, tags=tags)
    pipeline.instance.add_run(run)
    assert [about for _, about in requested(pipeline)] == [SENT]


def test_a_backfill_is_waited_for(pipeline: Driven):
    beat = DaemonHeartbeat(datetime.now(UTC).timestamp(), "BACKFILL", "a daemon", None)
    pipeline.instance.add_daemon_heartbeat(beat)
    backfill = scattered()
    pipeline.instance.add_backfill(backfill)
    assert "Waiting for backfill scattered, so that what it asks for goes out together." in reason(pipeline)
    pipeline.instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    assert [about for _, about in requested(pipeline)] == [SENT]


def test_its_own_run_is_waited_for_and_that_of_another_provider_is_not(pipeline: Driven):
    for number, provider in enumerate(("groq", "openai"), start=1):
        run = dg.DagsterRun(
            job_name="submit_tagging",
            run_id=run_id_of(number),
            status=dg.DagsterRunStatus.STARTED,
            tags={ROLE_TAG: f"submit-tagging-{provider}"},
        )
        pipeline.instance.add_run(run)
        if provider == "groq":
            assert [about for _, about in requested(pipeline)] == [SENT]
        else:
            assert f"Run {run.run_id[:8]} is already doing this." in reason(pipeline)


def test_the_same_work_has_the_same_run_key(pipeline: Driven):
    keys = [one.run_key for _ in range(2) for one in look(pipeline).run_requests or ()]
    assert len(keys) == 2 and keys[0] == keys[1]
    assert keys[0] is not None and keys[0].startswith("submit-tagging-openai-") and keys[0].endswith("-1")


def fail(pipeline: Driven, going: Attempt | str, number: int, **tags: str) -> str:
    """A run of this attempt that has failed; its id. `number` is in the id."""
    assert isinstance(going, Attempt)
    tags = {**going.tags, RUN_KEY_TAG: going.run_key, **tags}
    run = dg.DagsterRun("collect_batch", run_id_of(number), tags=tags, status=dg.DagsterRunStatus.FAILURE)
    pipeline.instance.add_run(run)
    return run.run_id


def test_after_five_failures_there_is_a_pause_until_a_person_asks(pipeline: Driven):
    """What is held is written down with its reason, and shown; a person's command releases it."""

    def ask(*items: str, now: datetime | None = None) -> Attempt | str:
        return attempt(pipeline.instance, pipeline.warehouse, "collect", items, now)

    def held() -> list[Held]:
        with pipeline.warehouse.read() as connection:
            return held_back(connection, PURPOSES, None, datetime.now(UTC))

    for number in range(1, 6):
        going = ask("a", "b")
        assert isinstance(going, Attempt) and going.run_key.endswith(f"-{number}")
        fail(pipeline, going, number, **{REASON_TAG: f"The disk said {number}."})
    assert held() == []
    waiting = ask("b", "a")
    assert isinstance(waiting, str) and waiting.startswith(f"{GAVE_UP}: The disk said 5. The next try is at ")
    [one] = held()
    assert (one.kind, one.sentence.startswith("Held after failures (collect): The disk said 5. ")) == ("failed", True)
    assert one.until is not None and one.until > datetime.now(UTC)
    later = ask("a", "b", now=datetime.now(UTC) + PAUSE_AFTER_FAILURES)
    assert isinstance(later, Attempt) and later.run_key.endswith("-6")
    assert isinstance(ask("a"), Attempt), "other work is not held up"
    earlier = ask("a", "b", now=datetime.now(UTC) - 10 * PAUSE_AFTER_FAILURES)
    assert isinstance(earlier, Attempt), "the clock was set back: nobody waits for hours"

    assert pipeline.person("openai_tag_batches", f"v1|{samples(1).rows[0].palette.canonical}").success
    assert held() == []
    released = ask("a", "b")
    assert isinstance(released, Attempt) and released.run_key.endswith("-6")
    fail(pipeline, released, 6)
    assert isinstance(ask("a", "b"), Attempt), "failures are counted from the release on"


def test_pictures_of_palettes_that_were_asked_about_come_first(pipeline: Driven):
    """In a run of their own; the others follow, and a driver for asked palettes alone leaves those out."""
    asked = {samples(1).rows[0].palette.canonical}
    loaded = set(pipeline.load(3))
    driver = Driver(pipeline.definitions, pipeline.instance, asked_only=True)

    def drawn(by: Driver) -> set[str]:
        with quiet_dagster():
            assert next(by.tick()).job == "load_palettes"
        return pipeline.green("palette_images")

    assert drawn(driver) == asked
    with quiet_dagster():
        assert "load_palettes" not in {one.job for one in islice(driver.tick(), 1)}
    assert pipeline.green("palette_images") == asked
    assert drawn(pipeline.driver) == loaded


def test_equal_reasons_are_one_sentence(pipeline: Driven):
    """What differs in ids and times alone is said once, with all the work that it holds."""
    now = datetime.now(UTC)
    with pipeline.warehouse.write() as connection:
        for minutes, role in enumerate(("submit-groq", "submit-openai", "submit-google", "load"), 10):
            reason = "No room." if role == "load" else f"Object batches/tagging-{minutes}/a.gz cannot be written."
            hold_work(connection, f"work of {role}", role, 5, now + timedelta(minutes=minutes), reason)
        held = held_back(connection, PURPOSES, None, now)
    assert [one.sentence.partition(" The next")[0] for one in held] == [
        "Held after failures (submit-groq, submit-openai, submit-google): Object batches/tagging-10/a.gz cannot be "
        "written.",
        "Held after failures (load): No room.",
    ]
    assert held[0].until == now + timedelta(minutes=10)


def test_a_run_key_never_comes_twice(pipeline: Driven):
    """Whatever people delete: a failed run, or all of them, before or after the next look."""
    keys: list[str] = []

    def ask() -> Attempt:
        going = attempt(pipeline.instance, pipeline.warehouse, "collect", ["a"])
        assert isinstance(going, Attempt)
        return going

    first, second = (fail(pipeline, ask(), number) for number in (1, 2))
    pipeline.instance.delete_run(first)
    assert ask().run_key.endswith("-3")
    keys += [f"collect-{ask().tags[WORK_TAG]}-{number}" for number in (1, 2)]
    run = dg.DagsterRun("collect_batch", run_id_of(3), tags={**ask().tags, RUN_KEY_TAG: ask().run_key})
    record_begun(run, pipeline.warehouse)  # it has begun, and is deleted before any sensor has seen it
    pipeline.instance.delete_run(second)
    keys.append(ask().run_key)
    assert [key.rpartition("-")[2] for key in keys] == ["1", "2", "4"]


def test_the_runs_of_a_sensor_are_counted_when_they_begin(pipeline: Driven):
    """Whole runs: each fails, is deleted at once, and the next has another key."""
    pipeline.faults({"match": {"provider": "openai", "route": "create"}, "action": {"do": "status", "status": 401}})
    keys: list[str] = []
    for _ in range(2):
        [ended] = [run for run in pipeline.tick() if run.job == "submit_tagging"]
        run = pipeline.instance.get_run_by_id(ended.run_id)
        assert run is not None and not ended.success
        keys.append(run.tags[RUN_KEY_TAG])
        pipeline.instance.delete_run(run.run_id)
        key = f"v1|{samples(1).rows[0].palette.canonical}"
        assert pipeline.person("openai_tag_batches", key, {"analyses": 1}).success
    assert [key.rpartition("-")[2] for key in keys] == ["1", "2"]
    assert keys[0].rpartition("-")[0] == keys[1].rpartition("-")[0]


def run_id_of(number: int) -> str:
    return f"0000000{number}-0000-4000-8000-000000000000"
