"""One create call, whatever happens: the body that goes out, and what each way of failing means."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from grabient_assets.errors import (
    AmbiguousSubmissionError,
    CredentialsError,
    ProviderBusyError,
    ProviderError,
    ProviderUnreachableError,
    RequestRejectedError,
    ResultsError,
)
from grabient_assets.providers.contract import BatchFile, BatchProvider
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets.providers.google import inline_size
from grabient_assets.registry.model import BatchLimits
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import ANTHROPIC, GOOGLE, GROQ, KEY, OPENAI, Face
from grabient_assets_tests.providers.rawserver import RawServer, http, raw_server
from grabient_assets_tests.providers.refusals import ERRORS


def posts(server: HTTPServer, path: str) -> list[Request]:
    return [request for request, _ in server.log if request.method == "POST" and request.path == path]


def snake(value: Any) -> Any:
    """Google takes both spellings of a key; the SDK writes some in snake_case."""
    if isinstance(value, dict):
        return {re.sub(r"([A-Z])", lambda m: "_" + m[1].lower(), k): snake(v) for k, v in value.items()}
    return [snake(item) for item in value] if isinstance(value, list) else value


@pytest.mark.usefixtures("uploads")
def test_a_batch_is_accepted(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.create, method="POST").respond_with_json(face.body())
    accepted = provider.submit(face.file(provider, "a-1", "a-2"))
    assert accepted.provider_batch_id == face.batch
    assert accepted.input_file_id == ("file-in" if face.name in ("openai", "groq") else None)
    assert accepted.raw_status in ("in_progress", "JOB_STATE_RUNNING")
    assert len(posts(httpserver, face.create)) == 1


def test_anthropic_sends_the_archived_lines(httpserver: HTTPServer, open_at: Open) -> None:
    httpserver.expect_request(ANTHROPIC.create).respond_with_json(ANTHROPIC.body())
    provider = open_at(ANTHROPIC, httpserver.url_for(""))
    batch = ANTHROPIC.file(provider, "a-1", "b-2")
    provider.submit(batch)
    [sent] = posts(httpserver, ANTHROPIC.create)
    assert sent.get_json() == {"requests": [json.loads(line) for line in batch.lines]}
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["anthropic-version"] == "2026-10-21"


@pytest.mark.usefixtures("uploads")
@pytest.mark.parametrize("face", [OPENAI, GROQ], ids=["openai", "groq"], indirect=True)
def test_chat_providers_upload_the_lines_under_our_label(
    face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(face.create).respond_with_json(face.body())
    batch = face.file(provider, "a-1", "b-2")
    provider.submit(batch)
    [upload] = posts(httpserver, face.create.replace("batches", "files"))
    body = upload.get_data()
    assert b'name="purpose"\r\n\r\nbatch\r\n' in body
    assert b'filename="lab-1.jsonl"\r\nContent-Type: application/jsonl\r\n\r\n' + batch.lines[0] + b"\n" in body
    [sent] = posts(httpserver, face.create)
    assert sent.get_json() == {
        "completion_window": "24h",
        "endpoint": "/v1/chat/completions",
        "input_file_id": "file-in",
        "metadata": {"grabient_batch": "lab-1"},
    }


def test_google_sends_small_batches_inline(httpserver: HTTPServer, open_at: Open) -> None:
    httpserver.expect_request(GOOGLE.create).respond_with_json(GOOGLE.body())
    provider = open_at(GOOGLE, httpserver.url_for(""))
    schema = {"type": "object", "properties": {"ref": {"type": "string"}}, "required": ["ref"]}
    line = provider.request_line(GOOGLE.spec(schema=schema, temperature=0.5), GOOGLE.model)
    provider.submit(BatchFile("lab-1", GOOGLE.model, [line], ["a-1"]))
    [sent] = posts(httpserver, GOOGLE.create)
    request = {"request": json.loads(line)["request"], "metadata": {"key": "a-1"}}
    expected = {"batch": {"displayName": "lab-1", "inputConfig": {"requests": {"requests": [request]}}}}
    assert snake(sent.get_json()) == snake(expected)
    assert sent.headers["x-goog-api-key"] == KEY


def take_chunk(request: Request) -> Response:
    """The resumable upload: `active` until the last of the 8 MB chunks, which carries `finalize`."""
    status = "final" if "finalize" in request.headers["x-goog-upload-command"] else "active"
    return Response('{"file":{"name":"files/f1"}}', headers={"x-goog-upload-status": status})


def test_google_uploads_large_batches(httpserver: HTTPServer, open_at: Open) -> None:
    start = {"x-goog-upload-url": httpserver.url_for("/put/1")}
    httpserver.expect_request("/upload/v1/files").respond_with_json({}, headers=start)
    httpserver.expect_request("/put/1").respond_with_handler(take_chunk)
    httpserver.expect_request(GOOGLE.create).respond_with_json(GOOGLE.body())
    provider = open_at(GOOGLE, httpserver.url_for(""))
    line = provider.request_line(GOOGLE.spec("a-1"), GOOGLE.model)
    filler = [b'{"key":"x%d","request":{"contents":[],"generationConfig":{}}}' % n + b" " * 999_000 for n in range(17)]
    batch = BatchFile("lab-1", GOOGLE.model, [line, *filler], [f"x{n}" for n in range(18)])
    accepted = provider.submit(batch)
    assert accepted.input_file_id == "files/f1"
    uploaded = b"".join(request.get_data() for request, _ in httpserver.log if request.path == "/put/1")
    assert uploaded == b"".join(line + b"\n" for line in batch.lines)
    assert not any("x-goog-api-key" in request.headers for request, _ in httpserver.log if request.path == "/put/1")
    [sent] = posts(httpserver, GOOGLE.create)
    assert sent.get_json() == {"batch": {"displayName": "lab-1", "inputConfig": {"fileName": "files/f1"}}}


def test_the_inline_limit_counts_what_the_sdk_writes() -> None:
    line = b'{"key":"a","request":"' + "é".encode() * 1000 + b'"}'
    batch = BatchFile("b", GOOGLE.model, [line], ["a"])
    assert inline_size(batch) >= 6000  # \u00e9 each


# --- failing -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("uploads")
@pytest.mark.parametrize("case", ERRORS)
def test_an_error_answer_to_create(case: str, face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    status, code, message, kind = ERRORS[case]
    body = face.error(status, code, message)
    httpserver.expect_request(face.create).respond_with_json(body, status=status, headers={"Retry-After": "7"})
    with pytest.raises(ProviderError) as caught:
        provider.submit(face.file(provider))
    assert type(caught.value) is kind
    assert caught.value.provider == face.name
    assert message in str(caught.value) and "lab-1" in str(caught.value)
    assert ("check the base URL" in str(caught.value)) == (case == "no such address")
    assert len(posts(httpserver, face.create)) == 1
    if isinstance(caught.value, ProviderBusyError):
        assert caught.value.retry_after == 7.0


def test_googles_word_for_a_wrong_key(httpserver: HTTPServer, open_at: Open) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    error = {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": details}
    httpserver.expect_request(GOOGLE.create).respond_with_json({"error": error}, status=400)
    provider = open_at(GOOGLE, httpserver.url_for(""))
    with pytest.raises(CredentialsError, match="API_KEY_INVALID"):
        provider.submit(GOOGLE.file(provider))


def test_the_plan_gate_names_the_plan_and_the_way_out(httpserver: HTTPServer, open_at: Open) -> None:
    body = GROQ.error(403, "not_available_for_plan", "Batch is not available on the free plan")
    httpserver.expect_request("/openai/v1/files").respond_with_json(body, status=403)
    provider = open_at(GROQ, httpserver.url_for(""))
    with pytest.raises(CredentialsError, match="The plan of this key has no batch API; upgrade it"):
        provider.submit(GROQ.file(provider))
    assert posts(httpserver, GROQ.create) == []


def dropping(face: Face, drop: bytes | None) -> Any:
    """Takes uploads; answers create with `drop`."""

    def respond(head: bytes) -> bytes | None:
        return drop if head.startswith(f"POST {face.create} ".encode()) else http(200, b'{"id":"file-in"}')

    return respond


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"HTTP/1.1 200 OK\r\nContent-Le",
        http(200, b'{"id":"x"', length=400),
        http(200, b"<html>welcome</html>"),
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
        http(200, b"{}"),
        http(200, b'["x"]'),
        http(200, b""),
        b"nonsense\r\n\r\n",
    ],
    ids=["hang up", "half a head", "half a body", "html as json", "html", "no id", "a list", "empty", "no http"],
)
def test_a_create_without_a_readable_answer_is_ambiguous(face: Face, answer: bytes | None, open_at: Open) -> None:
    with raw_server(dropping(face, answer)) as server:
        provider = open_at(face, server.url)
        with pytest.raises(AmbiguousSubmissionError, match="The batch may exist: look for it before sending again"):
            provider.submit(face.file(provider))
        assert server.count(f"POST {face.create} ") == 1


@pytest.mark.usefixtures("uploads")
def test_sending_has_the_long_timeout(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    """The SDKs announce their timeout in a header."""
    httpserver.expect_request(face.create).respond_with_json(face.body())
    provider.submit(face.file(provider))
    header = "x-server-timeout" if face.name == "google" else "x-stainless-read-timeout"
    assert {float(request.headers[header]) for request, _ in httpserver.log} == {300.0}


def test_a_create_that_is_never_answered_is_ambiguous(face: Face, open_at: Open) -> None:
    with raw_server(dropping(face, RawServer.SILENCE)) as server:
        provider = open_at(face, server.url, Timeouts(read=60, transfer=0.3))
        with pytest.raises(AmbiguousSubmissionError, match="Timeout"):
            provider.submit(face.file(provider))
        assert server.count(f"POST {face.create} ") == 1


def test_a_refused_connection_is_certain(face: Face, open_at: Open) -> None:
    with raw_server(lambda head: None) as server:
        url = server.url
    provider = open_at(face, url)
    with pytest.raises(ProviderUnreachableError, match="Nothing was sent"):
        provider.submit(face.file(provider))


@pytest.mark.parametrize("face", [OPENAI, GROQ], ids=["openai", "groq"], indirect=True)
def test_a_lost_upload_is_no_batch(face: Face, open_at: Open) -> None:
    with raw_server(lambda head: None) as server:
        provider = open_at(face, server.url)
        with pytest.raises(ProviderUnreachableError):
            provider.submit(face.file(provider))
        assert len(server.requests) == 1


def test_a_google_upload_without_confirmation_is_no_batch(httpserver: HTTPServer, open_at: Open) -> None:
    httpserver.expect_request("/upload/v1/files").respond_with_json({})
    provider = open_at(GOOGLE, httpserver.url_for(""))
    filler = [b'{"key":"x%d"}' % n + b" " * 999_000 for n in range(18)]
    with pytest.raises(ResultsError, match="Upload URL was not returned"):
        provider.submit(BatchFile("lab-1", GOOGLE.model, filler, [str(n) for n in range(18)]))
    assert posts(httpserver, GOOGLE.create) == []


@pytest.mark.parametrize("limits", [BatchLimits(1, 10_000), BatchLimits(10, 100)], ids=["requests", "bytes"])
def test_a_batch_above_the_limits_is_not_sent(
    limits: BatchLimits, face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    provider.limits = limits
    with pytest.raises(RequestRejectedError, match=r"takes at most .* Split it"):
        provider.submit(face.file(provider, "a-1", "a-2"))
    assert httpserver.log == []


@pytest.mark.parametrize(
    ("lines", "ids"), [([], []), ([b"{}"], []), ([b"{}", b"{}"], ["a", "a"])], ids=["empty", "no id", "twice"]
)
def test_an_impossible_batch_cannot_be_made(lines: list[bytes], ids: list[str]) -> None:
    with pytest.raises(RequestRejectedError, match="every line needs one of its own"):
        BatchFile("lab-1", OPENAI.model, lines, ids)


@pytest.mark.usefixtures("uploads")
def test_no_key_in_any_message(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    message = f"bad key {KEY}, or sk-ant-api03-ABCDEF****wxyz, gsk_abcdefgh1234, AIzaSyABCDEFGH; Bearer abc.def-ghi"
    body = face.error(401, "authentication_error", message)
    httpserver.expect_request(face.create).respond_with_json(body, status=401)
    with pytest.raises(CredentialsError) as caught:
        provider.submit(face.file(provider))
    text = str(caught.value)
    for secret in (KEY, "ABCDEF", "wxyz", "abcdefgh1234", "SyABCDEFGH", "abc.def-ghi"):
        assert secret not in text
    assert text.count("[key]") == 5
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_the_key_is_not_echoed_by_an_html_error(face: Face, open_at: Open) -> None:
    page = f"<html>denied: {KEY}</html>".encode()
    with raw_server(lambda head: http(403, page)) as server:
        with pytest.raises(CredentialsError) as caught:
            open_at(face, server.url).submit(face.file(open_at(face, server.url)))
        assert KEY not in str(caught.value) and "denied: [key]" in str(caught.value)


@pytest.mark.usefixtures("uploads")
def test_a_redirected_create_is_not_followed_with_the_key(
    face: Face, provider: BatchProvider, httpserver: HTTPServer, open_at: Open
) -> None:
    with raw_server(lambda head: http(401, b"{}")) as elsewhere:
        away = Response(status=307, headers={"Location": elsewhere.url + "/x"})
        httpserver.expect_request(face.create).respond_with_response(away)
        with pytest.raises(ProviderError):
            provider.submit(face.file(provider))
        assert all(KEY.encode() not in request for request in elsewhere.requests)
