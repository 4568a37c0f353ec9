"""Polls, cancels and model lists, and how a read behaves when the provider is busy or gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from grabient_assets.errors import (
    BatchUnknownError,
    CredentialsError,
    ProviderBusyError,
    ProviderError,
    ProviderUnreachableError,
    RequestRejectedError,
    ResultsError,
)
from grabient_assets.providers.contract import BatchProvider
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import ANTHROPIC, GOOGLE, GROQ, NOON, OPENAI, Face
from grabient_assets_tests.providers.rawserver import RawServer, http, raw_server

ONE = datetime(2026, 11, 20, 13, tzinfo=UTC)


@pytest.mark.parametrize("state", ["running", "cancelling"])
def test_a_batch_that_goes_on(state: str, face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.retrieve, method="GET").respond_with_json(face.body(state))
    found = provider.poll(face.batch)
    assert (found.state, found.outcome, found.ended_at) == (state, None, None)
    assert (found.provider_batch_id, found.created_at, found.total) == (face.batch, NOON, 3)
    assert found.raw_status


@pytest.mark.parametrize("outcome", ["completed", "failed", "expired", "cancelled"])
def test_a_batch_that_ended(outcome: str, face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(face.body(outcome))
    found = provider.poll(face.batch)
    # Anthropic's batches do not fail as a whole: with failed lines only they are completed.
    expected = "completed" if (face.name, outcome) == ("anthropic", "failed") else outcome
    assert (found.state, found.outcome, found.ended_at) == ("ended", expected, ONE)
    assert (found.total, found.succeeded, found.failed) == (3, 2, 1)
    assert found.label == (None if face.name == "anthropic" else "lab-1")


def test_a_word_nobody_knows_is_no_end(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    body = face.body()
    for field in ("processing_status", "status"):
        if field in body:
            body[field] = "simmering"
    if face.name == "google":
        body["metadata"]["state"] = "BATCH_STATE_SIMMERING"
    httpserver.expect_request(face.retrieve).respond_with_json(body)
    found = provider.poll(face.batch)
    assert found.state == "running" and "simmering" in found.raw_status.lower()


@pytest.mark.parametrize("face", [OPENAI, GROQ, GOOGLE], ids=lambda face: face.name, indirect=True)
@pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled", "expired"])
@pytest.mark.parametrize("spelt", [str.upper, str.title, lambda word: word.replace("cancelled", "canceled")])
def test_words_of_a_gateway_in_other_letters_are_ends(
    spelt: Callable[[str], str], outcome: str, face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    """A batch that never ends here loses its results at the provider in days."""
    body = face.body(outcome)
    if face.name == "google":
        body["metadata"]["state"] = body["metadata"]["state"].lower()
    else:
        body["status"] = spelt(body["status"])
    httpserver.expect_request(face.retrieve).respond_with_json(body)
    found = provider.poll(face.batch)
    assert (found.state, found.outcome) == ("ended", outcome)


@pytest.mark.parametrize("state", ["BATCH_STATE_RUNNING", "BATCH_STATE_PENDING", "DONE", None])
def test_an_operation_that_is_done_is_done(state: str | None, httpserver: HTTPServer, open_at: Open) -> None:
    body = GOOGLE.body("completed")
    body["done"] = True
    body["metadata"]["state"] = state
    httpserver.expect_request(GOOGLE.retrieve).respond_with_json(body)
    assert open_at(GOOGLE, httpserver.url_for("")).poll(GOOGLE.batch).outcome == "completed"


ODD_TIMES = [1_795_176_000_000, 1e30, -1, "noon", [], {}, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]


@pytest.mark.parametrize("time", ODD_TIMES, ids=str)
def test_a_time_that_is_none_is_no_reason_to_stumble(
    time: object, face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    """Milliseconds instead of seconds, a number beyond every calendar, an offset that leaves it."""
    body = face.body("completed")
    names = {"anthropic": ("created_at", "ended_at"), "google": ("createTime", "endTime")}
    where = body["metadata"] if face.name == "google" else body
    where.update(dict.fromkeys(names.get(face.name, ("created_at", "completed_at")), time))
    httpserver.expect_request(face.retrieve).respond_with_json(body)
    found = provider.poll(face.batch)
    assert found.state == "ended"
    # Anthropic's SDK makes a time of any number, milliseconds included, before anybody sees it.
    if face.name != "anthropic" or not isinstance(time, (int, float)):
        assert (found.created_at, found.ended_at) == (None, None)


@pytest.mark.parametrize("count", ["many", 1.5, -1, [3], {"n": 3}, "9" * 5000, 10**40], ids=lambda one: str(one)[:9])
def test_a_count_that_is_none_is_no_reason_to_stumble(
    count: object, face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    body = face.body("running")
    if face.name == "google":
        body["metadata"]["batchStats"] = dict.fromkeys(body["metadata"]["batchStats"], count)
    else:
        body["request_counts"] = dict.fromkeys(body["request_counts"], count)
    httpserver.expect_request(face.retrieve).respond_with_json(body)
    found = provider.poll(face.batch)
    assert (found.state, found.total, found.succeeded, found.failed) == ("running", None, None, None)


def test_a_number_too_long_to_read_is_an_answer_that_cannot_be_read(
    face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    """Python refuses to read a number of more than 4,300 digits, with a plain ValueError."""
    body = json.dumps(face.body() | {"n": "NUMBER"}).replace('"NUMBER"', "9" * 5000)
    httpserver.expect_request(face.retrieve).respond_with_data(body, content_type="application/json")
    with pytest.raises(ResultsError, match="answered something that is not its API"):
        provider.poll(face.batch)


@pytest.mark.parametrize("face", [OPENAI, GROQ], ids=["openai", "groq"], indirect=True)
@pytest.mark.parametrize("shape", ["object", "list"])
def test_why_a_chat_batch_failed(shape: str, face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    errors = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None}]
    body = face.body("failed", errors={"object": "list", "data": errors} if shape == "object" else errors)
    httpserver.expect_request(face.retrieve).respond_with_json(body)
    found = provider.poll(face.batch)
    assert (found.error_code, found.error) == ("token_limit_exceeded", "Enqueued token limit reached")
    assert found.input_file_id == "file-in"


def test_why_a_google_batch_failed(httpserver: HTTPServer, open_at: Open) -> None:
    body = GOOGLE.body("failed", error={"code": 3, "message": "Invalid request in line 4"})
    httpserver.expect_request(GOOGLE.retrieve).respond_with_json(body)
    found = open_at(GOOGLE, httpserver.url_for("")).poll(GOOGLE.batch)
    assert (found.error_code, found.error) == ("3", "Invalid request in line 4")


def test_google_leaves_out_counts_of_zero(httpserver: HTTPServer, open_at: Open) -> None:
    body = GOOGLE.body("completed")
    body["metadata"]["batchStats"] = {"requestCount": "2", "successfulRequestCount": "2"}
    httpserver.expect_request(GOOGLE.retrieve).respond_with_json(body)
    found = open_at(GOOGLE, httpserver.url_for("")).poll(GOOGLE.batch)
    assert (found.total, found.succeeded, found.failed) == (2, 2, 0)


@pytest.mark.parametrize("word", ["JOB_STATE_SUCCEEDED", "BATCH_STATE_PARTIALLY_SUCCEEDED", None])
def test_googles_other_words_for_success(word: str | None, httpserver: HTTPServer, open_at: Open) -> None:
    body = GOOGLE.body("completed")
    body["metadata"]["state"] = word
    httpserver.expect_request(GOOGLE.retrieve).respond_with_json(body)
    assert open_at(GOOGLE, httpserver.url_for("")).poll(GOOGLE.batch).outcome == "completed"


def test_cancel(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    path = f"{face.retrieve}:cancel" if face.name == "google" else f"{face.retrieve}/cancel"
    httpserver.expect_oneshot_request(path, method="POST").respond_with_json(
        {} if face.name == "google" else face.body("cancelling")
    )
    provider.cancel(face.batch)
    httpserver.check_assertions()
    assert [request.path for request, _ in httpserver.log] == [path]


@pytest.mark.parametrize("face", [ANTHROPIC, GOOGLE], ids=["anthropic", "google"], indirect=True)
def test_a_list_of_models_without_end(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    def respond(_: Request) -> Response:
        more = len(httpserver.log) < 5
        following = {"nextPageToken": "again"} if face.name == "google" else {"has_more": True, "last_id": "m-1"}
        body = face.model_list("m-1") | (following if more else {})
        return Response(json.dumps(body), content_type="application/json")

    httpserver.expect_request(face.models).respond_with_handler(respond)
    with pytest.raises(ResultsError, match="repeats its pages"):
        provider.available_models()
    assert len(httpserver.log) == 2


def test_available_models(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.models).respond_with_json(face.model_list("m-1", "x/m-2"))
    assert provider.available_models() == {"m-1", "x/m-2"}


# --- patience ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_a_busy_provider_is_asked_three_times(
    status: int, face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(face.error(status, "busy", "Overloaded"), status=status)
    with pytest.raises(ProviderBusyError, match="Overloaded"):
        provider.poll(face.batch)
    assert len(httpserver.log) == 3


def test_a_busy_provider_is_heard_when_it_answers(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    for _ in range(2):
        httpserver.expect_ordered_request(face.retrieve).respond_with_json({}, status=429, headers={"Retry-After": "1"})
    httpserver.expect_ordered_request(face.retrieve).respond_with_json(face.body())
    assert provider.poll(face.batch).state == "running"


def test_a_long_retry_after_is_left_to_the_caller(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json({}, status=429, headers={"Retry-After": "600"})
    with pytest.raises(ProviderBusyError) as caught:
        provider.poll(face.batch)
    assert caught.value.retry_after == 600
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    ("named", "least", "most"),
    [
        ("in ten minutes", 590, 600),
        ("Fri, 20 Nov 2020 12:00:00 GMT", 0, 0),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None, None),
        ("soon", None, None),
        ("nan", None, None),
        ("1e999", None, None),
        ("-5", 0, 0),
    ],
)
def test_retry_after_as_a_date(
    named: str, least: float | None, most: float | None, face: Face, httpserver: HTTPServer, open_at: Open
) -> None:
    if named == "in ten minutes":
        named = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    httpserver.expect_request(face.retrieve).respond_with_json({}, status=429, headers={"Retry-After": named})
    with pytest.raises(ProviderBusyError) as caught:
        open_at(face, httpserver.url_for(""), Timeouts(attempts=1)).poll(face.batch)
    found = caught.value.retry_after
    if least is None or most is None:
        assert found is None
    else:
        assert found is not None and least <= found <= most


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (401, "authentication_error", "invalid key", CredentialsError),
        (404, "not_found_error", "no such batch", BatchUnknownError),
        (404, "not_found_error", "no batch of this model", BatchUnknownError),
        (400, "invalid_request_error", "bad id", RequestRejectedError),
    ],
)
def test_a_final_answer_is_asked_for_once(
    status: int,
    code: str,
    message: str,
    kind: type[ProviderError],
    face: Face,
    provider: BatchProvider,
    httpserver: HTTPServer,
) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(face.error(status, code, message), status=status)
    with pytest.raises(kind, match=message):
        provider.poll(face.batch)
    # Google may have refused the selection of fields, not the question.
    assert len(httpserver.log) == (3 if (face.name, status) == ("google", 400) else 1)


BRACKETS = b"[" * 100_000 + b"]" * 100_000
ODD_REFUSALS = [
    pytest.param(b'{"error":{"message":"slow","details":5}}', id="details that are a number"),
    pytest.param(b'{"error":{"message":"slow","details":{"reason":1}}}', id="details that are an object"),
    pytest.param(b'{"error":{"message":"slow","details":[5,{"reason":[1]}]}}', id="reasons that are none"),
    pytest.param(BRACKETS, id="brackets"),
]


@pytest.mark.parametrize("body", ODD_REFUSALS)
def test_a_refusal_in_odd_words_is_read_by_its_status(body: bytes, face: Face, open_at: Open) -> None:
    with raw_server(lambda head: http(429, body)) as server:
        provider = open_at(face, server.url, Timeouts(attempts=1))
        for ask in (lambda: provider.poll(face.batch), lambda: provider.find("lab-1", ["a-1"], NOON, 1)):
            with pytest.raises(ProviderBusyError):
                ask()


def test_a_lost_connection_is_tried_again(face: Face, open_at: Open) -> None:
    with raw_server(lambda head: None) as server:
        with pytest.raises(ProviderUnreachableError, match="gave no answer"):
            open_at(face, server.url).poll(face.batch)
        assert len(server.requests) == 3


def test_polls_have_a_short_timeout(face: Face, open_at: Open) -> None:
    with raw_server(lambda head: RawServer.SILENCE) as server:
        provider = open_at(face, server.url, Timeouts(read=0.2, transfer=300, attempts=1))
        for ask in (lambda: provider.poll(face.batch), provider.available_models, lambda: provider.cancel(face.batch)):
            with pytest.raises(ProviderUnreachableError, match="Timeout"):
                ask()
        with pytest.raises(ProviderUnreachableError, match="Timeout"):
            provider.find("lab-1", ["a-1"], NOON, 1)


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b"[]", b"", b'{"object":"batch"}', b"\xff\xfe"])
def test_an_answer_that_is_not_the_api(body: bytes, face: Face, open_at: Open) -> None:
    with raw_server(lambda head: http(200, body)) as server, pytest.raises(ResultsError):
        open_at(face, server.url).poll(face.batch)


def test_defaults_are_the_ones_promised() -> None:
    assert (Timeouts().read, Timeouts().transfer, Timeouts().attempts) == (10.0, 300.0, 3)


def test_what_a_provider_does_not_have_cannot_be_cancelled(
    face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    body = face.error(404, "not_found_error", "no such batch")
    path = f"{face.retrieve}:cancel" if face.name == "google" else f"{face.retrieve}/cancel"
    httpserver.expect_request(path, method="POST").respond_with_json(body, status=404)
    with pytest.raises(BatchUnknownError, match=f"grabient cancel {face.batch} --give-up"):
        provider.cancel(face.batch)
    assert len(httpserver.log) == 1


def test_how_many_result_lines_there_are_at_least(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    """Of three requests two are answered and one failed. OpenAI and Groq vouch for the answers alone."""
    vouched = {"anthropic": (3, None), "openai": (None, 2), "groq": (None, 2), "google": (3, None)}[face.name]
    for state, expected in (("running", (None, None)), ("completed", vouched)):
        httpserver.clear()
        httpserver.expect_request(face.retrieve).respond_with_json(face.body(state))
        found = provider.poll(face.batch)
        assert (found.least_lines, found.least_answers) == expected
