"""Work that fails again and again: `grabient run` ends with the reason, `grabient status` shows it, and the next
command of a person tries at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grabient_assets.headless.driver import Driver, FinishedRun, quiet_dagster
from grabient_assets.headless.pipeline_run import Outcome, PipelineRun
from grabient_assets.headless.run_goal import make_goal, record_goal
from grabient_assets.headless.status_document import status_document
from grabient_assets.ledger.attempts import hold_work
from grabient_assets.ledger.backoff import record_pauses
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import grabient, palettes
from grabient_assets_tests.pipeline.driven import Driven, driven

DEFERRED = """
INSERT INTO batches BY NAME
SELECT 'tagging-' || $provider AS batch_id, 'tagging' AS purpose, $provider AS provider, 'm' AS model,
       'v1' AS prompt_version, 'd' AS prompt_digest, 'deferred' AS status, 1 AS request_count, 0 AS succeeded,
       0 AS failed, 's' AS bodies_sha256, 'emulator' AS account, 0 AS collect_attempts,
       $now::TIMESTAMPTZ AS intended_at, $later::TIMESTAMPTZ AS retry_at, 'busy.' AS error, $kind AS error_kind
"""
STOPPED = """
INSERT INTO asks BY NAME
SELECT 'refinement' AS purpose, seed AS subject, palette_key AS subject_key,
    'v0' AS prompt_version, 'anthropic' AS provider, 'opus' AS model,
       'd' AS request_digest, 1 AS analyses, true AS chained, 'stopped' AS state, 'no key' AS reason,
       $now::TIMESTAMPTZ AS asked_at
FROM palettes
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Driven]:
    with driven(tmp_path / "data") as pipeline:
        yield pipeline


def run(pipeline: Driven) -> tuple[Outcome, list[FinishedRun]]:
    """What `grabient run --analyses 1` does, without the display."""
    settings, now, runs = load_settings(), datetime.now(UTC), list[FinishedRun]()
    wish = make_goal(pipeline.warehouse, settings, "v1", 1, "refined", today=now.date())
    record_goal(wish, pipeline.warehouse, settings, now)
    with quiet_dagster():
        pursuit = PipelineRun(wish, pipeline.warehouse, settings, lambda one, _: runs.append(one) if one else None)
        return pursuit.follow(Driver(pipeline.definitions, pipeline.instance), 3600), runs


@pytest.mark.slow
def test_a_run_ends_with_the_reason_and_the_next_one_tries_at_once(pipeline: Driven) -> None:
    """The picture cannot be written; then it can."""
    [seed] = pipeline.load(1)
    store = pipeline.folder / "objects"
    in_the_way = store / "palettes" / f"{seed}.png" / "a folder where the file should be"
    in_the_way.mkdir(parents=True)
    outcome, runs = run(pipeline)
    failed = [one for one in runs if one.job == "load_palettes"]
    assert [one.success for one in failed] == [False] * 5
    reason = (failed[-1].failure or "").rstrip(".")
    assert str(store) in reason
    held = [one for one in outcome.problems if one.startswith("Held after failures (load): ")]
    assert len(held) == 1 and reason in held[0] and " The next try is at " in held[0]
    assert (outcome.progress.pictures, outcome.finished) == (0, True)

    document = status_document(pipeline.warehouse, load_settings())
    [shown] = [one for one in document["held"] if one["kind"] == "failed"]
    assert shown["why"] == held[0]
    until = datetime.fromisoformat(shown["until"])
    assert timedelta(0) < until - datetime.now(UTC) <= timedelta(minutes=15)
    assert pipeline.tick() == [], "the daemon leaves it alone until then"

    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    outcome, runs = run(pipeline)
    assert [one.success for one in runs if one.job == "load_palettes"] == [True]
    assert (outcome.progress.pictures, outcome.progress.refined, outcome.problems) == (1, 1, ())
    assert status_document(pipeline.warehouse, load_settings())["held"] == []


def test_every_hold_is_shown_by_status_and_retry_releases_what_a_person_may(tmp_path: Path) -> None:
    """Work after failures, a provider that is put off, one that asked for time, and a model that is stopped."""
    data = tmp_path / "data"
    assert grabient(data, "load", palettes(tmp_path, 1)).code == 0
    now = datetime.now(UTC)
    later = now + timedelta(minutes=10)
    with Warehouse(data / "grabient.duckdb").write() as connection:
        hold_work(connection, "w", "collect", 5, later, "The disk is full.")
        record_pauses(connection, {"groq": later})
        deferred = {"google": "ProviderUnreachableError", "openai": "ProviderBusyError"}
        for provider, kind in deferred.items():
            connection.execute(DEFERRED, {"provider": provider, "kind": kind, "now": now, "later": later})
        connection.execute(STOPPED, {"now": now})
    shown = grabient(data, "status", "--json").json["held"]
    assert [(one["kind"], one["until"] is not None) for one in shown] == [
        ("failed", True),
        ("put_off", True),
        ("put_off", True),
        ("paused", True),
        ("stopped", False),
    ]
    text = " ".join(grabient(data, "status").out.split())
    for one, said in zip(
        shown, ("The disk is full", "google is put off: busy", "openai", "groq", "no key"), strict=True
    ):
        assert said in one["why"] and " ".join(one["why"].split()) in text
        assert one["until"] is None or f"{datetime.fromisoformat(one['until']):%H:%M:%S} UTC" in one["why"]
    asked = grabient(data, "retry")
    assert asked.code == 0 and f"{shown[0]['why']} It is released." in asked.err
    assert "openai is put off: busy" in asked.err and "google is put off" not in asked.err
    kinds = [one["kind"] for one in grabient(data, "status", "--json").json["held"]]
    assert kinds == ["put_off", "paused", "stopped"], "what a provider asked for waits on"
