"""Batches that are overdue, or cannot be asked about: seen by a person, once, and gone when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterEventType

from grabient_assets.headless.driver import quiet_dagster
from grabient_assets.headless.pipeline_run import PipelineRun
from grabient_assets.headless.run_goal import make_goal, record_goal
from grabient_assets.headless.status_document import status_document
from grabient_assets.settings import load_settings
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.driven import Driven, driven

OLD = """
INSERT INTO batches (batch_id, purpose, provider, model, prompt_version, prompt_digest, status, request_count,
    succeeded, failed, bodies_sha256, account, intended_at, submitted_at, provider_batch_id, collect_attempts)
VALUES ('old', 'tagging', 'openai', 'm', 'v1', 'd', 'submitted', 1, 0, 0, '', 'emulator', now(),
    now() - INTERVAL 49 HOUR, 'batch_unknown', 0)
"""
LATE = "Batch old (openai m, 1 request) has been with the provider for 49 hours"


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Driven]:
    with driven(tmp_path / "data") as pipeline:
        yield pipeline


def evaluations(pipeline: Driven) -> list[tuple[str, bool, str]]:
    """Asset, result and examples of every evaluation of the check, oldest first."""
    found = pipeline.instance.get_event_records(
        dg.EventRecordsFilter(DagsterEventType.ASSET_CHECK_EVALUATION), ascending=True
    )
    said = [record.event_log_entry.get_dagster_event().asset_check_evaluation_data for record in found]
    return [
        (one.asset_key.to_user_string(), one.passed, str(one.metadata["examples"].value))
        for one in said
        if one.check_name == "no_batch_is_overdue"
    ]


def test_an_overdue_batch_fails_the_check_once_until_it_is_over(pipeline: Driven) -> None:
    pipeline.write(OLD)
    for _ in range(3):
        pipeline.tick()
    [(asset, passed, said)] = evaluations(pipeline)
    assert (asset, passed) == ("palette_tags", False)
    assert said.startswith(LATE) and "`grabient cancel old`" in said
    assert LATE in pipeline.driver.waiting["batches_ended"]
    [shown] = status_document(pipeline.warehouse, load_settings())["open_batches"]
    assert shown["overdue"].startswith(LATE)
    assert "Last trouble:" in shown["overdue"]  # the provider does not know this batch
    pipeline.write("UPDATE batches SET status = 'collected', reported_at = now()")
    for _ in range(2):
        pipeline.tick()
    assert [found[:2] for found in evaluations(pipeline)] == [("palette_tags", False), ("palette_tags", True)]


@pytest.mark.slow
def test_a_key_that_is_refused_while_batches_are_open_ends_the_waiting(pipeline: Driven) -> None:
    """Without it the command would wait for a day; with the key back the same command goes on."""
    pipeline.load(1)
    settings = load_settings()
    refuse = {"match": {"provider": "openai", "route": "retrieve"}, "action": {"do": "status", "status": 401}}
    pipeline.faults(refuse)
    wish = make_goal(pipeline.warehouse, settings, "v1", 1, "refined", None, None, today=datetime.now(UTC).date())
    record_goal(wish, pipeline.warehouse, settings, datetime.now(UTC))
    with quiet_dagster():
        ended = PipelineRun(wish, pipeline.warehouse, settings, lambda *_: None).follow(
            pipeline.driver, HANGING_SECONDS
        )
    assert ended.finished and ended.progress.refined == 0
    assert len(ended.problems) == 1 and "Check the API key of openai" in ended.problems[0]
    kinds = pipeline.rows("SELECT DISTINCT provider, error_kind FROM batches WHERE status = 'submitted'")
    assert kinds == [("openai", "CredentialsError")]
    pipeline.faults()
    with quiet_dagster():
        ended = PipelineRun(wish, pipeline.warehouse, settings, lambda *_: None).follow(
            pipeline.driver, HANGING_SECONDS
        )
    assert (ended.finished, ended.progress.refined, ended.problems) == (True, 1, ())
    sent = [custom_id for one in pipeline.rows("SELECT custom_id FROM batch_requests") for custom_id in one]
    assert len(sent) == len(set(sent)) == 11
