"""Palettes whose tagging or refinement failed: runs mark them red with the reason, ten in a tick, all in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from grabient_assets.asking.sensors import MOST_MARKED_PER_TICK
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.headless.driver import FinishedRun
from grabient_assets.headless.failures import ask_again
from grabient_assets.ledger.asks import stopped_asks
from grabient_assets.partitions import add_partitions
from grabient_assets.registry.load import load_registry
from grabient_assets.resources.runs import LONGEST_REASON, REASON_TAG, RUN_KEY_TAG
from grabient_assets.settings import load_settings
from grabient_assets_tests.pipeline.driven import TAG_BATCHES, Driven, driven

STOPPED = """
INSERT INTO asks BY NAME
SELECT 'tagging' AS purpose, seed AS subject, palette_key AS subject_key,
    'v1' AS prompt_version, provider, 'm' AS model, 'd' AS request_digest,
       1 AS analyses, true AS chained, 'stopped' AS state, 'no key' AS reason, now() AS asked_at
FROM palettes, unnest(['anthropic', 'openai', 'groq', 'google']) AS of(provider)
"""


def asked_for(pipeline: Driven) -> list[dg.RunRequest]:
    """The runs that tagging_completed asks for now; afterwards they have been made, as the daemon makes them."""
    context = dg.build_sensor_context(
        instance=pipeline.instance,
        instance_ref=pipeline.instance.get_ref(),
        definitions=pipeline.definitions,
        sensor_name="tagging_completed",
        resources=dict(pipeline.definitions.resources or {}),
    )
    requests = list(
        pipeline.definitions.resolve_sensor_def("tagging_completed").evaluate_tick(context).run_requests or ()
    )
    job = pipeline.definitions.resolve_job_def("mark_failed")
    for request in requests:
        tags = {**request.tags, RUN_KEY_TAG: request.run_key or ""}
        pipeline.instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags=tags)
    return requests


def test_neighbours_share_a_run_and_those_behind_the_first_ten_rows_are_marked_by_the_next_tick(tmp_path: Path) -> None:
    with driven(tmp_path / "data") as pipeline:
        seeds = pipeline.load(2 * MOST_MARKED_PER_TICK + 6)
        add_partitions(pipeline.instance, seeds)
        failed = [*seeds[:3], *seeds[4::2]]
        pipeline.write(STOPPED + f" WHERE seed IN ({', '.join(map(repr, failed))})")
        first, second, third = (asked_for(pipeline) for _ in range(3))
    assert (len(first), len(second), len(third)) == (MOST_MARKED_PER_TICK, 2, 0)
    row, *single = [*first, *second]
    ends = [row.tags["dagster/asset_partition_range_start"], row.tags["dagster/asset_partition_range_end"]]
    assert (row.partition_key, ends) == (None, [f"v1|{seeds[0]}", f"v1|{seeds[2]}"])
    assert [request.partition_key for request in single] == [f"v1|{seed}" for seed in seeds[4::2]]


@dataclass
class Refined:
    """Four palettes after their refinement; what the refiner said about two of them cannot be used."""

    pipeline: Driven
    good: set[str]
    bad: set[str]
    runs: list[FinishedRun]


@pytest.fixture(scope="module")
def refined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refined]:
    with driven(tmp_path_factory.mktemp("refined") / "data") as pipeline:
        [refiner] = load_registry().panel("refiner")
        pipeline.faults({"match": {"model": refiner.id}, "action": {"do": "garbage", "count": 2}})
        keys = [f"v1|{seed}" for seed in pipeline.load(4)]
        pipeline.tick()
        for key in keys:
            assert pipeline.person(TAG_BATCHES, key, {"analyses": 1}).success
        runs: list[FinishedRun] = []
        while len(pipeline.rows("SELECT seed FROM palette_tag_refined")) < 4:
            runs += pipeline.tick()
        bad = {
            f"v1|{seed}" for (seed,) in pipeline.rows("SELECT seed FROM palette_tag_refined WHERE error IS NOT NULL")
        }
        assert len(bad) == 2
        yield Refined(pipeline, set(keys) - bad, bad, [*runs, *pipeline.tick(), *pipeline.tick()])


def test_a_failed_refinement_is_red_in_both_assets_with_its_reason(refined: Refined) -> None:
    for asset in ("refined_tags", "embed_text"):
        assert (refined.pipeline.green(asset), refined.pipeline.red(asset)) == (refined.good, refined.bad)
    failed = [run for run in refined.runs if not run.success]
    said = " ".join(run.failure or "" for run in failed)
    assert 1 <= len(failed) <= 2 and all(key.removeprefix("v1|") in said for key in refined.bad)
    assert "could not be refined. " in said and ". Ask again with `grabient retry`" in said and ".." not in said
    with refined.pipeline.warehouse.read() as connection:
        stopped = stopped_asks(connection, PURPOSES)
        assert stopped_asks(connection, PURPOSES, datetime.now(UTC) + timedelta(days=1)) == []
        assert stopped_asks(connection, PURPOSES, datetime.now(UTC) - timedelta(days=1)) == stopped
    assert stopped and all(one.failed and one.sentence.startswith("Failed: ") for one in stopped)
    for one in stopped:
        assert said.count(one.reason.rstrip(".")) <= len(failed), "an equal reason is said once in a run"
    for run in failed:
        found = refined.pipeline.instance.get_run_by_id(run.run_id)
        assert found is not None and found.tags[REASON_TAG] == " ".join((run.failure or "").split())[:LONGEST_REASON]


def test_refinement_batches_and_a_check_say_so_too(refined: Refined) -> None:
    assert refined.pipeline.checks()["refined_tags:every_refinement_has_a_usable_answer"] is False
    for key in refined.bad:
        said = refined.pipeline.metadata("refinement_batches", key)
        assert (said["state"], said["batches"].startswith("refinement-")) == ("failed", True)
        [(error,)] = refined.pipeline.rows(f"SELECT error FROM palette_tag_refined WHERE 'v1|' || seed = '{key}'")
        assert said["why"] == error
    for key in refined.good:
        assert refined.pipeline.metadata("refinement_batches", key)["state"] == "answered"


@pytest.mark.slow
def test_it_is_marked_once_and_is_green_when_a_retry_brings_an_answer(
    refined: Refined,
) -> None:
    pipeline = refined.pipeline
    assert [run for run in pipeline.tick() if not run.success] == []
    pipeline.faults()
    ask_again(pipeline.warehouse, load_settings(), None, datetime.now(UTC))
    pipeline.until("the others", "embed_text", refined.good | refined.bad)
    assert (pipeline.red("refined_tags"), pipeline.red("embed_text")) == (set(), set())
    assert pipeline.checks()["refined_tags:every_refinement_has_a_usable_answer"] is True
    assert {pipeline.metadata("refinement_batches", key)["state"] for key in refined.bad} == {"answered"}
