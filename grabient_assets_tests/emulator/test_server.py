"""The emulator as a process: one per folder, on loopback, found by others, alive again after a kill."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import anthropic
import openai
import pytest

from grabient_assets.emulator.endpoint import endpoint_file, ensure_emulator, running_emulator
from grabient_assets.emulator.server import EmulatorServer, serve
from grabient_assets.errors import EmulatorError
from grabient_assets_tests.emulator.running import (
    HAIKU,
    MINI,
    MODELS,
    anthropic_request,
    anthropic_results,
    chat_batch,
    chat_line,
    chat_results,
    running,
)
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.place import emulator_ended_after

KEYS = [f"k{number}" for number in range(6)]


@contextmanager
def process(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An emulator in a process of its own, and its URL."""
    command = [sys.executable, "-m", "grabient_assets.emulator", "--data-dir", str(folder), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout is not None
        try:
            yield emulator, emulator.stdout.readline().split()[-1]
        finally:
            emulator.kill()


def test_batches_files_and_polls_outlive_a_kill(folder: Path) -> None:
    with process(folder, "--polls", "3") as (emulator, url):
        claude = anthropic.Anthropic(api_key="k", base_url=f"{url}/anthropic")
        gpt = openai.OpenAI(api_key="k", base_url=f"{url}/openai/v1")
        one = claude.messages.batches.create(requests=[anthropic_request(key) for key in KEYS])
        two = chat_batch(gpt, [chat_line(key, MINI) for key in KEYS])
        for _ in range(2):
            assert claude.messages.batches.retrieve(one.id).processing_status == "in_progress"
            gpt.batches.retrieve(two.id)
        emulator.send_signal(signal.SIGKILL)
        emulator.wait(10)
    assert endpoint_file(folder).exists() and running_emulator(folder) is None
    with process(folder) as (emulator, url):
        claude = anthropic.Anthropic(api_key="k", base_url=f"{url}/anthropic")
        gpt = openai.OpenAI(api_key="k", base_url=f"{url}/openai/v1")
        ended = claude.messages.batches.retrieve(one.id)
        assert ended.processing_status == "ended" and ended.results_url and ended.results_url.startswith(url)
        assert sorted(anthropic_results(claude, ended)) == KEYS
        done = gpt.batches.retrieve(two.id)
        assert done.status == "completed" and sorted(chat_results(gpt, done)) == KEYS
        emulator.send_signal(signal.SIGTERM)
        assert emulator.wait(10) == 0
    assert not endpoint_file(folder).exists()


def test_faults_laid_on_a_batch_outlive_a_restart(folder: Path) -> None:
    with running(folder) as emulator:
        emulator.faults({"match": {}, "action": {"do": "expire", "share": 0.5}})
        made = emulator.openai().batches.retrieve(chat_batch(emulator.openai(), [chat_line("a", MINI)]).id)
    with running(folder) as emulator:
        assert emulator.openai().batches.retrieve(made.id).status == "expired"


def test_ids_of_a_new_folder_differ_from_the_old_ones(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "two"):
        with running(tmp_path / name) as emulator:
            made = [emulator.anthropic().messages.batches.create(requests=[anthropic_request("a")]).id]
            emulator.control("POST", "reset")
            made.append(emulator.anthropic().messages.batches.create(requests=[anthropic_request("a")]).id)
            ids += made
    assert len(set(ids)) == 4


def test_endpoint_file_tells_address_and_process(folder: Path) -> None:
    with running(folder) as emulator:
        written = json.loads(endpoint_file(folder).read_text(encoding="utf-8"))
        assert written["url"] == emulator.url and written["pid"] == os.getpid()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", written["started_at"])
        assert running_emulator(folder) == emulator.server.endpoint
        assert emulator.bases["openai"] == f"{emulator.url}/openai/v1"
    assert running_emulator(folder) is None


def test_an_endpoint_file_of_another_process_is_not_believed(folder: Path) -> None:
    with running(folder) as emulator:
        endpoint_file(folder).write_text(json.dumps({"url": emulator.url, "pid": 1}), encoding="utf-8")
        assert running_emulator(folder) is None
        endpoint_file(folder).write_text("{half", encoding="utf-8")
        assert running_emulator(folder) is None


def test_two_emulators_never_serve_one_folder(folder: Path) -> None:
    with running(folder) as emulator, pytest.raises(EmulatorError) as refused:
        EmulatorServer(folder, models=MODELS)
    assert f"already serves {folder}, at {emulator.url}" in str(refused.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "example.com", "::"])
