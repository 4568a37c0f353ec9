"""The pages of knowledge over planted rows: what they show, that they send nothing, that no text becomes a program."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from grabient_assets.errors import UsageError
from grabient_assets.settings import load_settings
from grabient_assets.studio.knowledge_search import NEAR, around
from grabient_assets.studio.new_workflow import harmless_name, refuse_paths
from grabient_assets.studio.pages import Studio
from grabient_assets.studio.server import StudioServer
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import environment
from grabient_assets_tests.groups.knowledge.planted_workflow import NOW, WORKFLOW
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.studio.opened import Opened, opened
from grabient_assets_tests.studio.planted_knowledge import (
    BLOCKED,
    FILE,
    GONE,
    OTHER,
    PAGE,
    PRICE,
    QUOTE,
    RUNNING,
    SCRIPT,
    TITLE,
    VIDEO,
    plant_knowledge,
)

LATER = NOW + timedelta(hours=2)
VIDEO_AT = "https://www.youtube.com/watch?v=aaaaaaaaaaa&t=3723s"
PAGES = (
    "/knowledge",
    f"/knowledge/{WORKFLOW}",
    f"/knowledge/{WORKFLOW}/{VIDEO}",
    f"/knowledge/{WORKFLOW}/{PAGE}",
    f"/knowledge/{WORKFLOW}/{FILE}",
    "/knowledge/search?q=price",
    "/knowledge/search?q=silence",
)
TABLES = ("workflows", "source_queue", "asks", "batches", "sources", "workflow_sources", "index_versions")


@pytest.fixture(scope="module")
def _planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("knowledge")
    plant_knowledge(folder, indexed=True)
    return folder


@pytest.fixture
def data(_planted: Path, tmp_path: Path) -> Path:
    (tmp_path / "grabient.duckdb").write_bytes((_planted / "grabient.duckdb").read_bytes())
    return tmp_path


@pytest.fixture
def studio(data: Path) -> Opened:
    return opened(data, clock=lambda: LATER)


@pytest.fixture
def empty(tmp_path: Path) -> Opened:
    with Warehouse(tmp_path / "grabient.duckdb").write():
        pass
    return opened(tmp_path, clock=lambda: NOW)


def _rows(data: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    with Warehouse(data / "grabient.duckdb").read() as connection:
        return connection.execute(query, list(values)).fetchall()


def test_the_workflows_stand_there_with_their_numbers(studio: Opened, data: Path) -> None:
    later, first = studio.json("/knowledge.json")["workflows"]
    names = (
        "workflow_id",
        "status",
        "progress",
        "total_content",
        "content_processed",
        "entries",
        "dead",
        "failed_cells",
    )
    counted = _rows(data, f"SELECT {', '.join(names)}, index_size FROM workflow_status ORDER BY workflow_id")
    assert [tuple(one[name] for name in (*names, "index_size")) for one in (first, later)] == counted
    assert [row[0] for row in counted] == [WORKFLOW, OTHER] and counted[0][3:] == (6, 3, 4, 3, 29, 4)
    assert (Decimal(first["cost_usd"]), first["requests"]) == (Decimal("0.0004"), 2)
    page = studio.html("/knowledge")
    shown = [str(counted[1][2]), str(counted[0][2])]
    assert re.findall(r'role="progressbar"[^>]* aria-valuenow="(\d+)"', page) == shown
    assert "3 of 6 sources fetched, 4 entries" in page and "29 cells failed" in page and "0.0004 USD" in page
    assert 'aria-current="page">Knowledge' in page and "data-live=" in page
    assert 'http-equiv="refresh"' not in page, "it would empty the form of whoever has no JavaScript"
    assert 'http-equiv="refresh"' in studio.html(f"/knowledge/{WORKFLOW}")


@pytest.mark.parametrize("path", PAGES)
def test_no_text_becomes_a_program_or_a_link_that_runs(studio: Opened, path: str) -> None:
    page = studio.html(path)
    assert "<script>alert" not in page
    assert not [one for one in re.findall(r'(?:href|src|action)="([^"]*)"', page) if "script:" in html.unescape(one)]
    links = [html.unescape(one) for one in re.findall(r'href="([^"]*)"', page)]
    assert all(one.startswith(("/", "#", "https://")) for one in links), links


def test_a_workflow_shows_what_is_dead_and_what_every_cell_says(studio: Opened) -> None:
    found, page = studio.json(f"/knowledge/{WORKFLOW}.json"), studio.html(f"/knowledge/{WORKFLOW}")
    assert {(one["source_id"], one["error_class"], one["attempts"]) for one in found["dead_letters"]} == {
        (RUNNING, "not_found", 4),
        (GONE, "not_found", 4),
        (BLOCKED, "blocked", 4),
    }
    assert sorted(re.findall(r'data-item="([^"]+)"', page)) == sorted(f"it_{one}" for one in (RUNNING, GONE, BLOCKED))
    assert html.escape(f"YouTube refuses {SCRIPT} this address.", quote=True).replace("&#x27;", "&#39;") in page
    assert page.count("4 attempts") == 3 and found["dead_classes"][0] == {"error_class": "not_found", "letters": 2}
    assert found["failed_readings"] == [{"error": "The answer holds no list of entries.", "cells": 2}]
    assert found["redrive"]["sources"] == 3 and found["redrive"]["cells"] == 2 and float(found["redrive"]["usd"]) > 0
    cells = re.findall(r'data-cell="fa(\d)\|([^"]+)" data-state="(\w+)"', page)
    assert len(cells) == 54
    states = {(source, int(area)): state for area, source, state in cells}
    assert [states[VIDEO, area] for area in range(1, 10)] == [
        *("ok", "empty", "skipped", "ok", "failed", "empty", "empty", "skipped", "waiting")
    ]
    assert {states[GONE, area] for area in range(1, 10)} == {"failed"}
    assert states == {
        (row["source_id"], cell["focus_area"]): cell["state"] for row in found["rows"] for cell in row["cells"]
    }
    figures = found["coverage"]
    assert (figures["cells"], figures["quarantined"], figures["grounded"]) == (54, 1, 0.8)
    assert found["latest_entries"][0]["content"] == "Name the price last."
    assert len(found["latest_entries"]) == 4
    assert {one["link"] for one in found["latest_entries"]} == {None, VIDEO_AT}
    assert html.escape(VIDEO_AT) in page
    assert studio.client.get("/knowledge/wf_nothing").status_code == 404
    assert [one["number"] for one in studio.json(f"/knowledge/{OTHER}.json")["areas"]] == [4, 7]


def test_a_page_is_taken_anew_when_something_changed_and_not_because_time_passed(studio: Opened, data: Path) -> None:
    path = f"/knowledge/{WORKFLOW}"
    first = studio.json(f"{path}.json")
    later = studio.json(f"{path}.json")
    while later["processing_time"] == first["processing_time"]:
        later = studio.json(f"{path}.json")
    assert later["version"] == first["version"]
    assert f'data-live-version="{first["version"]}"' in studio.html(path)
    listed = studio.json("/knowledge.json")["version"]
    assert f'data-live-version="{listed}"' in studio.html("/knowledge")
    with Warehouse(data / "grabient.duckdb").write() as connection:
        connection.execute("UPDATE source_queue SET status = 'leased' WHERE source_id = ?", [GONE])
    assert studio.json(f"{path}.json")["version"] != first["version"]
    assert studio.json("/knowledge.json")["version"] != listed


def test_a_source_shows_its_entries_by_area_and_why_some_are_quarantined(studio: Opened) -> None:
    found = studio.json(f"/knowledge/{WORKFLOW}/{VIDEO}.json")
    page = studio.html(f"/knowledge/{WORKFLOW}/{VIDEO}")
    assert [one["state"] for one in found["areas"]][:4] == ["ok", "empty", "skipped", "ok"]
    price = found["areas"][3]["entries"]
    assert [one["state"] for one in price] == ["ok", "ok", "quarantined"]
    assert (price[2]["content"], price[2]["link"]) == ("Lie.", None)
    assert price[2]["reason"] == "Its quote does not stand in the text."
    assert {one["link"] for one in price[:2]} == {VIDEO_AT} and price[0]["batch_id"] == "b_1"
    assert "at 1:02:03" in page and f"<mark>{QUOTE}</mark>" in page and f"request {price[0]['custom_id']}" in page
    assert "Quarantined: Its quote does not stand in the text." in page
    assert studio.json(f"/knowledge/{WORKFLOW}/{PAGE}.json")["link"] is None, "javascript: is no link"
    assert studio.client.get(f"/knowledge/{OTHER}/{VIDEO}").status_code == 404


def test_search_finds_by_meaning_and_leads_to_the_second_and_to_the_request(studio: Opened) -> None:
    found = studio.json("/knowledge/search.json", q="what is the price compared with")
    assert found["found_by"] == "meaning" and found["note"] == ""
    hit = found["hits"][0]
    assert (hit["rank"], hit["content"], hit["focus_area"], hit["area"]) == (1, PRICE, 4, "price")
    assert (hit["title"], hit["link"], hit["url"], hit["t_start"]) == (TITLE, VIDEO_AT, VIDEO_AT, 3723.4)
    assert hit["before"] == "Welcome back. " and hit["quoted"] == QUOTE and hit["after"].startswith(", because")
    made = _rows(studio.studio.settings.data_dir, "SELECT custom_id, batch_id FROM extractions WHERE focus_area = 4")
    assert (hit["custom_id"], hit["batch_id"]) in made
    page = studio.html("/knowledge/search", q="what is the price compared with")
    assert f"Welcome back. <mark>{QUOTE}</mark>, because" in page and html.escape(VIDEO_AT) in page
    assert f"request {hit['custom_id']} in b_1" in page and page.count("data-score=") == 4
    only = studio.json("/knowledge/search.json", q="price", areas=[1, 7])["hits"]
    assert {one["focus_area"] for one in only} == {1}
    assert [one["chosen"] for one in studio.json("/knowledge/search.json", areas="1,7")["areas"]].count(True) == 2
    assert studio.json("/knowledge/search.json", q="price", workflow=OTHER)["hits"] == []
    assert [one["source_id"] for one in found["hits"] if one["link"] is None] == [FILE]
    for query in ({"q": "x", "areas": "12"}, {"q": "x", "workflow": "wf_none"}, {"q": "!?"}):
        assert studio.client.get("/knowledge/search", params=query).status_code == 400


def test_a_long_passage_is_cut_at_words_around_its_quote() -> None:
    passage = f"{'long ' * 100}the quote{' words' * 100}"
    before, quoted, after = around(passage, 500, 509)
    assert quoted == "the quote" and len(before) <= NEAR + 2 and len(after) <= NEAR + 2
    assert before.startswith("… long long") and before.endswith("long ")
    assert after.startswith(" words words") and after.endswith("words …")
    assert around("a b c", 2, 3) == ("a ", "b", " c")


def test_without_an_index_words_are_looked_for(studio: Opened) -> None:
    with studio.studio.to_write().write() as connection:
        connection.execute("DELETE FROM index_versions")
    found = studio.json("/knowledge/search.json", q="PRICE compared")
    assert found["found_by"] == "words" and "no index of knowledge yet" in found["note"]
    assert {one["content"] for one in found["hits"]} >= {PRICE} and all(one["quoted"] == QUOTE for one in found["hits"])
    assert [one["quoted"] for one in found["hits"]] == [one["quote"] for one in found["hits"]]
    assert "data-score" not in studio.html("/knowledge/search", q="PRICE compared")
    assert studio.json("/knowledge/search.json", q="price", areas=[7])["hits"] == []
    assert studio.json("/knowledge/search.json", q="price zebra")["hits"] == []


def test_opening_a_page_changes_and_sends_nothing(studio: Opened, data: Path) -> None:
    def state() -> list[list[tuple[Any, ...]]]:
        return [_rows(data, f"SELECT * FROM {name} ORDER BY ALL") for name in TABLES]

    before = state()
    for path in (*PAGES, f"/knowledge?plan=1&name=x&sources=https://youtu.be/aaaaaaaaaaa&token={studio.token}"):
        assert studio.client.get(path).status_code == 200
        assert studio.client.get("/knowledge.json").status_code == 200
    assert studio.client.get("/knowledge/redrive").status_code == 404, "it is no page"
    assert state() == before and before[TABLES.index("batches")][0][0] == "b_1"


@pytest.mark.parametrize("path", ["/knowledge", "/knowledge/redrive"])
def test_a_stranger_changes_nothing(studio: Opened, data: Path, path: str) -> None:
    sent = {"workflow": WORKFLOW, "name": "x", "sources": "https://youtu.be/aaaaaaaaaaa"}
    token = {"X-Grabient-Token": studio.token}
    refused = [
        studio.client.post(path, data=sent),
        studio.client.post(path, data={**sent, "token": "x" * 43}),
        studio.client.post(path, data=sent, headers={**token, "Origin": "https://elsewhere.example"}),
        studio.client.post(path, data=sent, headers={**token, "Host": "elsewhere.example"}),
        studio.client.post(path, data=sent, headers={**token, "Sec-Fetch-Site": "cross-site"}),
    ]
    assert [answer.status_code for answer in refused] == [403] * 5
    assert _rows(data, "SELECT count(*) FROM workflows") == [(2,)]
    assert _rows(data, "SELECT count(*) FROM source_queue WHERE status = 'queued'") == [(0,)]


def _queued(data: Path) -> set[tuple[str, str]]:
    return set(_rows(data, "SELECT source_id, redriven_from FROM source_queue WHERE status = 'queued'"))


def test_a_dead_source_is_fetched_again_by_item_by_class_and_by_workflow(studio: Opened, data: Path) -> None:
    one = studio.post("/knowledge/redrive", {"item": f"it_{BLOCKED}", "workflow": WORKFLOW})
    assert (one.status_code, one.json()["redriven"]) == (200, [BLOCKED])
    assert _queued(data) == {(BLOCKED, f"it_{BLOCKED}")}
    again = studio.post("/knowledge/redrive", {"item": f"it_{BLOCKED}"}).json()
    assert again["redriven"] == [] and "Nothing was dead there" in again["notice"]
    assert f"it_{BLOCKED}" not in studio.html(f"/knowledge/{WORKFLOW}"), "it is no dead letter any more"
    kind = studio.post("/knowledge/redrive", {"class": "not_found", "workflow": OTHER}).json()
    assert kind["redriven"] == [], "the other workflow has none of that class"
    kind = studio.post("/knowledge/redrive", {"class": "not_found", "workflow": WORKFLOW}).json()
    assert set(kind["redriven"]) == {GONE, RUNNING} and "2 sources queued again" in kind["notice"]
    assert _rows(data, "SELECT count(*) FROM asks") == [(0,)], "fetching asks nobody"
    whole = studio.post("/knowledge/redrive", {"workflow": WORKFLOW}).json()
    assert whole["redriven"] == [] and set(whole["asked"]) == {VIDEO, PAGE}
    asked = _rows(data, "SELECT purpose, state, count(*) FROM asks GROUP BY ALL")
    assert all((purpose, state) == ("extraction", "open") for purpose, state, _ in asked) and asked
    assert _rows(data, "SELECT count(*) FROM batches") == [(1,)], "nothing is sent"


def test_a_redrive_of_nothing_is_refused_with_a_sentence(studio: Opened) -> None:
    answers = {name: studio.post("/knowledge/redrive", sent) for name, sent in {
        "none": {}, "item": {"item": "it_none"}, "workflow": {"workflow": "wf_none"},
    }.items()}  # fmt: skip
    assert {name: answer.status_code for name, answer in answers.items()} == {"none": 400, "item": 400, "workflow": 404}
    assert "Say what to fetch again" in answers["none"].json()["error"]
    assert "is no workflow, item, source or class" in answers["item"].json()["error"]
    form = studio.client.post(
        "/knowledge/redrive",
        data={"token": studio.token, "item": f"it_{GONE}", "workflow": WORKFLOW},
        follow_redirects=False,
    )
    assert (form.status_code, form.headers["location"].partition("?")[0]) == (303, f"/knowledge/{WORKFLOW}")
    assert "1 source queued again" in studio.html(form.headers["location"])


SOURCES = (
    "https://youtu.be/aaaaaaaaaaa\n# a comment\nfile:///etc/passwd\nhttp://127.0.0.1/x\nhttps://talks.example/1#top\n"
)
WISH = {"name": "Prices", "sources": SOURCES, "areas": "4,7", "chunk_size": "800", "overlap": "80", "max_usd": "2"}


def test_a_workflow_is_priced_with_what_is_refused_before_it_is_made(empty: Opened, tmp_path: Path) -> None:
    assert "There is no workflow yet" in empty.html("/knowledge")
    priced = empty.json("/knowledge.json", plan="1", **WISH)
    plan = priced["plan"]
    assert [one["source_id"][:4] for one in plan["sources"]] == ["yt_a", "url_"] and plan["cells"] == 4
    assert 0 < Decimal(plan["usd"]["low"]) <= Decimal(plan["usd"]["expected"]) <= Decimal(plan["usd"]["high"])
    assert len(plan["refused"]) == 2 and not plan["over"]
    page = empty.html("/knowledge", plan="1", **WISH)
    assert "Make it with 2 sources" in page and "file:///etc/passwd" in page and "private network" in page
    assert f'data-total-usd="{plan["usd"]["expected"]}"' in page
    assert empty.json("/knowledge.json", plan="1", **{**WISH, "max_usd": "0.0001"})["plan"]["over"]
    assert _rows(tmp_path, "SELECT count(*) FROM workflows") == [(0,)], "a price makes nothing"
    changed = empty.post("/knowledge", {**WISH, "areas": "4", "priced": plan["priced"]})
    assert changed.status_code == 409 and "the form was changed" in changed.json()["warning"]
    assert changed.json()["plan"]["cells"] == 2
    made = empty.post("/knowledge", {**WISH, "priced": plan["priced"]})
    assert made.status_code == 201 and len(made.json()["refused"]) == 2 and "Refused:" in made.json()["notice"]
    [row] = _rows(tmp_path, "SELECT workflow_id, name, areas, chunk_size, overlap, cap_id FROM workflows")
    assert row == (made.json()["workflow"], "Prices", [4, 7], 800, 80, f"knowledge-{made.json()['workflow']}")
    assert _rows(tmp_path, "SELECT usd FROM spending_caps") == [(Decimal(2),)]
    assert [source for source, _ in sorted(_queued(tmp_path))] == sorted(one["source_id"] for one in plan["sources"])
    assert _rows(tmp_path, "SELECT count(*) FROM batches") == [(0,)]
    shown = empty.json(f"/knowledge/{row[0]}.json")
    assert (shown["status"], shown["progress"], shown["max_usd"][:2]) == ("queued", 0, "2.")
    assert [one["shown"] for one in shown["rows"][0]["cells"]] == ["·", "·"]
    assert not shown["sender"]["daemon"] and f"grabient knowledge run {row[0]}" in shown["sender"]["sentence"]
    assert "No daemon runs." in empty.html(f"/knowledge/{row[0]}") and "No daemon runs." in made.json()["notice"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": " "}, "needs a name"),
        ({"sources": ""}, "at least one source"),
        ({"sources": "file:///etc/passwd"}, "file:// address"),
        ({"chunk_size": "0"}, "0"),
        ({"chunk_size": "many"}, "must be a whole number of characters"),
        ({"overlap": "800"}, "800"),
        ({"overlap": "-1"}, "-1"),
        ({"areas": "10"}, "numbers from 1 to 9"),
        ({"type": "podcast"}, "it can be youtube, documents, urls, mixed"),
        ({"extractors": "gpt-1"}, "gpt-1"),
        ({"max_usd": "much"}, "much"),
    ],
)
def test_what_cannot_be_is_refused_at_the_form(
    empty: Opened, tmp_path: Path, changed: dict[str, str], words: str
) -> None:
    sent = {**WISH, **changed}
    answer = empty.post("/knowledge", sent)
    assert answer.status_code == 400 and words in answer.json()["error"]
    page = empty.client.post("/knowledge", data={**sent, "token": empty.token})
    assert page.status_code == 400 and 'role="alert"' in page.text and 'aria-current="page">Knowledge' in page.text
    assert empty.json("/knowledge.json", plan="1", **sent)["why_not"] == answer.json()["error"]
    assert _rows(tmp_path, "SELECT count(*) FROM workflows") == [(0,)]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[StudioServer, Studio]]:
    studio = Studio(load_settings(environment(tmp_path)))
    server = StudioServer(studio, port=0)
    thread = server.start()
    yield server, studio
    server.stop()
    thread.join(HANGING_SECONDS)


TALK = b"Ask what the price is compared with. Then wait, and let the silence work for you. " * 9


def test_documents_come_with_the_form_and_stay_below_the_data_folder(
    served: tuple[StudioServer, Studio], tmp_path: Path
) -> None:
    server, studio = served
    files = [
        ("documents", ("../../etc/a talk.txt", TALK, "text/plain")),
        ("documents", ("notes.md", b"# Notes\n\n" + TALK, "text/markdown")),
    ]
    sent = {"token": studio.token, "name": "Papers", "plan": "1"}
    page = httpx.post(f"{server.url}/knowledge", data=sent, files=files)
    assert page.status_code == 200 and "Make it with 2 sources" in page.text
    first = tmp_path / "uploads" / hashlib.sha256(TALK).hexdigest() / "a talk.txt"
    assert first.read_bytes() == TALK
    stored = sorted(one for one in (tmp_path / "uploads").rglob("*") if one.is_file())
    assert len(stored) == 2 and all(str(one) in html.unescape(page.text) for one in stored)
    priced = re.findall(r'name="priced" value="(\w+)"', page.text)[0]
    form = {"token": studio.token, "name": "Papers", "sources": "\n".join(map(str, stored))}
    documents = {**form, "priced": httpx.post(f"{server.url}/knowledge", data={**form, "plan": "1"}).text}
    documents["priced"] = re.findall(r'name="priced" value="(\w+)"', documents["priced"])[0]
    assert priced and not _rows(tmp_path, "SELECT 1 FROM workflows")
    made = httpx.post(f"{server.url}/knowledge", data=documents, headers={"Accept": "application/json"})
    assert made.status_code == 201, made.text
    again = httpx.post(f"{server.url}/knowledge", data=sent, files=files)
    assert again.status_code == 200 and sorted((tmp_path / "uploads").rglob("*.*")) == stored
    for name, content, words in (("a.exe", TALK, "no known kind"), ("a.txt", b"", "is empty")):
        refused = httpx.post(f"{server.url}/knowledge", data=sent, files={"documents": (name, content)})
        assert refused.status_code == 400 and words in refused.text
    assert len([one for one in (tmp_path / "uploads").rglob("*") if one.is_file()]) == 2


@pytest.mark.parametrize(
    ("name", "harmless"),
    [
        ("a/b\\c.txt", "c.txt"),
        ("..", "document"),
        (".env", "env"),
        ("a\x00b<c>.md", "a_b_c_.md"),
        ("x" * 300 + ".pdf", "x" * 76 + ".pdf"),
        ("Gespräch (1).vtt", "Gespräch (1).vtt"),
    ],
)
def test_a_name_of_a_document_is_a_name_alone(name: str, harmless: str) -> None:
    assert harmless_name(name) == harmless


def test_whoever_comes_from_elsewhere_cannot_have_files_of_this_machine_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(TALK)
    given = tmp_path / "uploads" / "a" / "given.txt"
    given.parent.mkdir(parents=True)
    given.write_bytes(TALK)
    (tmp_path / "uploads" / "link.txt").symlink_to(secret)
    settings = load_settings(environment(tmp_path))
    refuse_paths(settings, [str(given), "https://talks.example/1", "not there"], "mixed")
    for path in (secret, tmp_path / "uploads" / ".." / "secret.txt", tmp_path / "uploads" / "link.txt"):
        with pytest.raises(UsageError, match="is a file of the machine"):
            refuse_paths(settings, [str(path)], "mixed")
    for host, at_home in (("127.0.0.1", True), ("0.0.0.0", False)):
        studio = Studio(settings)
        server = StudioServer(studio, host, 0)
        thread = server.start()
        server.stop()
        thread.join(HANGING_SECONDS)
        assert studio.at_home is at_home
    far = opened(tmp_path, clock=lambda: NOW)
    far.studio.at_home = False
    wish = {"name": "x", "plan": "1", "sources": str(secret)}
    assert "is a file of the machine" in far.json("/knowledge.json", **wish)["why_not"]
    assert far.json("/knowledge.json", **{**wish, "sources": str(given)})["plan"]["cells"] == 9
