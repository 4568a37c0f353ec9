"""The page of a palette: what `grabient explain` says, and asking again what failed."""

from __future__ import annotations

from html import unescape
from pathlib import Path

from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import typed
from grabient_assets_tests.studio.furnished import TEXTS, seeds
from grabient_assets_tests.studio.opened import opened
from grabient_assets_tests.warehouse import results


def test_it_shows_what_explain_says(data: Path) -> None:
    seed, studio = seeds(data)[0], opened(data)
    page, told = studio.json(f"/palettes/{seed}.json"), typed(data, "explain", "--json", "--", seed).json
    assert page["explained"] == told
    assert page["refined"]["embed_text"] == TEXTS[0]
    html = studio.html(f"/palettes/{seed}")
    assert html.index(TEXTS[0]) < html.index("How the panel voted") < html.index("Every answer")
    [style] = [one for one in told["fields"] if one["field"] == "style"]
    [bars] = [one for one in page["fields"] if one["field"] == "style"]
    voted = [value for value in style["values"] if value["models"]]
    assert [(bar["value"], bar["models"]) for bar in bars["bars"]] == [
        (value["value"], value["models"]) for value in voted[:12]
    ]
    assert bars["added"] == style["refined"]["added"] and bars["left_out"] == style["refined"]["left_out"]
    assert {bar["value"] for bar in bars["bars"] if bar["left_out"]} == set(style["refined"]["left_out"])
    assert len(page["answers"]) == len(told["analyses"]) and "<details" in html


def test_one_that_is_not_refined_and_one_that_nobody_was_asked_about(data: Path) -> None:
    with Warehouse(data / "grabient.duckdb").write() as connection:
        results.palette(connection, "lonely", "Lonely")
    studio = opened(data)
    assert "Not refined yet." in studio.html(f"/palettes/{seeds(data)[8]}")
    lonely = studio.json("/palettes/lonely.json")
    assert (lonely["explained"], lonely["versions"]) == (None, [])
    assert "Nobody has been asked about this palette yet." in studio.html("/palettes/lonely")


def test_one_that_is_not_there(data: Path) -> None:
    studio = opened(data)
    missing = studio.client.get("/palettes/nothing-of-the-kind")
    assert missing.status_code == 404 and "nothing-of-the-kind" in missing.text
    other = studio.client.get(f"/palettes/{seeds(data)[0]}", params={"version": "v9"})
    assert other.status_code == 404 and "under v9, but under v1" in other.text


def test_what_failed_is_asked_again(data: Path) -> None:
    studio, seed = opened(data), seeds(data)[6]
    assert studio.json(f"/palettes/{seed}.json")["again"] is None
    assert studio.post("/refinements", data={"limit": "1"}).json()["asked"] == 1
    with Warehouse(data / "grabient.duckdb").write() as connection:
        results.refined(connection, seed, error="invalid: the answer is no JSON <b>at all</b>")
        connection.execute("UPDATE asks SET state = 'closed', closed_at = now()")
    page, html = studio.json(f"/palettes/{seed}.json"), studio.html(f"/palettes/{seed}")
    plan = typed(data, "retry", "--dry-run", "--json", seed).json
    assert float(page["again"]["usd"]["expected"]) == plan["usd"]["expected"] > 0
    assert "Ask again, about" in html and "<b>at all" not in html
    assert "no JSON <b>at all</b>" in unescape(html)
    done = studio.client.post(f"/palettes/{seed}/retry", data={"token": studio.token, "version": "v1"})
    assert "Asked again for 1 answer." in done.text
    with Warehouse(data / "grabient.duckdb").read() as connection:
        assert connection.execute("SELECT subject, state FROM asks").fetchall() == [(seed, "open")]
        assert connection.execute("SELECT count(*) FROM batches").fetchall() == [(0,)]
    assert studio.post(f"/palettes/{seed}/retry").json()["asked"] == 0
