"""A run that sends says before its first create call what it is about to send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType

from grabient_assets_tests.pipeline.driven import TAG_BATCHES, Driven, driven


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    with driven(tmp_path_factory.mktemp("plan") / "data") as one:
        yield one


def observed(pipeline: Driven, asset: str) -> tuple[str, dict[str, Any]]:
    """The run and the metadata of the newest plan on the asset's page."""
    found = pipeline.instance.fetch_observations(dg.AssetKey(asset), limit=1).records
    assert found, f"{asset} was never observed"
    event = found[0].event_log_entry
    observation = event.asset_observation
    assert observation is not None
    return event.run_id, {name: value.value for name, value in observation.metadata.items()}


def test_the_plan_stands_on_the_run_and_on_the_asset_before_anything_is_sent(pipeline: Driven) -> None:
    seed, *_ = pipeline.load(1)
    pipeline.tick()  # partition and picture
    pipeline.person("openai_tag_batches", f"v1|{seed}", {"analyses": 2, "refine": False})
    ended = pipeline.tick()
    run_id, plan = observed(pipeline, "openai_tag_batches")
    assert run_id in {one.run_id for one in ended if one.job == "submit_tagging"}
    creates = pipeline.creates()
    assert (plan["requests"], plan["batches"]) == (sum(n for *_, n in creates), len(creates)) == (6, 3)
    assert plan["input tokens"] > 1000 and 0 < plan["expected USD"] < plan["at most USD"]
    for _, model, requests in creates:
        assert f"| {model} | 0 | 0 | 0 | 0 | 2 | new palette: 2 | {requests} | 1 | " in plan["plan"]
    assert (plan["missing"], plan["missing: new palette"], plan["cached"], plan["in flight"]) == (6, 6, 0, 0)
    assert plan["at least USD"] < plan["expected USD"] and plan["cache saves USD"] == 0
    entries = pipeline.instance.all_logs(run_id, of_type=DagsterEventType.ASSET_OBSERVATION)
    assert len(entries) == 1, "the run's own page has it too"
    sent_at = pipeline.rows("SELECT min(intended_at) FROM batches")[0][0].timestamp()
    assert entries[0].timestamp < sent_at


@pytest.mark.slow
def test_so_does_the_plan_of_a_refinement(pipeline: Driven) -> None:
    seed, *_ = pipeline.load(1)
    pipeline.tick()  # partition and picture
    key = f"v1|{seed}"
    for asset in TAG_BATCHES:
        pipeline.person(asset, key, {"analyses": 1})
    pipeline.until("refined", "refined_tags", {key}, ticks=20)
    _, plan = observed(pipeline, "refinement_batches")
    assert (plan["requests"], plan["batches"]) == (1, 1)
    assert "| claude-opus-5-5 | 0 | 0 | 0 | 0 | 1 | new palette: 1 | 1 | 1 | " in plan["plan"]
