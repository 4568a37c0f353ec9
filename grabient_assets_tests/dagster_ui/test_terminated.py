"""Terminate in the UI, on a run that waits in a create call."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.emulator.endpoint import ensure_emulator
from grabient_assets.groups.tagging.purpose import taggers
from grabient_assets.settings import PROJECT_DIR
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.dev import Dev, dagster_dev
from grabient_assets_tests.pipeline.place import (
    COMMANDS,
    control,
    creates,
    emulator_ended_after,
    environment_of,
    samples,
)

HELD = {"match": {"provider": "openai", "route": "create", "times": 1}, "action": {"do": "hold", "after_accept": True}}


def batches(folder: Path) -> list[tuple[Any, ...]]:
    """The run that sent it, and its status, for every batch."""
    with Warehouse(folder / "grabient.duckdb").read() as connection:
        return connection.execute("SELECT submit_run_id, status FROM batches ORDER BY intended_at").fetchall()


def run_that_sends(dev: Dev) -> str | None:
    """The id of the run that waits in the create call."""
    taken = bool(creates(ensure_emulator(dev.folder)))
    started = [run["runId"] for run in dev.runs() if run["status"] == "STARTED" and run["jobName"] == "submit_tagging"]
    return started[0] if taken and started else None


@pytest.mark.slow
def test_the_call_under_way_is_recorded_and_nothing_is_sent_or_asked_twice(tmp_path: Path) -> None:
    folder, models = tmp_path / "data", len(taggers(["openai"]))
    assert models > 1, "something is left to send after the first create call"
    file = tmp_path / "palettes.txt"
    file.write_text("".join(f"{row.source_seed}\n" for row in samples(2).rows), encoding="utf-8")
    with emulator_ended_after(folder), dagster_dev(folder) as dev:
        emulator = ensure_emulator(folder)
        control(emulator, "faults", {"rules": [HELD]})
        load = [COMMANDS / "grabient", "load", file]
        subprocess.run(load, cwd=PROJECT_DIR, env=environment_of(folder), check=True, timeout=HANGING_SECONDS)
        dev.backfill(["openai_tag_batches"], [f"v1|{row.palette.canonical}" for row in samples(2).rows])
        dev.until("the create call", lambda: run_that_sends(dev) is not None, lambda: dev.runs())
        run = run_that_sends(dev)
        [done] = dev.terminate(run)
        assert done == {"__typename": "TerminateRunSuccess", "run": {"runId": run}}
        control(emulator, "release", {})

        def status() -> str:
            return next(one["status"] for one in dev.runs() if one["runId"] == run)

        dev.until("the end of the run", lambda: status() not in ("STARTED", "CANCELING"), status)
        assert status() == "CANCELED"
        sent_by_it = [row for row in batches(folder) if row[0] == run]
        assert sent_by_it in ([(run, "submitted")], [(run, "collected")]), "the call under way, and no further one"
        dev.until(
            "the other models, by the daemon",
            lambda: [status for _, status in batches(folder)] == ["collected"] * models,
            lambda: batches(folder),
        )
        sent = [custom_id for one in creates(emulator) for custom_id in one["custom_ids"]]
        assert len(creates(emulator)) == models and len(sent) == len(set(sent))
