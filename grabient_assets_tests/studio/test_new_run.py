"""New runs: a file in, the price of `grabient plan`, and a process that is started, found again and stopped."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from grabient_assets.groups.palettes.loading import load_palettes
from grabient_assets.groups.palettes.palette_file import SAMPLES, read_palette_file
from grabient_assets.headless.following import following
from grabient_assets.settings import Settings, load_settings
from grabient_assets.studio import new_run
from grabient_assets.studio.pages import Form
from grabient_assets.studio.palette_upload import MOST_BYTES, seeds_of_upload
from grabient_assets.studio.run_process import (
    RunRecord,
    arguments,
    end_of_log,
    is_alive,
    recent_runs,
    run_now,
    start_run,
    stop_run,
)
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import environment, palettes, typed
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.place import emulator_ended_after
from grabient_assets_tests.studio.opened import Opened, opened
from grabient_assets_tests.warehouse.holding import held

NOW = datetime(2026, 11, 30, 14, 2, 11, tzinfo=UTC)

PATIENT = """
import os, signal, sys
def stop(number, frame):
    print("stopping", flush=True)
    signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGINT, stop)
print(*sys.argv[1:4], os.environ["GRABIENT_MODE"], os.environ["GRABIENT_DATA_DIR"], flush=True)
while True:
    signal.pause()
"""
"""A run that says that it stops at Ctrl-C, and goes on for a while."""
OBEDIENT = PATIENT.replace('print("stopping", flush=True)', 'print("stopping", flush=True); sys.exit(130)')


Begin = Callable[[str], RunRecord]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Some palettes are loaded; nothing was asked."""
    folder = tmp_path / "data"
    load_palettes(
        Warehouse(folder / "grabient.duckdb"), read_palette_file(palettes(tmp_path, 5)), "five", datetime.now(UTC)
    )
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(environment(tmp_path / "data"))


def test_the_page_says_why_no_part_of_the_panel_can_be_asked(data: Path) -> None:
    """warehouse/test_asks.py has the rule: nothing is complete before every provider was asked."""
    said = " ".join(opened(data).html("/runs/new").split())
    assert "Single models cannot be chosen: a palette gets its consensus when every provider" in said


def test_the_price_is_that_of_plan(data: Path) -> None:
    chosen = {"analyses": "1", "limit": "3", "max_usd": "0.06", "adaptive": "yes", "until": "consensus"}
    options = ["--analyses", "1", "--limit", "3", "--max-usd", "0.06", "--adaptive", "--until", "consensus"]
    found = opened(data).json("/runs/new.json", price="yes", **chosen)
    plan = typed(data, "plan", "--json", *options).json
    assert found["plan"] == plan
    assert plan["total"]["usd"]["low"] < plan["total"]["usd"]["expected"] < plan["total"]["usd"]["high"]
    assert found["finishing"].startswith(f"0.06 USD finish {plan['finishes']['palettes']['expected']} ")
    assert plan["adaptive"] is not None


def test_a_price_is_shown_when_it_is_asked_for_and_starts_nothing_else(data: Path, tmp_path: Path) -> None:
    studio, chosen = opened(data), {"analyses": "1", "until": "tags"}
    page = studio.html("/runs/new")
    assert "5</span> palettes are loaded" in page and "Start the run" not in page
    page = studio.html("/runs/new", price="yes", **chosen)
    assert "Start the run" in page and '<b class="number">5</b> of 5 palettes need work' in page
    [seen] = re.findall('name="seen" value="(.*?)"', page)
    load_palettes(
        Warehouse(data / "grabient.duckdb"), read_palette_file(palettes(tmp_path, 6)), "six", datetime.now(UTC)
    )
    done = studio.post("/runs", data={**chosen, "seen": seen})
    assert done.status_code == 409 and "the price has changed" in done.json()["notice"]
    assert not (data / "studio").exists()
    for name in ("asks", "batches"):
        assert _rows(data, f"SELECT count(*) FROM {name}") == [(0,)]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"analyses": "21"}, "Analyses is &#39;21&#39;; it must be a whole number from 1 to 20."),
        ({"limit": "none"}, "At most &#39;none&#39; palettes"),
        ({"max_usd": "a lot"}, "The cap is &#39;a lot&#39;; it must be dollars"),
        ({"prompt_version": "v9"}, "v9"),
        ({"file": "0123456789ab"}, "Give the file again"),
    ],
)
def test_what_cannot_be_is_said_beside_the_form(tmp_path: Path, chosen: dict[str, str], said: str) -> None:
    page = opened(tmp_path / "data").html("/runs/new", price="yes", **chosen)
    assert 'role="alert"' in page and said in page
    assert "Start the run" not in page


