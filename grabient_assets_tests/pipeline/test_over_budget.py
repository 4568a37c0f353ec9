"""Without money, in Dagster: the sensor waits and says why, partitions say so, and everything goes on when there is."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets_tests.pipeline.driven import Driven, driven


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Driven]:
    with driven(tmp_path / "data") as pipeline:
        yield pipeline


def test_the_sensor_waits_for_money_and_goes_on_by_itself(pipeline: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    (seed,) = pipeline.load(1)
    key = f"v1|{seed}"
    pipeline.tick()
    monkeypatch.setenv("GRABIENT_BUDGET_USD", "0.000001")
    assert pipeline.person("groq_tag_batches", key, {"analyses": 1, "refine": False}).success
    runs = [run for run in pipeline.tick() if run.job == "submit_tagging"]
    assert [run.success for run in runs] == [True], "waiting for money is no failure"
    said = pipeline.metadata("groq_tag_batches", key)
    assert said["state"] == "over budget" and said["why"].startswith("Over budget: 1 palette waits.")
    assert pipeline.creates() == []

    assert [run for run in pipeline.tick() if run.job == "submit_tagging"] == [], "nothing is tried until it fits"
    assert pipeline.driver.waiting["tagging_due"].count("Over budget: ") == 1
    assert pipeline.rows("SELECT count(*) FROM asks WHERE state = 'open'") == [(3,)]

    monkeypatch.setenv("GRABIENT_BUDGET_USD", "1")
    pipeline.tick()
    assert sorted(pipeline.creates()) == [
        ("groq", "openai/gpt-oss-120b", 1),
        ("groq", "openai/gpt-oss-20b", 1),
        ("groq", "qwen/qwen3.8-27b", 1),
    ]
    assert pipeline.metadata("groq_tag_batches", key)["state"] == "with the provider"
    assert pipeline.rows("SELECT count(*) FROM budget_holds") == [(0,)]


def test_a_cap_is_shared_by_all_that_one_run_asks(pipeline: Driven) -> None:
    (seed,) = pipeline.load(1)
    pipeline.tick()
    assets = ["groq_tag_batches", "openai_tag_batches"]
    assert pipeline.person(assets, f"v1|{seed}", {"analyses": 1, "max_usd": 0.25}).success
    [(cap, usd)] = pipeline.rows("SELECT cap_id, usd FROM spending_caps")
    assert usd == Decimal("0.25")
    assert pipeline.rows("SELECT DISTINCT cap_id, count(*) FROM asks GROUP BY ALL") == [(cap, 6)]
    refused = pipeline.person("groq_tag_batches", f"v1|{seed}", {"max_usd": -1.0})
    assert not refused.success
