"""Terminate in the UI, on the run of an edit whose editor has not answered: the edit is cancelled."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from grabient_assets.emulator.endpoint import ensure_emulator
from grabient_assets.settings import PROJECT_DIR
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.groups.edits.place import picture
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.dev import dagster_dev
from grabient_assets_tests.pipeline.place import COMMANDS, control, emulator_ended_after, environment_of

HELD = {"match": {"provider": "openai", "route": "answer"}, "action": {"do": "hold", "seconds": 60}}
MOST_SECONDS = 2.0


def standing(folder: Path) -> tuple[Any, ...] | None:
    with Warehouse(folder / "grabient.duckdb").read() as connection:
        return connection.execute("SELECT status, stage, began_at, possible_usd > 0 FROM edits").fetchone()


def test_the_call_is_let_go_and_the_edit_cancelled(tmp_path: Path) -> None:
    folder, file = tmp_path / "data", tmp_path / "picture.png"
    picture().save(file)
    with emulator_ended_after(folder), dagster_dev(folder) as dev:
        emulator = ensure_emulator(folder)
        control(emulator, "faults", {"rules": [HELD]})

        def grabient(*words: str) -> str:
            done = subprocess.run(
                [str(COMMANDS / "grabient"), *words],
                cwd=PROJECT_DIR,
                env=environment_of(folder),
                check=True,
                timeout=HANGING_SECONDS,
                stdout=subprocess.PIPE,
                text=True,
            )
            return done.stdout

        [added] = json.loads(grabient("images", "add", str(file), "--json"))["images"]
        grabient("edits", "new", added["image_id"], "--kind", "prompt", "--prompt", "add a boat", "--yes")

        def started() -> list[str]:
            return [
                run["runId"] for run in dev.runs() if (run["status"], run["jobName"]) == ("STARTED", "submit_edits")
            ]

        dev.until(
            "the call", lambda: bool(control(emulator, "calls")["under_way"].get("openai")), lambda: standing(folder)
        )
        [run] = started()
        asked = time.monotonic()
        dev.terminate(run)
        dev.until("the cancellation", lambda: (standing(folder) or [""])[0] == "cancelled", lambda: standing(folder))
        assert time.monotonic() - asked < MOST_SECONDS * 5, "a busy machine takes its time; the call was held for 60"

        def status() -> str:
            return next(one["status"] for one in dev.runs() if one["runId"] == run)

        dev.until("the end of the run", lambda: status() not in ("STARTED", "CANCELING"), status)
        assert status() == "CANCELED"
        last = standing(folder)
        assert last is not None and last[3] is True, "possibly billed"
