"""Looking for a batch whose create call had no answer."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from grabient_assets.errors import ResultsError
from grabient_assets.providers.contract import BatchProvider
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import ANTHROPIC, CREATED_UNIX, GOOGLE, GROQ, NOON, OPENAI, Face
from grabient_assets_tests.providers.listings import IDS, named, page
from grabient_assets_tests.providers.rawserver import Dripping, RawServer, http, raw_server


def asked(httpserver: HTTPServer, path: str) -> list[dict[str, str]]:
    return [dict(request.args) for request, _ in httpserver.log if request.path == path]


LABELLED = [OPENAI, GROQ, GOOGLE]


@pytest.mark.parametrize("face", LABELLED, ids=lambda face: face.name, indirect=True)
def test_a_label_proves_the_batch(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    other, old, new = named(face, "batches/o", 1, "lab-2"), named(face, "batches/p", 2), named(face, "batches/q", 3)
    httpserver.expect_request(face.listing).respond_with_json(page(face, other, old, new))
    found = provider.find("lab-1", IDS, NOON, 3)
    assert [(state.provider_batch_id, state.label) for state in found] == [
        ("batches/q", "lab-1"),
        ("batches/p", "lab-1"),
    ]


@pytest.mark.parametrize("face", [OPENAI, GROQ, GOOGLE, ANTHROPIC], ids=lambda face: face.name, indirect=True)
def test_all_pages_are_read(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    parameter = {"openai": "after", "groq": "cursor", "google": "pageToken", "anthropic": "after_id"}[face.name]
    # The chat SDK of OpenAI and Anthropic's continue after the last id, the other two after the token of the page.
    token = "batches/o" if face.name in ("openai", "anthropic") else "t2"
    first = page(face, named(face, "batches/o", 9, "lab-2", "running"), following=token)
    second = page(face, named(face, "batches/p", 8))

    def respond(request: Request) -> Response:
        body = second if request.args.get(parameter) == token else first
        return Response(json.dumps(body), content_type="application/json")

    httpserver.expect_request(face.listing).respond_with_handler(respond)
    found = [state.provider_batch_id for state in provider.find("lab-1", IDS, NOON, 3)]
    assert "batches/p" in found
    assert [query.get(parameter) for query in asked(httpserver, face.listing)] == [None, token]


@pytest.mark.parametrize("face", [GROQ, GOOGLE], ids=["groq", "google"], indirect=True)
def test_a_list_without_end_is_an_error(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.listing).respond_with_json(page(face, following="again"))
    with pytest.raises(ResultsError, match="repeats its page"):
        provider.find("lab-1", IDS, NOON, 3)


@pytest.mark.parametrize("face", [ANTHROPIC, OPENAI], ids=["anthropic", "openai"], indirect=True)
def test_a_server_that_sends_its_first_page_for_ever(
    face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    """It does not look at where the next page begins. The SDKs would ask for ever; this one has an end after all."""

    def respond(request: Request) -> Response:
        following = "batches/o" if len(httpserver.log) < 5 else None
        body = page(face, named(face, "batches/o", 9, "lab-2"), following=following)
        return Response(json.dumps(body), content_type="application/json")

    httpserver.expect_request(face.listing).respond_with_handler(respond)
    with pytest.raises(ResultsError, match="repeats its pages"):
        provider.find("lab-1", IDS, NOON, 3)
    assert len(httpserver.log) == 2


def bare(face: Face, batch: str, file_id: str | None, **more: Any) -> dict[str, Any]:
    """A batch whose metadata are not echoed."""
    return named(face, batch, 1) | {"metadata": None, "input_file_id": file_id} | more


@pytest.mark.parametrize("face", [OPENAI, GROQ], ids=["openai", "groq"], indirect=True)
def test_a_batch_that_lost_its_metadata_is_known_by_its_file(
    face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    """However far back a list of files goes. Those of batches of another size or time are not asked for."""
    old = bare(face, "batch_o", "file-o", created_at=CREATED_UNIX - 86_401)
    other_size = bare(face, "batch_s", "file-s", request_counts={"total": 4, "completed": 0, "failed": 0})
    validated = bare(face, "batch_p", "file-ours", request_counts={"total": 0, "completed": 0, "failed": 0})
    batches = [bare(face, "batch_q", "file-theirs"), old, other_size, validated]
    httpserver.expect_request(face.listing).respond_with_json(page(face, *batches))
    files = face.listing.replace("batches", "files")
    for file_id, name in (("file-theirs", "theirs.jsonl"), ("file-ours", "lab-1.jsonl")):
        httpserver.expect_request(f"{files}/{file_id}").respond_with_json({"id": file_id, "filename": name})
    found = provider.find("lab-1", IDS, NOON, 3)
    assert [(state.provider_batch_id, state.label) for state in found] == [("batch_p", "lab-1")]
    assert len(httpserver.log) == 3


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(("face", "candidates"), [(OPENAI, []), (GROQ, ["batch_q", "batch_r"])], indirect=["face"])
def test_without_metadata_and_file_nobody_can_tell(
    status: int, candidates: list[str], face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    """Groq may lose metadata, so such a batch may be ours and is waited for. OpenAI keeps them: it is not ours."""
    batches = [bare(face, "batch_q", "file-gone"), bare(face, "batch_r", None)]
    httpserver.expect_request(face.listing).respond_with_json(page(face, *batches))
    gone = face.error(status, "not_found", "No such File object: file-gone")
    httpserver.expect_request(face.listing.replace("batches", "files") + "/file-gone").respond_with_json(gone, status)
    found = provider.find("lab-1", IDS, NOON, 3)
    assert [(state.provider_batch_id, state.label) for state in found] == [(one, None) for one in candidates]


@pytest.mark.parametrize("face", [OPENAI, GROQ], ids=["openai", "groq"], indirect=True)
def test_a_known_input_file_is_proof_enough(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    bare = named(face, "batch_p", 1) | {"metadata": {"x": "y"}, "input_file_id": "file-ours"}
    httpserver.expect_request(face.listing).respond_with_json(page(face, bare))
    found = provider.find("lab-1", IDS, NOON, 3, input_file_id="file-ours")
    assert [state.provider_batch_id for state in found] == ["batch_p"]
    assert {request.path for request, _ in httpserver.log} == {face.listing}


def anthropic_list(httpserver: HTTPServer, *items: dict[str, Any]) -> None:
    httpserver.expect_request(ANTHROPIC.listing).respond_with_json(page(ANTHROPIC, *items))


def test_anthropic_offers_what_fits_while_it_runs(httpserver: HTTPServer, open_at: Open) -> None:
    other_size = named(ANTHROPIC, "msgbatch_s", 3)
    other_size["request_counts"] |= {"processing": 4}
    anthropic_list(
        httpserver,
        other_size,
        named(ANTHROPIC, "msgbatch_r", 2),
        named(ANTHROPIC, "msgbatch_old") | {"created_at": "2026-11-19T12:00:00Z"},
    )
    found = open_at(ANTHROPIC, httpserver.url_for("")).find("lab-1", IDS, NOON + timedelta(minutes=6), 3)
    assert [(state.provider_batch_id, state.label) for state in found] == [("msgbatch_r", None)]


OURS, FOREIGN, SPOILT = ANTHROPIC.answer_line("a-2"), ANTHROPIC.answer_line("z-9"), b"{ spoilt"
PROVEN, CANDIDATE = [("msgbatch_e", "lab-1")], [("msgbatch_e", None)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([OURS, SPOILT, SPOILT], PROVEN, id="its first line is ours"),
        pytest.param([FOREIGN, OURS, SPOILT], PROVEN, id="a later line is ours"),
        pytest.param([SPOILT, SPOILT, OURS], PROVEN, id="the first lines cannot be read"),
        pytest.param([FOREIGN, FOREIGN, FOREIGN], [], id="it answers other requests"),
        pytest.param([SPOILT, FOREIGN, FOREIGN], [], id="it answers other requests, as far as it can be read"),
        pytest.param([], CANDIDATE, id="empty"),
        pytest.param([SPOILT, SPOILT, SPOILT], CANDIDATE, id="nothing can be read"),
        pytest.param([FOREIGN, FOREIGN], CANDIDATE, id="cut before ours may have come"),
    ],
)
def test_anthropic_proves_an_ended_batch_by_its_results(
    lines: list[bytes], expected: list[Any], httpserver: HTTPServer, open_at: Open
) -> None:
    ended = named(ANTHROPIC, "msgbatch_e", 2, state="completed") | {"results_url": httpserver.url_for("/r/e")}
    anthropic_list(httpserver, ended)
    httpserver.expect_request("/r/e").respond_with_data(b"".join(line + b"\n" for line in lines))
    found = open_at(ANTHROPIC, httpserver.url_for("")).find("lab-1", IDS, NOON, 3)
    assert [(state.provider_batch_id, state.label) for state in found] == expected


def test_anthropic_results_that_cannot_be_fetched_hide_no_other_batch(httpserver: HTTPServer, open_at: Open) -> None:
    gone = named(ANTHROPIC, "msgbatch_g", 3, state="completed") | {"results_url": httpserver.url_for("/r/gone")}
    ended = named(ANTHROPIC, "msgbatch_e", 2, state="completed") | {"results_url": httpserver.url_for("/r/e")}
    anthropic_list(httpserver, gone, ended)
    httpserver.expect_request("/r/gone").respond_with_data("no such file", status=404)
    httpserver.expect_request("/r/e").respond_with_data(OURS + b"\n")
    found = open_at(ANTHROPIC, httpserver.url_for("")).find("lab-1", IDS, NOON, 3)
    assert [(state.provider_batch_id, state.label) for state in found] == [("msgbatch_g", None), *PROVEN]


def test_anthropic_overlooks_nothing_that_may_be_ours(httpserver: HTTPServer, open_at: Open) -> None:
    """Not the oldest first, nor counts that are null; but what is known, and what nobody can read any more."""
    uncounted = named(ANTHROPIC, "msgbatch_n", 1) | {"request_counts": None}
    archived = named(ANTHROPIC, "msgbatch_x", state="completed") | {"archived_at": "2026-11-20T14:00:00Z"}
    old = named(ANTHROPIC, "msgbatch_o") | {"created_at": "2026-11-18T12:00:00Z"}
    known, ours = named(ANTHROPIC, "msgbatch_k", 2), named(ANTHROPIC, "msgbatch_r", 3)
    anthropic_list(httpserver, old, archived, uncounted, known, ours)
    anthropic = open_at(ANTHROPIC, httpserver.url_for(""))

    def found(after: datetime | None) -> list[str]:
        states = anthropic.find("lab-1", IDS, after, 3, accounted={"msgbatch_k"})
        assert {state.label for state in states} == {None}
        return [state.provider_batch_id for state in states]

    assert found(NOON) == ["msgbatch_r", "msgbatch_n"]
    assert found(None) == ["msgbatch_r", "msgbatch_n", "msgbatch_o"]


@pytest.mark.parametrize(
    "counts",
    [
        {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        {"processing": None, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        {"processing": None},
        {},
    ],
    ids=["all 0", "one null", "null alone", "empty"],
)
def test_anthropic_counts_that_say_nothing_rule_nothing_out(
    counts: dict[str, Any], httpserver: HTTPServer, open_at: Open
) -> None:
    anthropic_list(httpserver, named(ANTHROPIC, "msgbatch_n", 1) | {"request_counts": counts})
    [found] = open_at(ANTHROPIC, httpserver.url_for("")).find("lab-1", IDS, NOON, 3)
    assert (found.provider_batch_id, found.total, found.label) == ("msgbatch_n", None, None)


def test_anthropic_results_too_slow_for_the_caller_are_left_to_one_with_more_time(open_at: Open) -> None:
    """A sensor has seconds, a run an hour. The time is for all candidates together: a tick that takes longer is cut."""
    answers = ANTHROPIC.answer_line("z-9") + b"\n"

    def respond(head: bytes) -> bytes:
        path = head.split(b" ")[1]
        if path.startswith(b"/r/"):
            return Dripping(http(200, answers * 3)) if slow else http(200, answers * 3)
        ended = [
            named(ANTHROPIC, f"msgbatch_{number}", number, state="completed") | {"results_url": f"/r/{number}"}
            for number in (1, 2)
        ]
        return http(200, json.dumps(page(ANTHROPIC, *ended)).encode())

    with raw_server(respond) as server:
        slow = True
        hurried = open_at(ANTHROPIC, server.url, Timeouts(read=20, transfer=30, whole_transfer=0.3, attempts=1))
        found = hurried.find("lab-1", IDS, NOON, 3)
        assert [(state.provider_batch_id, state.label, state.unread) for state in found] == [
            ("msgbatch_2", None, True),
            ("msgbatch_1", None, True),
        ]
        assert server.count("GET /r/") == 1
        slow = False
        assert open_at(ANTHROPIC, server.url).find("lab-1", IDS, NOON, 3) == []


def test_anthropic_results_that_stay_silent_too_long_are_left_to_one_with_more_time(open_at: Open) -> None:
    ended = named(ANTHROPIC, "msgbatch_e", 2, state="completed") | {"results_url": "/r/e"}

    def respond(head: bytes) -> bytes:
        return RawServer.SILENCE if b" /r/e " in head else http(200, json.dumps(page(ANTHROPIC, ended)).encode())

    with raw_server(respond) as server:
        [found] = open_at(ANTHROPIC, server.url, Timeouts(transfer=0.2, attempts=1)).find("lab-1", IDS, NOON, 3)
    assert (found.label, found.unread) == (None, True)


@pytest.mark.parametrize("face", LABELLED, ids=lambda face: face.name, indirect=True)
def test_what_is_accounted_for_is_left_out(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    old, new = named(face, "batches/p", 2), named(face, "batches/q", 3)
    httpserver.expect_request(face.listing).respond_with_json(page(face, old, new))
    found = provider.find("lab-1", IDS, NOON, 3, accounted={"batches/q"})
    assert [state.provider_batch_id for state in found] == ["batches/p"]


def test_nothing_is_found(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.listing).respond_with_json(page(face))
    assert provider.find("lab-1", IDS, NOON, 3) == []
