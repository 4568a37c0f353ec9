"""Cancelling and reparsing in the whole pipeline: beside a waiting run, by command and job, and what they report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from grabient_assets.headless.driver import FinishedRun, execute_job, quiet_dagster
from grabient_assets.headless.failures import ask_again
from grabient_assets.headless.pipeline_run import PipelineRun
from grabient_assets.headless.run_goal import make_goal, record_goal
from grabient_assets.settings import load_settings
from grabient_assets_tests.cli.running import Ended, grabient
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.driven import Driven, driven
from grabient_assets_tests.pipeline.place import control

STUCK = "SELECT batch_id, provider_batch_id FROM batches WHERE status = 'submitted'"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    with driven(tmp_path_factory.mktemp("cancel") / "data") as pipeline:
        yield pipeline


def cancel(pipeline: Driven, **config: object) -> FinishedRun:
    """The job as a person starts it, with this in the launchpad."""
    with quiet_dagster():
        job = pipeline.definitions.resolve_job_def("cancel_batch")
        return execute_job(job, pipeline.instance, {"ops": {"stop_and_collect": {"config": config}}}, {})


def a_run_that_waits_for_a_stuck_batch_ends_when_it_is_cancelled(pipeline: Driven) -> None:
    pipeline.faults({"match": {"provider": "openai", "model": "gpt-4o-mini"}, "action": {"do": "pending"}})
    keys = {f"v1|{seed}" for seed in pipeline.load(2)}
    settings = load_settings()
    now = datetime.now(UTC)
    wish = make_goal(pipeline.warehouse, settings, "v1", 1, "consensus", today=now.date())
    record_goal(wish, pipeline.warehouse, settings, now)
    ended: list[Ended] = []

    def seen(*_: object) -> None:
        """As soon as everything else is collected, a person cancels what is left, in a process of her own."""
        left = pipeline.rows(STUCK)
        if not ended and len(left) == 1 and pipeline.rows("SELECT count(DISTINCT model) FROM palette_tags") == [(9,)]:
            assert pipeline.green("palette_tags") == set()
            ended.append(grabient(pipeline.folder, "cancel", left[0][1], "--json"))
            assert pipeline.green("palette_tags") == pipeline.green("tag_consensus") == keys

    with quiet_dagster():
        outcome = PipelineRun(wish, pipeline.warehouse, settings, seen).follow(pipeline.driver, HANGING_SECONDS)
    assert outcome.finished and outcome.progress.consensus == 2 and outcome.problems == ()
    said = ended[0].json
    assert ended[0].code == 0 and f"Waiting for openai to end batch {said['batch_id']}" in ended[0].err
    assert (said["how"], said["status"], said["fates"]) == ("stopped", "collected", {"cancelled": 2})
    assert (said["provider"], said["model"], said["cost_usd"]) == ("openai", "gpt-4o-mini", 0)
    assert pipeline.metadata("palette_tags", min(keys))["unusable"] == 1
    assert [one for one in pipeline.creates() if one[1] == "gpt-4o-mini"] == [("openai", "gpt-4o-mini", 2)]

    pipeline.faults()
    asked = ask_again(pipeline.warehouse, settings, None, datetime.now(UTC))
    assert asked.asked["tagging"] == {("openai", "gpt-4o-mini"): 2}
    sent = len(pipeline.creates())
    for _ in range(4):
        pipeline.tick()
    assert pipeline.creates()[sent:] == [("openai", "gpt-4o-mini", 2)]
    assert pipeline.rows("SELECT DISTINCT error FROM palette_tags") == [(None,)]


def test_the_command_says_what_it_cannot_find(pipeline: Driven) -> None:
    unknown = grabient(pipeline.folder, "cancel", "batch-1")
    assert unknown.code == 2 and "There is no batch 'batch-1'" in unknown.err and unknown.out == ""
    done = cancel(pipeline, batch="batch-1")
    assert not done.success and "There is no batch 'batch-1'" in str(done.failure)


def a_refinement_is_given_up_and_not_asked_again(pipeline: Driven) -> None:
    key = f"v1|{pipeline.load(2)[0]}"
    pipeline.faults({"match": {"provider": "anthropic"}, "action": {"do": "pending"}})
    assert pipeline.person("refinement_batches", key).success
    pipeline.tick()
    [(batch_id, _)] = pipeline.rows(STUCK + " AND purpose = 'refinement'")
    control(pipeline.emulator, "reset", {})
    lost = cancel(pipeline, batch=batch_id)
    assert not lost.success and "--give-up" in str(lost.failure)
    assert cancel(pipeline, batch=batch_id, give_up=True).success
    assert pipeline.rows("SELECT fate, embed_text FROM palette_tag_refined") == [("missing", None)]
    assert pipeline.rows("SELECT DISTINCT state FROM asks WHERE purpose = 'refinement'") == [("stopped",)]
    assert cancel(pipeline, batch=batch_id).success, "once more is no mistake"


def an_ended_refinement_whose_results_are_gone_is_closed(pipeline: Driven) -> None:
    seed = pipeline.load(2)[1]
    gone = {"do": "status", "status": 404, "message": "The results are gone."}
    pipeline.faults({"match": {"provider": "anthropic", "route": "results"}, "action": gone})
    assert pipeline.person("refinement_batches", f"v1|{seed}").success
    pipeline.tick()
    [(batch_id, _)] = pipeline.rows(STUCK + " AND purpose = 'refinement'")
    refused = cancel(pipeline, batch=batch_id)
    assert not refused.success and "The results are gone." in str(refused.failure)
    assert pipeline.rows(STUCK) != []
    assert cancel(pipeline, batch=batch_id, give_up=True).success
    assert pipeline.rows(STUCK) == []
    assert pipeline.rows(f"SELECT fate FROM palette_tag_refined WHERE seed = '{seed}'") == [("cancelled",)]
    assert pipeline.rows(f"SELECT given_up_at IS NULL FROM batches WHERE batch_id = '{batch_id}'") == [(False,)]
    pipeline.faults()


def results_that_come_empty_at_first_are_waited_for(pipeline: Driven) -> None:
    """The command ends when they are stored."""
    empty = {"do": "cut", "share": 0.0, "clean": True}
    pipeline.faults(
        {"match": {"provider": "anthropic"}, "action": {"do": "pending"}},
        {"match": {"provider": "anthropic", "route": "results", "nth": 1}, "action": empty},
    )
    assert pipeline.person("refinement_batches", f"v1|{pipeline.load(2)[1]}", {"retry_failed": True}).success
    pipeline.tick()
    [(batch_id, _)] = pipeline.rows(STUCK + " AND purpose = 'refinement'")
    done = grabient(pipeline.folder, "cancel", batch_id)
    assert (done.code, done.out) == (0, f"{batch_id}: 1 cancelled; 0.0000 USD (emulated)\n"), done.err
    query = f"SELECT status, short_at IS NULL FROM batches WHERE batch_id = '{batch_id}'"
    assert pipeline.rows(query) == [("collected", False)], "it was short at first"
    pipeline.faults()


def everything_is_read_again_by_the_command(pipeline: Driven) -> None:
    tables = ("palette_tags", "tag_consensus", "batch_requests", "batches", "palette_tag_refined")

    def dump() -> list[list[tuple[Any, ...]]]:
        return [pipeline.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in tables]

    before, calls = dump(), control(pipeline.emulator, "calls")
    done = grabient(pipeline.folder, "reparse", "--json")
    assert (done.code, done.json["fates"], done.json["consensus"], done.json["troubles"]) == (0, [], 0, []), done.err
    assert dump() == before and control(pipeline.emulator, "calls") == calls
    [(batch_id, key)] = pipeline.rows("SELECT batch_id, results_key FROM batches WHERE provider = 'groq' LIMIT 1")
    (pipeline.folder / "objects" / key).unlink()
    lost = grabient(pipeline.folder, "reparse", batch_id)
    assert lost.code == 1 and f"Batch {batch_id}: Object {key}" in lost.err and "stay as they are" in lost.err
    assert dump() == before
    assert grabient(pipeline.folder, "reparse", "batch-1").code == 2


@pytest.mark.slow
def test_cancelled_given_up_and_read_again(pipeline: Driven) -> None:
    """One story on one pipeline: each part goes on where the one before it ended."""
    a_run_that_waits_for_a_stuck_batch_ends_when_it_is_cancelled(pipeline)
    a_refinement_is_given_up_and_not_asked_again(pipeline)
    an_ended_refinement_whose_results_are_gone_is_closed(pipeline)
    results_that_come_empty_at_first_are_waited_for(pipeline)
    everything_is_read_again_by_the_command(pipeline)