def _give(studio: Opened, text: str, name: str = "mine.jsonl", **more: str) -> str:
    files = {"palettes": (name, text.encode(), "text/plain")}
    sent = studio.client.post("/runs/palettes", data={"token": studio.token, **more}, files=files)
    assert sent.status_code == 200, sent.text
    return sent.text


def test_a_file_is_loaded_and_what_is_no_palette_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")  # loading names it to Dagster
    data = tmp_path / "data"
    studio = opened(data)
    lines = SAMPLES.read_text(encoding="utf-8").splitlines(keepends=True)[:2]
    page = _give(studio, "".join([*lines, lines[0], '{"seed": "<b>no</b>"}\n']), "../<i>my</i> palettes.jsonl")
    assert "2 accepted, 1 known already, 1 rejected." in page
    assert "1 line holds a palette that stands in the file before." in page
    assert "line 4" in page and "&lt;b&gt;no&lt;/b&gt;" in page and "<b>no" not in page and "<i>" not in page
    [(source, line)] = _rows(data, "SELECT source, line FROM rejected_palettes")
    assert (source, line) == ("studio: i_ palettes.jsonl", 4)
    [report] = (data / "studio" / "palettes").glob("*.json")
    assert studio.json("/runs/new.json", file=report.stem)["upload"]["accepted"] == 2
    assert seeds_of_upload(studio.studio.settings, report.stem) == [
        seed for [seed] in _rows(data, "SELECT seed FROM palettes")
    ]
    again = _give(studio, "".join(lines))
    assert "0 accepted, 2 known already, 0 rejected." in again


def _rows(data: Path, query: str) -> list[tuple[object, ...]]:
    with Warehouse(data / "grabient.duckdb").read() as connection:
        return connection.execute(query).fetchall()


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    studio = opened(tmp_path / "data")
    assert "The file empty.jsonl holds nothing." in _give(studio, "", "empty.jsonl")
    sixteen = "0.5,0.5,0.5,1,0.5,0.5,0.5,0,1,1,1,0,0,0.33,0.67,0"
    page = _give(studio, sixteen, "presets.txt")
    assert "Line 1 of presets.txt can be read in two ways" in page and "Say below what 16 numbers are" in page
    nothing = studio.client.post("/runs/palettes", data={"token": studio.token})
    assert "choose one first" in nothing.text
    assert not (tmp_path / "data").exists()
    [form] = [one for one in new_run.ROUTES if isinstance(one, Form) and one.path == "/runs/palettes"]
    assert form.max_bytes == MOST_BYTES
    assert f"At most {MOST_BYTES // 1_000_000} MB" in studio.html("/runs/new")


@pytest.fixture
def begin(settings: Settings) -> Iterator[Begin]:
    """Starts a run of the given program; what still runs in the end is killed."""
    begun: list[RunRecord] = []

    def beginning(program: str) -> RunRecord:
        begun.append(_start(settings, program))
        return begun[-1]

    yield beginning
    for record in begun:
        if is_alive(record.pid, record.created):
            os.killpg(record.pid, signal.SIGKILL)


def _start(settings: Settings, program: str) -> RunRecord:
    started = start_run(settings, ["a", "b"], "v1", {"analyses": "1"}, NOW, (sys.executable, "-c", program))
    assert isinstance(started, RunRecord), started
    _says(settings, started, f"run --prompt-version v1 emulator {settings.data_dir}")
    return started


def _says(settings: Settings, record: RunRecord, line: str) -> None:
    """Wait until the run has printed the line."""
    while line not in end_of_log(settings, record.run_id):
        found = run_now(settings, record.run_id)
        assert found is not None and found.state != "ended", end_of_log(settings, record.run_id)
        os.sched_yield()


def _gone(record: RunRecord) -> None:
    try:
        psutil.Process(record.pid).wait(HANGING_SECONDS)
    except psutil.NoSuchProcess:
        return


def _state(settings: Settings, record: RunRecord) -> tuple[str, int | None]:
    found = run_now(settings, record.run_id)
    assert found is not None
    return found.state, found.exit_code


