"""Work that fails again and again: `grabient run` ends with the reason, `grabient status` shows it, and the next
command of a person tries at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grabient_assets.cli.status import status_document
from grabient_assets.headless.driver import Driver, Finished, quiet_dagster
from grabient_assets.headless.pursuit import Outcome, Pursuit
from grabient_assets.headless.wishes import make_wish, record_wish
from grabient_assets.settings import load_settings
from grabient_assets_tests.pipeline.driven import Driven, driven


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Driven]:
    with driven(tmp_path / "data") as pipeline:
        yield pipeline


def run(pipeline: Driven) -> tuple[Outcome, list[Finished]]:
    """What `grabient run --until consensus --analyses 1` does, without the display."""
    settings, now, runs = load_settings(), datetime.now(UTC), list[Finished]()
    wish = make_wish(pipeline.warehouse, settings, "v1", 1, "consensus", today=now.date())
    record_wish(wish, pipeline.warehouse, settings, now)
    with quiet_dagster():
        pursuit = Pursuit(wish, pipeline.warehouse, settings, lambda one, _: runs.append(one) if one else None)
        return pursuit.follow(Driver(pipeline.definitions, pipeline.instance), 300), runs


def test_a_run_ends_with_the_reason_and_the_next_one_tries_at_once(pipeline: Driven) -> None:
    """The object store cannot be written while pictures are drawn; then it can."""
    pipeline.load(1)
    store = pipeline.folder / "objects"
    store.write_text("a file where the folder should be", encoding="utf-8")
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

    store.unlink()
    outcome, runs = run(pipeline)
    assert [one.success for one in runs if one.job == "load_palettes"] == [True]
    assert (outcome.progress.pictures, outcome.progress.consensus, outcome.problems) == (1, 1, ())
    assert status_document(pipeline.warehouse, load_settings())["held"] == []
