"""A run that Dagster executes, as its daemon does, and that is asked to end while a create call is under way."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import dagster as dg

from grabient_assets.groups.tagging.purpose import taggers
from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.cli.running import hear_signals
from grabient_assets_tests.dagster_cli.conftest import Terminal
from grabient_assets_tests.pipeline.place import COMMANDS, control, environment_of

SECONDS = 120
SLOW = {"match": {"provider": "openai", "route": "create"}, "action": {"do": "delay", "seconds": 1.0}}
SEND_DUE = {"ops": {"openai_tag_batches": {"config": {"send_due": True}}}}


def test_the_call_under_way_is_recorded_and_nothing_is_sent_after_it(terminal: Terminal) -> None:
    pipeline, key = terminal.pipeline, f"v1|{terminal.seeds[0]}"
    pipeline.person("openai_tag_batches", key)
    pipeline.faults(SLOW)
    command = ["asset", "materialize", "-m", "grabient_assets.definitions", "--select", "openai_tag_batches"]
    sending = subprocess.Popen(
        [str(COMMANDS / "dagster"), *command, "--partition", key, "--config-json", json.dumps(SEND_DUE)],
        cwd=PROJECT_DIR,
        env=environment_of(pipeline.folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=hear_signals,
    )
    with sending:
        give_up = time.monotonic() + SECONDS
        while not control(pipeline.emulator, "faults")["rules"][0]["fired"]:
            assert sending.poll() is None and time.monotonic() < give_up, "no create call came"
            time.sleep(0.02)
        sending.send_signal(signal.SIGTERM)
        said, _ = sending.communicate(timeout=SECONDS)
    assert len(taggers(["openai"])) > 1 and sending.returncode != 0
    assert [one[0] for one in pipeline.creates()] == ["openai"], said
    assert pipeline.rows("SELECT status, provider_batch_id IS NOT NULL FROM batches") == [("submitted", True)]
    [run] = pipeline.instance.get_runs(limit=1)  # the newest
    assert run.status in (dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.FAILURE) and "Query interrupted" not in said
