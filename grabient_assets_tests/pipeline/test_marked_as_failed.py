"""Palettes on which every model failed: a run marks each red, ten in a tick, and all of them in the end."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from grabient_assets.groups.tagging.sensors import MOST_FAILED_PER_TICK
from grabient_assets.partitions import add_seeds
from grabient_assets.resources.runs import RUN_KEY_TAG
from grabient_assets_tests.pipeline.driven import Driven, driven

STOPPED = """
INSERT INTO asks BY NAME
SELECT 'tagging' AS purpose, seed, 'v1' AS prompt_version, provider, 'm' AS model, 'd' AS request_digest,
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
    job = pipeline.definitions.resolve_job_def("collect_batch")
    for request in requests:
        tags = {**request.tags, RUN_KEY_TAG: request.run_key or ""}
        pipeline.instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags=tags)
    return requests


def test_those_behind_the_first_ten_are_marked_by_the_next_tick(tmp_path: Path) -> None:
    with driven(tmp_path / "data") as pipeline:
        count = MOST_FAILED_PER_TICK + 2
        seeds = pipeline.load(count)
        add_seeds(pipeline.instance, seeds)
        pipeline.write(STOPPED)
        first, second, third = (asked_for(pipeline) for _ in range(3))
    assert (len(first), len(second), len(third)) == (MOST_FAILED_PER_TICK, 2, 0)
    assert {request.partition_key for request in [*first, *second]} == {f"v1|{seed}" for seed in seeds}
