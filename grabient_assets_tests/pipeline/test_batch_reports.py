"""GRABIENT_BATCH_REPORTS: how often a batch asset reports a palette. What is asked, sent and answered is the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets_tests.pipeline.driven import Driven, driven

ASSET = "openai_tag_batches"
SUMS = ("subjects", "with the provider", "answered")


def _events(pipeline: Driven) -> dict[str, list[str]]:
    """What each partition was said to be, oldest first."""
    found = pipeline.instance.fetch_materializations(dg.AssetKey(ASSET), limit=100, ascending=True)
    said: dict[str, list[str]] = {}
    for record in found.records:
        event = record.asset_materialization
        assert event is not None and event.partition is not None
        said.setdefault(event.partition, []).append(str(event.metadata["state"].value))
    return said


def _observed(pipeline: Driven) -> list[tuple[int, int, int]]:
    """Subjects, carried and answered requests of each observation with sums, oldest first."""
    found = pipeline.instance.fetch_observations(dg.AssetKey(ASSET), limit=100, ascending=True)
    sums: list[tuple[int, int, int]] = []
    for record in found.records:
        event = record.asset_observation
        assert event is not None
        said = {name: int(str(event.metadata[name].value)) for name in SUMS if name in event.metadata}
        if said:
            sums.append((said["subjects"], said["with the provider"], said["answered"]))
    return sums


@pytest.mark.parametrize("how", ["each", "once", "summary"])
def test_how_often_a_batch_asset_reports_a_palette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    with driven(tmp_path / "data") as pipeline:
        monkeypatch.setenv("GRABIENT_BATCH_REPORTS", how)
        partitions = [SubjectVersion("v1", seed) for seed in pipeline.load(3)]
        keys = {f"v1|{one.subject}" for one in partitions}
        pipeline.until("pictures", "palette_images", {one.subject for one in partitions})
        wish = TaggingAsk(partitions, ("openai",), 1, "emulator", refine=False)
        ask_for_tags(wish, pipeline.warehouse, datetime.now(UTC))
        for _ in range(6):
            pipeline.tick()
        assert pipeline.rows("SELECT DISTINCT status, reported_at IS NOT NULL FROM batches") == [("collected", True)]

        answers = pipeline.rows("SELECT count(*) FROM palette_tags")[0][0]
        assert answers == 3 * len(pipeline.creates())
        states = {"each": ["with the provider", "answered"], "once": ["answered"], "summary": []}[how]
        assert _events(pipeline) == (dict.fromkeys(keys, states) if states else {})
        assert _observed(pipeline) == ([(3, answers, 0), (3, 0, answers)] if how == "summary" else [])
