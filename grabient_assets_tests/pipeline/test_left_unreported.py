"""A process that is killed between storing answers and reporting them: the palettes turn green all the same.

What such a process leaves is made by its own steps, the report left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grabient_assets.groups.purposes import reader_of
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.ledger.batches import open_batches
from grabient_assets.ledger.round import collect_batches
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.providers import ProvidersResource
from grabient_assets_tests.pipeline.driven import TAG_BATCHES, Driven, driven

REPORTED = ("palette_tags", "tag_consensus", "refined_tags", "embed_text")


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Driven]:
    with driven(tmp_path / "data") as pipeline:
        yield pipeline


def collect_and_die(pipeline: Driven) -> None:
    """Collect every open batch and complete its palettes, and report nothing."""
    providers, store = ProvidersResource(), ObjectsResource().open()
    with pipeline.warehouse.read() as connection:
        batches = [batch.batch_id for batch in open_batches(connection)]
    waiting: tuple[str, ...] = tuple(batches)
    while waiting:
        reader = reader_of(pipeline.warehouse, store)
        done = collect_batches(waiting, providers.connect, pipeline.warehouse, store, reader, now)
        assert done.troubles == ()
        waiting = done.waiting
    complete_palettes(pipeline.warehouse, providers.usable(), now)


def break_off(pipeline: Driven, purpose: str, provider: str) -> None:
    """Say of the run that sent these batches that it did not come to its end."""
    [(run_id,)] = pipeline.rows(
        f"SELECT DISTINCT submit_run_id FROM batches WHERE purpose = '{purpose}' AND provider = '{provider}'"
    )
    run = pipeline.instance.get_run_by_id(run_id)
    assert run is not None
    pipeline.instance.report_run_failed(run)


@pytest.mark.slow
def test_what_was_stored_is_reported_by_the_next_tick(pipeline: Driven) -> None:
    """So is the asking, where the submitting run was killed: Dagster shows the partition that a dead run stood for as
    failed, until it is materialized once more."""
    (seed,) = pipeline.load(1)
    key = f"v1|{seed}"
    pipeline.tick()
    assert pipeline.person(TAG_BATCHES, key, {"analyses": 1}).success
    sent = [run for run in pipeline.tick() if run.job == "submit_tagging"]
    assert len(sent) == 4
    break_off(pipeline, "tagging", "groq")

    collect_and_die(pipeline)
    assert pipeline.rows("SELECT DISTINCT status, reported_at FROM batches") == [("collected", None)]
    assert [pipeline.green(asset) for asset in REPORTED] == [set()] * 4
    told = [run for run in pipeline.tick() if run.job == "collect_batch"]
    assert [run.success for run in told] == [True]
    assert [pipeline.green(asset) for asset in REPORTED] == [{key}, {key}, set(), set()]
    assert pipeline.metadata("tag_consensus", key)["models"] == 10
    said = {asset: pipeline.metadata(asset, key) for asset in TAG_BATCHES}
    assert {asset: one["state"] for asset, one in said.items()} == dict.fromkeys(TAG_BATCHES, "answered")
    assert [(one["requests"], one["answered"], one["unusable"]) for one in said.values()] == [
        (count, count, 0) for count in (2, 3, 3, 2)
    ]

    while not pipeline.rows("SELECT 1 FROM batches WHERE purpose = 'refinement'"):
        pipeline.tick()
    assert pipeline.metadata("refinement_batches", key)["state"] == "with the provider"
    break_off(pipeline, "refinement", "anthropic")
    collect_and_die(pipeline)
    assert [run.job for run in pipeline.tick() if run.job == "collect_batch"] == ["collect_batch"]
    assert [pipeline.green(asset) for asset in REPORTED] == [{key}] * 4
    assert pipeline.metadata("refinement_batches", key)["state"] == "answered"
    assert [run.job for run in pipeline.tick() if run.job == "collect_batch"] == [], "once is enough"
    assert pipeline.rows("SELECT count(*) FROM batches WHERE reported_at IS NULL") == [(0,)]