def test_a_run_is_found_again_and_stops_as_ctrl_c_does(data: Path, settings: Settings, begin: Begin) -> None:
    record = begin(OBEDIENT)
    assert _state(settings, record) == ("running", None)
    assert os.getsid(record.pid) == record.pid, "it is a session of its own: the studio's Ctrl-C does not reach it"
    studio = opened(data)
    assert "It runs." in studio.html(f"/runs/{record.run_id}")
    page = studio.html("/runs/new")
    assert "A run of the studio is on since 14:02:11 UTC. One runs at a time." in page
    refused = studio.post("/runs", data={"limit": "1", "analyses": "1", "until": "tags"})
    assert refused.status_code == 409 and "One runs at a time" in refused.json()["notice"]
    stopped = studio.post(f"/runs/{record.run_id}/stop").json()
    assert (stopped["run_id"], len(stopped["stops"])) == (record.run_id, 1)
    _gone(record)
    assert _state(settings, record) == ("ended", 130)
    page = studio.html(f"/runs/{record.run_id}")
    assert "It was stopped, as Ctrl-C does." in page and "<code>stopping</code>" in page
    assert studio.json(f"/runs/{record.run_id}.json")["exit_code"] == 130
    assert studio.client.get("/runs/20260101T000000-abcdef").status_code == 404
    assert studio.client.get("/runs/..%2F..%2Fetc").status_code == 404


def test_how_a_run_stands_is_seen_while_it_has_the_database(data: Path, settings: Settings, begin: Begin) -> None:
    record, studio = begin(PATIENT), opened(data)
    assert studio.json(f"/runs/{record.run_id}.json")["figures_note"] == ""
    with held(data / "grabient.duckdb", "hold"):
        assert "these are the figures of" in studio.html(f"/runs/{record.run_id}")
        assert studio.post(f"/runs/{record.run_id}/stop").json()["state"] == "stopping"


def test_the_second_press_stops_at_once(settings: Settings, begin: Begin) -> None:
    record = begin(PATIENT)
    found = stop_run(settings, record.run_id, NOW)
    assert found is not None and (found.state, found.sentence) == (
        "stopping",
        "It is stopping: what is under way comes to its end first. Press again to stop at once.",
    )
    _says(settings, record, "stopping")
    assert _state(settings, record) == ("stopping", None)
    stop_run(settings, record.run_id, NOW)
    _gone(record)
    assert _state(settings, record) == ("ended", 143)
    found = stop_run(settings, record.run_id, NOW)
    assert found is not None and len(found.record.stops) == 2, "an ended run is told nothing"


def test_a_run_that_was_killed_has_ended(settings: Settings, begin: Begin) -> None:
    record = begin(PATIENT)
    os.killpg(record.pid, signal.SIGKILL)
    _gone(record)
    assert _state(settings, record) == ("ended", None)
    [found] = recent_runs(settings)
    assert "nothing wrote down how it ended" in found.sentence
    # Another process that has its number is not taken for it.
    file = settings.data_dir / "studio" / "runs" / record.run_id / "run.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(f'"pid": {record.pid}', f'"pid": {os.getpid()}'), encoding="utf-8")
    assert _state(settings, record) == ("ended", None)


def test_a_run_of_a_shell_is_noticed(data: Path, settings: Settings) -> None:
    with following(settings):
        page = opened(data).html("/runs/new")
        assert f"`grabient run` is on in a shell (process {os.getpid()}" in page
        refused = start_run(settings, ["a"], "v1", {}, NOW, (sys.executable, "-c", PATIENT))
        assert isinstance(refused, str) and "press Ctrl-C there" in refused
    assert "in a shell" not in opened(data).html("/runs/new")
    assert not (settings.data_dir / "studio").exists()


def test_grabient_takes_the_words_that_it_is_started_with(data: Path, tmp_path: Path) -> None:
    (tmp_path / "seeds.txt").write_text("0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,0.1,0.2,0.3\n", encoding="utf-8")
    options = {"analyses": "1", "until": "consensus", "adaptive": "yes", "max-usd": "0.5"}
    ended = typed(data, *arguments(tmp_path, "v1", options))
    assert ended.code == 2 and "Not loaded of" in ended.err, "the options were read, and the file after them"


@pytest.mark.slow
def test_a_run_goes_to_its_end(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real command, as its page starts it: the same folder, and the same palettes as the price was for."""
    for name, value in environment(data, DAGSTER_HOME="").items():
        monkeypatch.setenv(name, value)
    studio, chosen = opened(data), {"analyses": "1", "until": "consensus", "limit": "1"}
    with emulator_ended_after(data):
        seen = studio.json("/runs/new.json", price="yes", **chosen)["seen"]
        run_id = studio.post("/runs", data={**chosen, "seen": seen}).json()["started"]
        found = run_now(studio.studio.settings, run_id)
        assert found is not None
        _gone(found.record)
        ended = studio.json(f"/runs/{run_id}.json")
    assert (ended["state"], ended["exit_code"]) == ("ended", 0), ended["log"]
    assert [one["shown"] for one in ended["stages"] if one["name"] == "consensus"] == ["1 of 1"]
