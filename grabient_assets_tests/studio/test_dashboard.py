"""The dashboard: the numbers of `grabient status`, what is under way, and asking for refinement."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from grabient_assets.emulator.endpoint import running_emulator
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import typed
from grabient_assets_tests.studio.furnished import PALETTES, REFINED, seeds
from grabient_assets_tests.studio.opened import Opened, opened
from grabient_assets_tests.warehouse import results
from grabient_assets_tests.warehouse.holding import held

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


def under_way(data: Path) -> None:
    """A batch in each stage, and a failed answer."""
    seed = seeds(data)[0]
    with Warehouse(data / "grabient.duckdb").write() as connection:
        for number, (status, polled, ended) in enumerate(
            [("intended", None, None), ("submitted", None, None), ("submitted", NOW, None), ("submitted", NOW, NOW)]
        ):
            results.batch(
                connection,
                f"b-{number}",
                [(seed, None, None, None)] * (number + 1),
                status=status,
                submitted_at=None if status == "intended" else NOW - timedelta(minutes=5),
                polled_at=polled,
                ended_at=ended,
                model=f"<i>model-{number}</i>",
                error="the queue is full" if number == 1 else None,
            )
        results.batch(connection, "paid", [(seed, "succeeded", 0.25, "reported")], at=NOW, provider="groq")


def files(folder: Path) -> dict[str, str]:
    return {
        one.relative_to(folder).as_posix(): hashlib.sha256(one.read_bytes()).hexdigest()
        for one in folder.rglob("*")
        if one.is_file()
    }


def test_the_numbers_are_those_of_status_and_costs(data: Path) -> None:
    under_way(data)
    studio = opened(data, clock=lambda: NOW, GRABIENT_BUDGET_USD="5")
    page, status = studio.json("/index.json"), typed(data, "status", "--json", GRABIENT_BUDGET_USD="5").json
    assert (page["tagged"], page["refined"], page["errors"]) == (PALETTES, REFINED, status["errors"])
    for name in status:
        if name != "open_batches":
            assert page[name] == status[name], name
    for shown, told in zip(page["open_batches"], status["open_batches"], strict=True):
        timed = {"age_seconds", "overdue"}  # of the page by a clock that stands still
        assert {name: shown[name] for name in told if name not in timed} == {
            name: told[name] for name in told if name not in timed
        }
    stages = {one["batch_id"]: one["stage"] for one in page["open_batches"]}
    assert stages == {"b-0": "submitting", "b-1": "submitted", "b-2": "polling", "b-3": "collecting"}
    assert [one["counts"] for one in page["open_batches"]][:2] == ["1 request", "2 requests"]
    costs = typed(data, "costs", "--by", "provider", "--since", "2026-11-01", "--json", GRABIENT_BUDGET_USD="5").json
    assert [(one["provider"], one["cost_usd"]) for one in page["month"]["by_provider"]] == [
        (one["provider"], one["cost_usd"]) for one in costs["rows"]
    ]
    assert (page["month"]["spent_usd"], page["month"]["left_usd"]) == ("0.2500000000", "4.7500000000")


def test_the_page_shows_what_its_twin_holds(data: Path) -> None:
    under_way(data)
    studio = opened(data, clock=lambda: NOW)
    html, page = studio.html("/"), studio.json("/index.json")
    for name in ("tagged", "refined", "pending", "errors"):
        assert re.search(rf'data-text="{name}">{page[name]}<', html), name
    assert page["as_of"]["text"] == "as of 12:30:00 UTC" and page["as_of"]["text"] in html
    assert "&lt;i&gt;model-2&lt;/i&gt;" in html and "<i>model" not in html
    assert "process results" not in html.lower()
    assert "Batch b-1: the queue is full" in page["notes"] and "the queue is full" in html
    asked = studio.client.get("/", headers={"Accept": "application/json"})
    assert asked.json() == page
    assert [one["provider"] for one in page["month"]["by_provider"]] == ["groq"]


def test_looking_writes_and_sends_nothing(data: Path) -> None:
    studio, before = opened(data), files(data)
    for path in ("/", "/index.json", "/palettes", "/palettes?q=sea", f"/palettes/{seeds(data)[0]}", "/palettes.json"):
        assert studio.client.get(path).status_code == 200, path
    assert files(data) == before
    assert running_emulator(data) is None


def test_a_folder_that_does_not_exist_is_all_zeros_and_is_not_made(tmp_path: Path) -> None:
    studio = opened(tmp_path / "none")
    page = studio.json("/index.json")
    assert (page["palettes"], page["refinable"]["impossible"]) == (0, "Nothing waits to be refined.")
    assert "Nothing is loaded yet" in studio.html("/")
    assert studio.post("/refinements", data={"limit": "5"}).json()["asked"] == 0
    assert not (tmp_path / "none").exists()


def test_refine_asks_for_as_many_as_the_limit_and_sends_nothing(data: Path) -> None:
    studio = opened(data)
    page = studio.json("/index.json", limit=2)
    price = page["refinable"]["usd"]
    assert (page["refinable"]["palettes"], page["refinable"]["limit"]) == (PALETTES - REFINED, 2)
    assert 0 < float(price["low"]) < float(price["expected"]) < float(price["high"])
    sent = {"token": studio.token, "limit": "3"}
    done = studio.client.post("/refinements", data=sent, follow_redirects=False)
    assert done.status_code == 303 and done.headers["location"].startswith("/?notice=")
    shown = studio.html(done.headers["location"])
    assert "Asked for the refinement of 3 palettes." in shown and "No daemon runs" in shown
    with Warehouse(data / "grabient.duckdb").read() as connection:
        asks = connection.execute("SELECT subject, state, purpose FROM asks ORDER BY subject").fetchall()
        assert asks == sorted((seed, "open", "refinement") for seed in seeds(data)[REFINED : REFINED + 3])
        assert connection.execute("SELECT count(*) FROM batches").fetchall() == [(0,)]
    after = studio.json("/index.json")
    assert (after["pending"], after["refinable"]["palettes"]) == (3, 1)
    assert running_emulator(data) is None
    assert studio.post("/refinements", data={"limit": "9"}).json()["asked"] == 1
    assert "nothing was asked" in studio.post("/refinements", data={"limit": "9"}).json()["notice"]


@pytest.mark.parametrize("limit", ["", "0", "-1", "many", "1.5", "١"])
def test_a_limit_that_is_none(data: Path, limit: str) -> None:
    refused = opened(data).post("/refinements", data={"limit": limit})
    assert refused.status_code == 400 and "it must be a whole number from 1 on" in refused.json()["error"]


def test_what_the_budget_does_not_cover_is_said_before(data: Path) -> None:
    page = opened(data, GRABIENT_BUDGET_USD="0.001").json("/index.json")
    assert "The month's budget leaves 0.0010 USD." in page["refinable"]["budget"]


def test_who_would_send(data: Path) -> None:
    studio = opened(data, clock=lambda: NOW)
    assert studio.json("/index.json")["sender"]["sentence"].startswith("No daemon runs")
    records = data / "dagster" / "history"
    records.mkdir(parents=True)
    with sqlite3.connect(records / "runs.db") as connection:
        connection.execute("CREATE TABLE daemon_heartbeats (daemon_type TEXT, timestamp TIMESTAMP)")
        connection.execute("INSERT INTO daemon_heartbeats VALUES ('SENSOR', ?)", [f"{NOW:%Y-%m-%d %H:%M:%S.%f}"])
    assert studio.json("/index.json")["sender"] == {
        "daemon": True,
        "sentence": "Dagster's daemon runs: its sensors send what is asked, and collect the answers.",
    }
    later = opened(data, clock=lambda: NOW + timedelta(minutes=10))
    assert not later.json("/index.json")["sender"]["daemon"]


def test_a_run_without_a_daemon_is_seen_by_what_it_looks_at(data: Path) -> None:
    under_way(data)
    sentence = opened(data, clock=lambda: NOW + timedelta(seconds=9)).json("/index.json")["sender"]["sentence"]
    assert sentence.startswith("A run is at work without a daemon: it last looked at a batch 9 s ago.")
    later = opened(data, clock=lambda: NOW + timedelta(minutes=9)).json("/index.json")["sender"]["sentence"]
    assert later.startswith("No daemon runs")


def test_while_another_process_holds_the_database(data: Path) -> None:
    times = [NOW]
    studio: Opened = opened(data, clock=lambda: times[0])
    before = studio.json("/index.json")
    with held(data / "grabient.duckdb", "hold"):
        times[0] += timedelta(seconds=12)
        page, html = studio.json("/index.json"), studio.html("/")
        assert page["as_of"]["text"] == "as of 12:30:00 UTC, 12 s ago; a run is writing" and page["as_of"]["stale"]
        assert {**page, "as_of": None} == {**before, "as_of": None} and page["as_of"]["text"] in html
        unseen = studio.client.get("/palettes")
        assert (unseen.status_code, "A run is writing" in unseen.text) == (503, True)
        assert "Traceback" not in unseen.text and unseen.headers["retry-after"] == "3"
    assert not studio.json("/index.json")["as_of"]["stale"]
