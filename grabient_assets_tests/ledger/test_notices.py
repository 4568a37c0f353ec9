"""What a webhook gets: the body to the letter, each event once, and never trouble for who tells it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from grabient_assets.groups.notices.tables import MOST_ATTEMPTS, TRIED_AGAIN_AFTER, claim, undelivered
from grabient_assets.groups.notices.webhook import Event, post_events
from grabient_assets.settings import Settings, load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.pipeline.place import settings_of
from grabient_assets_tests.ports import closed_port

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PATH = "/services/T0/B0/hidden-token"
ONE = Event("stuck:b-1", "stuck", "Batch b-1 is late.", {"requests": 7})
DONE = Event("finished:v1", "finished", "Nothing of v1 is open any more.", {"refined": 2})
TWO = Event("stuck:b-2", "stuck", 'Batch b-2 is late; é "quoted".')


@pytest.fixture
def webhook() -> Iterator[HTTPServer]:
    with HTTPServer() as server:
        yield server
        server.check_assertions()


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "grabient.duckdb")


def settings(folder: Path, url: str, **values: str) -> Settings:
    return load_settings({**settings_of(folder), "GRABIENT_NOTIFY_URL": url, **values})


def posted(server: HTTPServer) -> list[dict[str, Any]]:
    return [request.get_json() for request, _ in server.log]


def test_the_body_to_the_letter(webhook: HTTPServer, warehouse: Warehouse, tmp_path: Path) -> None:
    webhook.expect_request(PATH, method="POST", headers={"Content-Type": "application/json"}).respond_with_data("ok")
    assert post_events(warehouse, settings(tmp_path, webhook.url_for(PATH)), [ONE, DONE, TWO], NOON) == []
    assert posted(webhook) == [
        {
            "text": 'Grabient (emulated), stuck: Batch b-1 is late. Batch b-2 is late; é "quoted".',
            "kind": "stuck",
            "mode": "emulator",
            "at": "2026-11-20T12:00:00+00:00",
            "sentences": ["Batch b-1 is late.", 'Batch b-2 is late; é "quoted".'],
            "events": [{"event": "stuck:b-1", "requests": 7}, {"event": "stuck:b-2"}],
        },
        {
            "text": "Grabient (emulated), finished: Nothing of v1 is open any more.",
            "kind": "finished",
            "mode": "emulator",
            "at": "2026-11-20T12:00:00+00:00",
            "sentences": ["Nothing of v1 is open any more."],
            "events": [{"event": "finished:v1", "refined": 2}],
        },
    ]


def test_many_sentences_are_cut_in_the_text_alone(webhook: HTTPServer, warehouse: Warehouse, tmp_path: Path) -> None:
    webhook.expect_request(PATH).respond_with_data("ok")
    url = webhook.url_for(PATH)
    live = settings(tmp_path, url, GRABIENT_MODE="live", GROQ_API_KEY="gsk_secret_key_4711")
    events = [Event(f"over-budget:{n}", "over_budget", f"No money for {n}.") for n in range(7)]
    leaking = Event("over-budget:x", "over_budget", f"gsk_secret_key_4711 at {url}")
    post_events(warehouse, live, [leaking, *events, *events], NOON)
    (body,) = posted(webhook)
    assert body["text"].startswith("Grabient, over budget: (hidden) at (hidden) No money for 0.")
    assert body["text"].endswith("No money for 3. And 3 more.") and body["mode"] == "live"
    assert len(body["sentences"]) == 8 and "secret" not in str(body) and "hidden-token" not in str(body)


def test_each_event_is_told_once(webhook: HTTPServer, warehouse: Warehouse, tmp_path: Path) -> None:
    webhook.expect_request(PATH).respond_with_data("ok")
    here = settings(tmp_path, webhook.url_for(PATH))
    for events in ([ONE], [ONE], [ONE, TWO], [TWO, ONE]):
        assert post_events(warehouse, here, events, NOON + timedelta(days=len(events))) == []
    assert [[event["event"] for event in body["events"]] for body in posted(webhook)] == [["stuck:b-1"], ["stuck:b-2"]]


def _tell(folder: Path, url: str) -> None:
    post_events(Warehouse(folder / "grabient.duckdb"), settings(folder, url), [ONE, TWO], NOON)


def test_several_processes_tell_it_once(webhook: HTTPServer, warehouse: Warehouse, tmp_path: Path) -> None:
    webhook.expect_request(PATH).respond_with_data("ok")
    with warehouse.read():
        pass
    spawning = multiprocessing.get_context("spawn")
    telling = [spawning.Process(target=_tell, args=(tmp_path, webhook.url_for(PATH))) for _ in range(3)]
    for process in telling:
        process.start()
    for process in telling:
        process.join(60)
        assert process.exitcode == 0
    assert [len(body["events"]) for body in posted(webhook)] == [2]


def test_without_an_address_nothing_is_noted(warehouse: Warehouse, tmp_path: Path) -> None:
    assert post_events(warehouse, settings(tmp_path, ""), [ONE], NOON) == []
    assert not warehouse.path.exists()


@pytest.mark.parametrize("status", [302, 404, 500])
def test_what_was_refused_is_tried_again_later(
    status: int, webhook: HTTPServer, warehouse: Warehouse, tmp_path: Path
) -> None:
    elsewhere = {"Location": webhook.url_for("/elsewhere")}
    webhook.expect_ordered_request(PATH).respond_with_data("no", status=status, headers=elsewhere)
    webhook.expect_ordered_request(PATH).respond_with_data("ok")
    here = settings(tmp_path, webhook.url_for(PATH))
    why = f"the address in GRABIENT_NOTIFY_URL answered {status}."
    assert post_events(warehouse, here, [ONE], NOON) == [f"The notification 'stuck' was not delivered: {why}"]
    with warehouse.read() as connection:
        assert undelivered(connection, NOON) == [("stuck", why)]
    assert post_events(warehouse, here, [ONE], NOON + TRIED_AGAIN_AFTER / 2) == [] and len(webhook.log) == 1
    assert post_events(warehouse, here, [ONE], NOON + TRIED_AGAIN_AFTER) == [] and len(webhook.log) == 2
    with warehouse.read() as connection:
        assert undelivered(connection, NOON) == []


def test_nobody_is_asked_for_ever(warehouse: Warehouse, tmp_path: Path) -> None:
    here = settings(tmp_path, f"http://127.0.0.1:{closed_port()}{PATH}")
    said = [post_events(warehouse, here, [ONE], NOON + n * TRIED_AGAIN_AFTER) for n in range(MOST_ATTEMPTS + 2)]
    why = "the address in GRABIENT_NOTIFY_URL cannot be reached (ConnectionRefusedError)."
    assert said == [[f"The notification 'stuck' was not delivered: {why}"]] * MOST_ATTEMPTS + [[], []]


def test_one_that_never_answers_costs_its_time_and_counts_as_told(
    webhook: HTTPServer, warehouse: Warehouse, tmp_path: Path
) -> None:
    import threading

    ended = threading.Event()

    def never(_: Request) -> Response:
        ended.wait(20)
        return Response("late")

    webhook.expect_request(PATH).respond_with_handler(never)
    here = settings(tmp_path, webhook.url_for(PATH))
    began = datetime.now(UTC)
    assert post_events(warehouse, here, [ONE, DONE], NOON, seconds=0.3) == []
    assert datetime.now(UTC) - began < timedelta(seconds=10)
    ended.set()
    assert post_events(warehouse, here, [ONE, DONE], NOON + timedelta(days=1)) == []
    told = [[event["event"] for event in body["events"]] for body in posted(webhook)]
    assert told == [[ONE.key], [DONE.key]], "one was sent, and there was no time for the other"


def test_who_was_killed_while_telling_leaves_it_to_others(
    webhook: HTTPServer, warehouse: Warehouse, tmp_path: Path
) -> None:
    webhook.expect_request(PATH).respond_with_data("ok")
    here = settings(tmp_path, webhook.url_for(PATH))
    with warehouse.write() as connection:
        assert claim(connection, "stuck", [ONE.key], NOON) == {ONE.key}
    post_events(warehouse, here, [ONE], NOON + timedelta(seconds=1))
    assert posted(webhook) == []
    post_events(warehouse, here, [ONE], NOON + TRIED_AGAIN_AFTER)
    assert len(posted(webhook)) == 1


@pytest.mark.parametrize(
    "url", ["http://host.invalid/T0/hidden-token", "https://127.0.0.1:1/hidden-token", "http://[::/x"]
)
def test_an_address_that_leads_nowhere_is_not_named(url: str, warehouse: Warehouse, tmp_path: Path) -> None:
    here = replace(settings(tmp_path, "http://x/y"), notify_url=url)
    (said,) = post_events(warehouse, here, [ONE], NOON)
    assert said.startswith("The notification 'stuck' was not delivered: the address in GRABIENT_NOTIFY_URL cannot be")
    assert "hidden" not in said and "host.invalid" not in said and "127.0.0.1" not in said
