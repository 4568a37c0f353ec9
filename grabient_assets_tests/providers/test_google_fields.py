"""What is asked of Google's operations: a small batch carries all its answers in its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpserver import HTTPServer

from grabient_assets.errors import ProviderUnreachableError
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import GOOGLE, NOON
from grabient_assets_tests.providers.listings import IDS
from grabient_assets_tests.providers.rawserver import Dripping, RawServer, http, raw_server
from grabient_assets_tests.providers.result_files import inline

ANSWERS = inline({"metadata": {"key": "a-1"}, "response": {"candidates": []}})
LINE = b'{"key":"a-1","response":{"candidates":[]}}'


def operation(*, whole: bool) -> dict[str, Any]:
    """An ended batch with inline answers; not `whole`: without them."""
    body = GOOGLE.body("completed")
    return body | {"response": ANSWERS, "metadata": body["metadata"] | {"output": ANSWERS}} if whole else body


def selection(head: bytes) -> str | None:
    """The `fields` that a request asks for."""
    query = parse_qs(urlsplit(head.split(b" ")[1].decode()).query)
    return query.get("fields", [None])[0]


def serving(answer: Callable[[str | None], bytes]) -> Callable[[bytes], bytes]:
    return lambda head: answer(selection(head))


def as_page(body: dict[str, Any]) -> dict[str, Any]:
    return {"operations": [body]}


def states(server: RawServer, open_at: Open, timeouts: Timeouts | None = None) -> list[tuple[str, str | None]]:
    """What a poll and a search learn."""
    google = open_at(GOOGLE, server.url, timeouts)
    return [(one.state, one.label) for one in (google.poll(GOOGLE.batch), *google.find("lab-1", IDS, NOON, 3))]


ENDED = [("ended", "lab-1"), ("ended", "lab-1")]


def test_answers_that_take_longer_than_a_look_keep_nobody_from_looking(open_at: Open) -> None:
    """With everything in it the answer never comes to its end."""

    def respond(head: bytes) -> bytes:
        body = operation(whole=selection(head) is None)
        body = as_page(body) if b"/v1/batches?" in head else body
        content = json.dumps(body).encode()
        return http(200, content) if selection(head) else Dripping(http(200, content, length=20_000_000))

    with raw_server(respond) as server:
        assert states(server, open_at, Timeouts(whole_read=5, attempts=1)) == ENDED
        assert len(server.requests) == 2


def test_the_results_are_asked_for_whole(httpserver: HTTPServer, open_at: Open) -> None:
    httpserver.expect_request(GOOGLE.retrieve, query_string="").respond_with_json(operation(whole=True))
    assert list(open_at(GOOGLE, httpserver.url_for("")).results(GOOGLE.batch).lines) == [LINE]


def test_the_results_may_take_as_long_as_a_file(open_at: Open) -> None:
    with raw_server(lambda head: Dripping(http(200, b" " * 60 + json.dumps(operation(whole=True)).encode()))) as server:
        hurried = Timeouts(read=5, transfer=30, whole_read=0.2, whole_transfer=0.6, attempts=1)
        with pytest.raises(ProviderUnreachableError, match=r"no whole answer within 0\.6 seconds"):
            list(open_at(GOOGLE, server.url, hurried).results(GOOGLE.batch).lines)


@pytest.mark.parametrize("what", ["poll", "find"])
@pytest.mark.parametrize(
    ("takes", "requests"),
    [
        pytest.param(lambda fields: True, 1, id="every selection, and ignores it"),
        pytest.param(lambda fields: fields is None or "state" not in fields, 2, id="none that reaches into metadata"),
        pytest.param(lambda fields: fields is None, 3, id="no selection at all"),
    ],
)
@pytest.mark.parametrize("otherwise", ["400", "nothing", "no metadata"])
def test_a_server_that_knows_no_selections(
    otherwise: str, takes: Callable[[str | None], bool], requests: int, what: str, open_at: Open
) -> None:
    def respond(head: bytes) -> bytes:
        body, fields = operation(whole=True), selection(head)
        if not takes(fields) and otherwise == "400":
            refusal = GOOGLE.error(400, "INVALID_ARGUMENT", f"Invalid field selection {fields}")
            return http(400, json.dumps(refusal).encode())
        if not takes(fields):
            body = {"name": GOOGLE.batch, "done": True}
        empty = not takes(fields) and otherwise == "nothing"
        body = body if what == "poll" else {} if empty else as_page(body)
        return http(200, json.dumps(body).encode())

    with raw_server(respond) as server:
        google = open_at(GOOGLE, server.url)
        found = google.poll(GOOGLE.batch) if what == "poll" else google.find("lab-1", IDS, NOON, 3)[0]
        assert (found.state, found.outcome, found.label, found.total) == ("ended", "completed", "lab-1", 3)
        assert len(server.requests) == requests


def test_why_a_batch_failed_is_asked_for_when_it_is_not_told(open_at: Open) -> None:
    failed = GOOGLE.body("failed")
    failed["metadata"]["error"] = {"code": 3, "message": "Invalid request in line 4"}

    def respond(head: bytes) -> bytes:
        told = failed["metadata"] if "state" not in (selection(head) or "") else GOOGLE.body("failed")["metadata"]
        return http(200, json.dumps(failed | {"metadata": told}).encode())

    with raw_server(respond) as server:
        assert open_at(GOOGLE, server.url).poll(GOOGLE.batch).error == "Invalid request in line 4"