def test_only_loopback_is_served(folder: Path, host: str) -> None:
    with pytest.raises(EmulatorError, match="does not bind to"):
        serve(folder, host=host)
    assert not folder.exists()


def test_there_is_no_way_to_ask_for_another_address(tmp_path: Path) -> None:
    module = ["-m", "grabient_assets.emulator", "--data-dir", str(tmp_path)]
    for command in (module, ["-m", "grabient_assets.cli.main", "emulator"]):
        done = subprocess.run(
            [sys.executable, *command, "--host", "0.0.0.0"],
            capture_output=True,
            text=True,
            timeout=HANGING_SECONDS,
            check=False,
        )
        assert done.returncode == 2 and "--host" in done.stderr


def test_a_taken_port_is_named(folder: Path, tmp_path: Path) -> None:
    with running(tmp_path / "other") as emulator:
        port = int(emulator.url.rpartition(":")[2])
        with pytest.raises(EmulatorError, match=f"cannot use port {port}"):
            EmulatorServer(folder, port=port, models=MODELS)
    with running(folder, port=port) as emulator:
        assert emulator.url.endswith(f":{port}")


def test_no_polls_is_refused(folder: Path) -> None:
    with pytest.raises(EmulatorError, match="at least 1 poll"):
        serve(folder, polls=0)


def test_an_idle_emulator_ends_by_itself(folder: Path) -> None:
    with process(folder, "--idle-exit", "0.3") as (emulator, _):
        assert emulator.wait(10) == 0
    assert not endpoint_file(folder).exists()


def test_signals_belong_to_the_caller_again_when_it_has_ended(folder: Path) -> None:
    def noted(*_: object) -> None: ...

    before = {one: signal.signal(one, noted) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        EmulatorServer(folder, idle_exit_seconds=0.0).run()
        assert {signal.getsignal(one) for one in before} == {noted}
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def test_an_unusable_script_ends_the_command_with_its_reason(folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "faults.toml"
    script.write_text('[[rules]]\naction = { do = "explode" }', encoding="utf-8")
    command = [sys.executable, "-m", "grabient_assets.emulator", "--data-dir", str(folder), "--faults", str(script)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=HANGING_SECONDS, check=False)
    assert ended.returncode == 1 and "rule 1: action.do is missing or unknown" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_ensure_starts_one_emulator_even_when_called_twice_at_once(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from grabient_assets.emulator.endpoint import ensure_emulator;"
        "print(ensure_emulator(Path(sys.argv[1]), polls=1).pid)"
    )

    def call(_: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", program, str(folder)],
            capture_output=True,
            text=True,
            timeout=HANGING_SECONDS,
            check=True,
        ).stdout

    with emulator_ended_after(folder):
        with ThreadPoolExecutor(3) as pool:
            pids = set(pool.map(call, range(3)))
        endpoint = ensure_emulator(folder)
        assert pids == {f"{endpoint.pid}\n"}
        claude = anthropic.Anthropic(api_key="k", base_url=endpoint.base_urls["anthropic"])
        made = claude.messages.batches.create(requests=[anthropic_request("a", HAIKU)])
        assert claude.messages.batches.retrieve(made.id).processing_status == "ended"
    assert running_emulator(folder) is None


def test_ensure_tells_the_end_of_the_log_when_none_starts(folder: Path) -> None:
    with pytest.raises(EmulatorError, match="ended with code 1") as refused:
        ensure_emulator(folder, polls=-1)
    assert "at least 1 poll" in str(refused.value)


def test_a_damaged_state_is_named(folder: Path) -> None:
    state = folder / "emulator" / "state.sqlite"
    state.parent.mkdir(parents=True)
    for content in (b"no database at all", b"SQLite format 3\x00" + b"Z" * 9000):
        state.write_bytes(content)
        with pytest.raises(EmulatorError, match=r"ended with code 1\. .*") as caught:
            ensure_emulator(folder)
        assert f"{state} cannot be used by the emulator: file is not a database" in str(caught.value)
        assert f"move {state.parent} aside" in str(caught.value)
        assert state.read_bytes() == content
    state.unlink()
    state.mkdir()
    with pytest.raises(EmulatorError, match="unable to open database file"):
        EmulatorServer(folder)
