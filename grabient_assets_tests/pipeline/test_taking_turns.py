"""Runs, sensor ticks, commands and a person's shell at one file: they wait for each other, and nobody fails."""

from __future__ import annotations

import contextlib
import io
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from grabient_assets.cli.main import INTERRUPTED
from grabient_assets.emulator.endpoint import read_endpoint
from grabient_assets.errors import WarehouseError
from grabient_assets.registry.load import load_registry
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets_tests.cli.running import command, emulator, environment, grabient, palettes
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.driven import Driven, driven
from grabient_assets_tests.pipeline.place import creates
from grabient_assets_tests.warehouse.holding import held


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Driven]:
    with driven(tmp_path / "data") as pipeline:
        yield pipeline


class Heard(io.StringIO):
    """A stream that passes on what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: queue.Queue[str] = queue.Queue()

    def write(self, text: str) -> int:
        if "Waiting" in text:
            self.lines.put(text)
        return len(text)


def test_a_run_waits_for_a_persons_shell_and_says_so(pipeline: Driven) -> None:
    """The tick, which only reads, is let in; its run says for whom it waits, and goes on when the shell lets go."""
    [seed] = pipeline.load(1)
    heard, said = Heard(), []
    with contextlib.redirect_stderr(heard), held(pipeline.warehouse.path, "hold-reading") as shell:

        def let_go_when_waited_for() -> None:
            said.append(heard.lines.get(timeout=HANGING_SECONDS))
            shell.let_go()

        person = threading.Thread(target=let_go_when_waited_for)
        person.start()
        ended = pipeline.tick()
        person.join(60)
    [sentence] = said
    assert f"(process {shell.pid}) has" in sentence and " so far, 3,600 seconds at most" in sentence
    assert [(one.job, one.success) for one in ended] == [("load_palettes", True)]
    assert pipeline.green("palette_images") == {seed}
    logged = [entry.user_message for entry in pipeline.instance.all_logs(ended[0].run_id)]
    assert sentence.strip() in [message.strip() for message in logged]


def test_a_tick_that_is_kept_out_is_skipped_with_the_reason(pipeline: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRABIENT_NOTIFY_URL", "http://127.0.0.1:9/")  # with nobody to tell, nothing is looked at
    pipeline.load(1)
    sensors = list(pipeline.definitions.get_repository_def().sensor_defs)
    assert len(sensors) >= 5
    resources = {**(pipeline.definitions.resources or {}), "warehouse": WarehouseResource(tick_seconds=0.1)}
    with held(pipeline.warehouse.path, "hold") as other:
        for sensor in sensors:
            context = dg.build_sensor_context(
                instance=pipeline.instance,
                definitions=pipeline.definitions,
                sensor_name=sensor.name,
                resources=resources,
            )
            skipped = sensor.evaluate_tick(context).skip_message
            assert skipped and f"(process {other.pid}) has held" in skipped, sensor.name


def test_a_tick_without_its_server_fails_with_the_sentence(pipeline: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster shows it as a failed tick and looks again at the next: nothing is started meanwhile."""
    monkeypatch.setenv("GRABIENT_NOTIFY_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("GRABIENT_WAREHOUSE", "postgresql://grabient@127.0.0.1:1/grabient")
    for sensor in pipeline.definitions.get_repository_def().sensor_defs:
        context = dg.build_sensor_context(
            instance=pipeline.instance,
            definitions=pipeline.definitions,
            sensor_name=sensor.name,
            resources=pipeline.definitions.resources,
        )
        with pytest.raises(WarehouseError, match=r"^postgresql://grabient@127\.0\.0\.1:1/grabient cannot be reached: "):
            sensor.evaluate_tick(context)


def test_a_command_says_on_stderr_for_whom_it_waits_and_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert grabient(data, "load", palettes(tmp_path, 1)).code == 0

    def status(ctrl_c: signal.Handlers = signal.SIG_DFL) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command("status", "--json"),
            env=environment(data),
            stdout=pipe,
            stderr=pipe,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, ctrl_c),
        )

    with (
        held(data / "grabient.duckdb", "hold") as other,
        status() as stopped,
        status() as patient,
        status(signal.SIG_IGN) as under_nohup,
    ):
        for waiting in (stopped, patient, under_nohup):
            assert waiting.stderr is not None
            said = waiting.stderr.readline()
            assert f"(process {other.pid}) has" in said and " so far. Close it there" in said and "at most" not in said
        for waiting in (under_nohup, stopped):
            waiting.send_signal(signal.SIGINT)
        _, err = stopped.communicate(timeout=HANGING_SECONDS)
        assert (stopped.returncode, "Traceback" in err) == (INTERRUPTED, False)
        assert under_nohup.poll() is None, "what was ignored at the start stays ignored"
        under_nohup.send_signal(signal.SIGTERM)
        _, err = under_nohup.communicate(timeout=HANGING_SECONDS)
        assert (under_nohup.returncode, "Traceback" in err) == (143, False)
        other.let_go()
        out, err = patient.communicate(timeout=HANGING_SECONDS)
    assert (patient.returncode, err) == (0, "") and '"palettes": 1' in out


@pytest.mark.slow
def test_two_pipelines_a_status_and_a_shell_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert grabient(data, "load", palettes(tmp_path, 2)).code == 0
    models = [model for model in load_registry().panel("tagger") if model.provider == "openai"]
    run = command("run", "--until", "consensus", "--analyses", "1", "--json")
    with (
        emulator(tmp_path / "server", "--polls", "1") as urls,
        held(data / "grabient.duckdb", "hold-reading") as shell,
    ):
        live = {"GRABIENT_MODE": "live", "OPENAI_API_KEY": "sk-openai", "OPENAI_BASE_URL": urls["openai"]}
        runs = [
            subprocess.Popen(
                run, env=environment(data, **live), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        said = [next((line for line in one.stderr if "Waiting" in line), "") for one in runs if one.stderr]
        assert all(f"(process {shell.pid}) has" in sentence for sentence in said), said
        beside = grabient(data, "status", "--json", **live)
        assert beside.code == 0, beside.err
        assert (beside.json["palettes"], beside.json["tagged"]) == (2, 0)
        shell.let_go()
        looked = grabient(data, "status", "--json", **live)
        ended = [one.communicate(timeout=HANGING_SECONDS) for one in runs]
        endpoint = read_endpoint(tmp_path / "server")
        sent = [custom_id for batch in creates(endpoint) for custom_id in batch["custom_ids"]]
    assert [one.returncode for one in runs] == [0, 0], ended
    assert looked.code == 0, looked.err
    assert len(sent) == len(set(sent)) == 2 * len(models)
    final = grabient(data, "status", "--json", **live).json
    assert (final["tagged"], final["pending"], final["open_batches"]) == (2, 0, [])
