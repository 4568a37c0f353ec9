"""Adaptive tagging in Dagster: what a person sees of the waves, what is sent and paid, and how it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets.groups.refinement.explaining import explain, read_about
from grabient_assets.groups.refinement.explanation_document import explanation_document
from grabient_assets.groups.tagging.later_waves import EXPECTED_TO_GO_ON
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.headless.planning import make_plan
from grabient_assets.headless.status_document import status_document
from grabient_assets.ledger.accounts import costs
from grabient_assets.ledger.due import due_requests
from grabient_assets.settings import PROVIDERS, load_settings
from grabient_assets_tests.pipeline.driven import TAG_BATCHES, Driven, driven

ADAPTIVELY = {"analyses": 2, "adaptive": True, "refine": False}


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Driven]:
    with driven(tmp_path / "data") as one:
        yield one


def sent(pipeline: Driven) -> Counter[str]:
    """Requests so far, by model."""
    found: Counter[str] = Counter()
    for _, model, requests in pipeline.creates():
        found[model] += requests
    return found


@pytest.mark.slow
def test_from_the_first_wave_to_the_full_panel(pipeline: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = pipeline.load(6)
    keys = [f"v1|{seed}" for seed in seeds]
    pipeline.tick()
    plan = make_plan(pipeline.warehouse, load_settings(), "v1", 2, None, None, datetime.now(UTC), adaptive=True)
    assert plan.waves is not None and [one.wave for one in plan.waves.later] == [2, 3]
    assert (plan.waves.later[0].share, plan.waves.later[0].measured) == (EXPECTED_TO_GO_ON, False)
    planned = {one.model.id: one.sending.requests for one in plan.tagging if one.sending.requests}

    assert pipeline.person(TAG_BATCHES, key_range=(keys[0], keys[-1]), config=ADAPTIVELY).success
    said = {asset: pipeline.metadata(asset, keys[0]) for asset in TAG_BATCHES}
    assert {one["wave"] for one in said.values()} == {"1 of 3"}
    assert all(one["state"].startswith("asked; the sensor tagging_due") for one in said.values())
    with pipeline.warehouse.read() as connection:
        due = [one for name in PROVIDERS for one in due_requests(connection, TAGGING, name) if one.subject == seeds[1]]
    assert Counter(one.model for one in due) == dict.fromkeys(planned, 1)
    spoilt = [one.custom_id for one in due]
    pipeline.faults(
        *(
            {
                "match": {"provider": name},
                "action": {"do": "refuse" if name == "groq" else "garbage", "custom_ids": spoilt},
            }
            for name in PROVIDERS
        )
    )
    pipeline.tick()
    assert sent(pipeline) == planned == dict.fromkeys(planned, 6), "the first wave is planned exactly"
    assert pipeline.green("tag_consensus") == set()

    # There is no money for the second wave: it waits, and nothing of the first is lost.
    monkeypatch.setenv("GRABIENT_BUDGET_USD", "0.000001")
    going: list[str] = []
    for _ in range(6):
        pipeline.tick()
        going = [row[0] for row in pipeline.rows("SELECT seed FROM tagging_waves WHERE wave = 2")]
        if going and pipeline.rows("SELECT count(*) FROM budget_holds") != [(0,)]:
            break
    assert seeds[1] in going and len(going) < 6
    settled = {key for key in keys if key.removeprefix("v1|") not in going}
    assert pipeline.green("tag_consensus") == settled
    assert pipeline.metadata("tag_consensus", min(settled))["wave"] == "1 of 3, settled: certain"
    with pipeline.warehouse.read() as connection:
        explained = [explain(read_about(connection, key.removeprefix("v1|"), "v1")) for key in (min(settled), keys[1])]
    waves = [explanation_document(one, (), emulated=True)["wave"] for one in explained]
    assert [(wave["wave"], wave["waves"], wave["reason"]) for wave in waves] == [(1, 3, "certain"), (2, 3, None)]
    assert sent(pipeline) == planned
    assert pipeline.metadata("openai_tag_batches", f"v1|{seeds[1]}")["state"] == "over budget"
    under_way = f"Tagged adaptively: {len(going)} palettes in wave 2 of 3 (v1)."
    pipeline.tick()
    assert under_way in pipeline.driver.waiting["tagging_due"]
    assert under_way in pipeline.driver.waiting["tagging_completed"]
    status = status_document(pipeline.warehouse, load_settings())
    assert status["pending"] == len(going)
    assert [(one["wave"], one["reason"], one["palettes"]) for one in status["waves"]] == [
        (1, "certain", 6 - len(going)),
        (2, None, len(going)),
    ]

    monkeypatch.setenv("GRABIENT_BUDGET_USD", "")
    pipeline.faults()
    pipeline.until("the others", "tag_consensus", set(keys), ticks=16)
    assert all(pipeline.metadata("tag_consensus", key)["wave"].count("settled: ") == 1 for key in keys)
    second = {model: number for model, number in sent(pipeline).items() if model not in planned}
    assert len(second) == 6 and all(number >= len(going) for number in second.values())
    with pipeline.warehouse.read() as connection:
        accounts = {one.what[1]: one for one in costs(connection, "wave")}
    total = sum((one.cost_usd for one in accounts.values()), Decimal(0))
    assert accounts["wave 1"].requests == 4 * 6 and accounts["wave 2"].requests == 6 * len(going)
    assert pipeline.rows("SELECT sum(cost_usd) FROM batches") == [(total,)]
    refinement = plan.refinement.sending.usd if plan.refinement else None
    assert refinement is not None
    assert plan.usd.low - refinement.low < total < plan.usd.high - refinement.high
    assert pipeline.rows("SELECT count(*) FROM asks WHERE purpose = 'refinement'") == [(0,)]

    # Everybody, afterwards: exactly what is missing.
    had = sum(sent(pipeline).values())
    assert pipeline.person(TAG_BATCHES, key_range=(keys[0], keys[-1]), config={"analyses": 2, "refine": False}).success
    assert "wave" in pipeline.metadata("openai_tag_batches", keys[0])
    with pipeline.warehouse.read() as connection:
        rest = sum(len(due_requests(connection, TAGGING, name)) for name in PROVIDERS)
    assert rest == 6 * 10 * 2 - had
    pipeline.tick()
    assert sum(sent(pipeline).values()) == 6 * 10 * 2


def test_materializing_the_answers_does_not_ask_everybody(pipeline: Driven) -> None:
    (seed,) = pipeline.load(1)
    key = f"v1|{seed}"
    pipeline.tick()
    assert pipeline.person("groq_tag_batches", key, ADAPTIVELY).success
    assert pipeline.rows("SELECT model, analyses FROM asks") == [("openai/gpt-oss-20b", 1)]
    assert pipeline.person(["palette_tags", "tag_consensus"], key).success
    assert pipeline.rows("SELECT model, analyses FROM asks") == [("openai/gpt-oss-20b", 1)]
    assert pipeline.person(
        ["anthropic_tag_batches", "google_tag_batches", "openai_tag_batches"], key, ADAPTIVELY
    ).success
    assert len(pipeline.rows("SELECT model FROM asks")) == 4
