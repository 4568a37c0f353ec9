"""Result lines: all of them, from the provider's own host, or an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from grabient_assets.errors import CredentialsError, ProviderBusyError, ProviderError, ResultsError
from grabient_assets.ledger.batches import RequestRecord
from grabient_assets.ledger.result_lines import read_results
from grabient_assets.providers.client import whole_lines
from grabient_assets.providers.contract import BatchProvider
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import ANTHROPIC, GOOGLE, GROQ, KEY, OPENAI, Face, google_answer
from grabient_assets_tests.providers.rawserver import RawServer, http, raw_server
from grabient_assets_tests.providers.result_files import ended, inline, results_path

CHAT = [OPENAI, GROQ]


def serve(face: Face, httpserver: HTTPServer, content: bytes) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(ended(face, httpserver.url_for("")))
    httpserver.expect_request(results_path(face)).respond_with_data(content, content_type="application/octet-stream")


def test_every_line_comes(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    lines = [face.answer_line("a-1"), face.answer_line("a-2", "caf\u00e9 \u2028 \u0085 end")]
    serve(face, httpserver, b"\n".join(lines) + b"\n")
    assert list(provider.results(face.batch).lines) == lines
    assert [provider.read_line(line).text for line in lines] == ["calm", "caf\u00e9 \u2028 \u0085 end"]


def test_a_last_line_needs_no_line_end(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    serve(face, httpserver, b"\r\n\n".join([face.answer_line("a-1"), face.answer_line("a-2")]))
    assert list(provider.results(face.batch).lines) == [face.answer_line("a-1"), face.answer_line("a-2")]


def test_a_corrupt_line_is_passed_on_for_read_line_to_report(
    face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    good = face.answer_line("a-1")
    serve(face, httpserver, good + b"\n" + good[:40] + b"\n" + good + b"\n" + b"\xff\xfe\n")
    lines = list(provider.results(face.batch).lines)
    assert lines == [good, good[:40], good, b"\xff\xfe"]
    for bad in (lines[1], lines[3]):
        with pytest.raises(ResultsError, match="not JSON"):
            provider.read_line(bad)


def test_a_file_cut_in_its_last_line(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    serve(face, httpserver, face.answer_line("a-1") + b"\n" + face.answer_line("a-2")[:50])
    with pytest.raises(ResultsError, match="broke off"):
        list(provider.results(face.batch).lines)


def broken(face: Face, content: bytes) -> Any:
    def respond(head: bytes) -> bytes | None:
        path = head.split(b" ")[1].split(b"?")[0].decode()
        if path == results_path(face):
            return content
        host = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"host:"))
        return http(200, json.dumps(ended(face, f"http://{host.decode()}")).encode())

    return respond


@pytest.mark.parametrize("kind", ["content length short", "chunk missing"])
def test_a_connection_closed_early(kind: str, face: Face, open_at: Open) -> None:
    line = face.answer_line("a-1") + b"\n"
    if kind == "content length short":
        content = http(200, line, length=len(line) * 3)
    else:
        content = http(200, b"%x\r\n%s\r\n" % (len(line), line), "Transfer-Encoding: chunked", length=-1)
    with raw_server(broken(face, content)) as server:
        lines = open_at(face, server.url).results(face.batch).lines
        with pytest.raises(ResultsError, match="broke off"):
            list(lines)


def test_a_download_that_stalls_times_out(face: Face, open_at: Open) -> None:
    with raw_server(broken(face, RawServer.SILENCE)) as server:
        provider = open_at(face, server.url, Timeouts(read=60, transfer=0.2, attempts=1))
        begun = monotonic()
        with pytest.raises(ProviderError, match="Timeout"):
            list(provider.results(face.batch).lines)
        assert monotonic() - begun < 30, "the timeout of transfers holds, not that of polls"


def test_a_busy_file_store_is_asked_again(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(ended(face, httpserver.url_for("")))
    httpserver.expect_oneshot_request(results_path(face)).respond_with_json({}, status=503)
    httpserver.expect_request(results_path(face)).respond_with_data(face.answer_line("a-1"))
    assert list(provider.results(face.batch).lines) == [face.answer_line("a-1")]


def test_a_file_store_that_stays_busy(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(ended(face, httpserver.url_for("")))
    httpserver.expect_request(results_path(face)).respond_with_json(face.error(503, "busy", "later"), status=503)
    with pytest.raises(ProviderBusyError, match="later"):
        list(provider.results(face.batch).lines)


def test_results_that_are_gone(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(ended(face, httpserver.url_for("")))
    body = face.error(404, "not_found", "No such File object")
    httpserver.expect_request(results_path(face)).respond_with_json(body, status=404)
    with pytest.raises(ResultsError, match="No such File object"):
        list(provider.results(face.batch).lines)


def test_a_file_that_is_forbidden_is_one_that_is_gone(
    face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    """Gemini's usual reply for a file it does not keep any more. The key was good for the poll just before."""
    httpserver.expect_request(face.retrieve).respond_with_json(ended(face, httpserver.url_for("")))
    said = "You do not have permission to access the File out or it may not exist."
    body = face.error(403, "PERMISSION_DENIED", said)
    httpserver.expect_request(results_path(face)).respond_with_json(body, status=403)
    with pytest.raises(ResultsError, match=said) as caught:
        list(provider.results(face.batch).lines)
    assert "is not there any more, or this key may see batches but not read files" in str(caught.value)
    assert "can no longer be fetched this way" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code"), [(401, "authentication_error"), (403, "not_available_for_plan"), (403, "insufficient_quota")]
)
def test_a_key_that_is_refused_at_the_file_is_a_matter_of_the_key(
    status: int, code: str, face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(ended(face, httpserver.url_for("")))
    httpserver.expect_request(results_path(face)).respond_with_json(face.error(status, code, "no"), status=status)
    with pytest.raises(CredentialsError):
        list(provider.results(face.batch).lines)


def test_results_of_a_running_batch(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(face.body("running"))
    results = provider.results(face.batch)
    assert (results.state.state, list(results.lines)) == ("running", [])


@pytest.mark.parametrize("outcome", ["expired", "cancelled"])
def test_an_expired_or_cancelled_batch_gives_what_it_has(
    outcome: str, face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(face.retrieve).respond_with_json(ended(face, httpserver.url_for(""), outcome))
    httpserver.expect_request(results_path(face)).respond_with_data(face.answer_line("a-1"))
    assert list(provider.results(face.batch).lines) == [face.answer_line("a-1")]


# --- Anthropic: the address of the results ------------------------------------------------------------------------


def test_results_at_another_host_are_not_asked_for(httpserver: HTTPServer, open_at: Open) -> None:
    home = httpserver.url_for("").rstrip("/")
    with raw_server(lambda head: http(200, b"{}")) as elsewhere:
        other = elsewhere.url.replace("127.0.0.1", "127.0.0.2")
        for url in (
            other + "/r",
            "https://example.invalid:444/r",
            "//example.invalid/r",
            "http://u:p@example.invalid/r",
        ):
            httpserver.clear()
            body = ANTHROPIC.body("completed", results_url=url)
            httpserver.expect_request(ANTHROPIC.retrieve).respond_with_json(body)
            with pytest.raises(
                ResultsError, match=rf"lie at \w+://[\w.]+(:\d+)?, which is not {home}, where"
            ) as caught:
                list(open_at(ANTHROPIC, home).results(ANTHROPIC.batch).lines)
            assert "Nothing was sent there" in str(caught.value) and "u:p" not in str(caught.value)
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "named", ["http://{host}:1", "https://{host}", "http://127.0.0.1:1", "http://0.0.0.0:8", "http://[::1]:8"]
)
def test_results_at_another_port_of_the_same_host_are_asked_for_at_home(
    named: str, httpserver: HTTPServer, open_at: Open
) -> None:
    """A gateway names itself as it is reached from within. The key goes to the address that was set, and no further."""
    home = httpserver.url_for("").rstrip("/")
    url = named.format(host=httpserver.host)
    results = results_path(ANTHROPIC)
    for prefix in ("", "/anthropic"):
        httpserver.clear()
        body = ANTHROPIC.body("completed", results_url=url + results)
        httpserver.expect_request(prefix + ANTHROPIC.retrieve).respond_with_json(body)
        httpserver.expect_request(prefix + results, headers={"authorization": f"Bearer {KEY}"}).respond_with_data(b"{}")
        assert list(open_at(ANTHROPIC, home + prefix).results(ANTHROPIC.batch).lines) == [b"{}"]
    httpserver.clear()
    body = ANTHROPIC.body("completed", results_url=url + "/files/1?sign=2")
    httpserver.expect_request(ANTHROPIC.retrieve).respond_with_json(body)
    httpserver.expect_request("/files/1", query_string="sign=2").respond_with_data(b"gone", status=404)
    with pytest.raises(ResultsError) as caught:
        list(open_at(ANTHROPIC, home).results(ANTHROPIC.batch).lines)
    said = f"lie at {url}, which is not {home}, where Anthropic is asked. They were looked for at the latter only"
    assert said in str(caught.value) and "anthropic answered 404" in str(caught.value)
    assert str(caught.value).endswith("Check ANTHROPIC_BASE_URL.")


def test_a_relative_address_is_the_providers_own(httpserver: HTTPServer, open_at: Open) -> None:
    httpserver.expect_request(ANTHROPIC.retrieve).respond_with_json(ANTHROPIC.body("completed", results_url="/r/1"))
    httpserver.expect_request("/r/1", headers={"authorization": f"Bearer {KEY}"}).respond_with_data(b'{"a":1}')
    assert list(open_at(ANTHROPIC, httpserver.url_for("")).results(ANTHROPIC.batch).lines) == [b'{"a":1}']


def test_behind_a_gateway_the_gateway_is_asked(httpserver: HTTPServer, open_at: Open) -> None:
    url = "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"
    httpserver.expect_request(ANTHROPIC.retrieve).respond_with_json(ANTHROPIC.body("completed", results_url=url))
    httpserver.expect_request(results_path(ANTHROPIC)).respond_with_data(b'{"a":1}')
    assert list(open_at(ANTHROPIC, httpserver.url_for("")).results(ANTHROPIC.batch).lines) == [b'{"a":1}']


def test_a_redirect_of_the_results_is_not_followed(httpserver: HTTPServer, open_at: Open) -> None:
    with raw_server(lambda head: http(200, b'{"a":1}')) as elsewhere:
        httpserver.expect_request(ANTHROPIC.retrieve).respond_with_json(ANTHROPIC.body("completed", results_url="/r/1"))
        httpserver.expect_request("/r/1").respond_with_data(b"", status=302, headers={"Location": elsewhere.url})
        with pytest.raises(ResultsError):
            list(open_at(ANTHROPIC, httpserver.url_for("")).results(ANTHROPIC.batch).lines)
        assert elsewhere.requests == []


def test_archived_results(httpserver: HTTPServer, open_at: Open) -> None:
    body = ANTHROPIC.body("completed", archived_at="2026-12-19T12:00:00Z")
    httpserver.expect_request(ANTHROPIC.retrieve).respond_with_json(body)
    with pytest.raises(ResultsError, match="removed on 2026-12-19"):
        list(open_at(ANTHROPIC, httpserver.url_for("")).results(ANTHROPIC.batch).lines)


# --- OpenAI and Groq: two files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("face", CHAT, ids=["openai", "groq"], indirect=True)
def test_both_files_are_read(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    body = face.body("completed", output_file_id="file-out", error_file_id="file-err")
    httpserver.expect_request(face.retrieve).respond_with_json(body)
    httpserver.expect_request(results_path(face)).respond_with_data(b'{"a":1}\n')
    httpserver.expect_request(results_path(face).replace("out", "err")).respond_with_data(b'{"b":2}\n')
    assert list(provider.results(face.batch).lines) == [b'{"a":1}', b'{"b":2}']


@pytest.mark.parametrize("absent", [None, "", {}, "absent"], ids=["null", "empty", "object", "absent"])
@pytest.mark.parametrize("face", CHAT, ids=["openai", "groq"], indirect=True)
def test_a_file_that_is_not_there(absent: object, face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    """All lines failed: `completed` with only an error file, and the other way round; no file at all when it failed."""
    for present in ("output_file_id", "error_file_id", None):
        httpserver.clear()
        body = face.body("completed", output_file_id=absent, error_file_id=absent)
        if absent == "absent":
            del body["output_file_id"], body["error_file_id"]
        expected: list[bytes] = []
        if present:
            body[present] = "file-out"
            expected = [b'{"a":1}']
        httpserver.expect_request(face.retrieve).respond_with_json(body)
        httpserver.expect_request(results_path(face)).respond_with_data(b'{"a":1}\n')
        assert list(provider.results(face.batch).lines) == expected


# --- Google: inline answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        {"metadata": {"key": "a-1"}, "reply": {"candidates": [{"content": {"parts": [{"text": "calm"}]}}]}},
        {"key": "a-1", "result": "calm"},
        "calm",
        ["calm"],
    ],
)
def test_an_inline_answer_in_another_envelope_is_kept_whole(answer: Any, httpserver: HTTPServer, open_at: Open) -> None:
    body = GOOGLE.body("completed")
    body["metadata"]["output"] = {"inlinedResponses": [answer]}  # and the list stands there itself
    httpserver.expect_request(GOOGLE.retrieve).respond_with_json(body)
    provider = open_at(GOOGLE, httpserver.url_for(""))
    [line] = provider.results(GOOGLE.batch).lines
    kept = json.loads(line)
    assert kept["answer"] == answer and kept["key"] == ("a-1" if isinstance(answer, dict) else None)
    with pytest.raises(ResultsError, match="it holds neither a response nor an error"):
        provider.read_line(line)


@pytest.mark.parametrize("output", [{"inlinedResponses": {"inlinedResponses": []}}, {"inlinedResponses": []}])
def test_no_inline_answer_is_an_output_without_lines(output: Any, httpserver: HTTPServer, open_at: Open) -> None:
    body = GOOGLE.body("completed")
    body["metadata"]["output"] = output
    httpserver.expect_request(GOOGLE.retrieve).respond_with_json(body)
    assert list(open_at(GOOGLE, httpserver.url_for("")).results(GOOGLE.batch).lines) == []


def test_inline_answers_become_lines(httpserver: HTTPServer, open_at: Open) -> None:
    """Without a key an answer belongs to the request whose `ref` it repeats. Where it does not, it may be that of any
    request that is left, so that one is unreadable, not unanswered."""
    response = google_answer("b-2", "calm")["response"]
    named = google_answer("", '{"ref": "c-3", "mood": ["calm"]}')["response"]
    body = GOOGLE.body("completed")
    body["metadata"]["output"] = inline(
        {"metadata": {"key": "b-2"}, "response": response},
        {"metadata": {"key": "a-1"}, "error": {"code": 13, "message": "internal"}},
        {"response": named},
        {"response": response},
    )
    httpserver.expect_request(GOOGLE.retrieve).respond_with_json(body)
    provider = open_at(GOOGLE, httpserver.url_for(""))
    lines = list(provider.results(GOOGLE.batch).lines)
    assert [json.loads(line) for line in lines] == [
        {"key": "b-2", "response": response},
        {"key": "a-1", "error": {"code": 13, "message": "internal"}},
        {"key": None, "response": named},
        {"key": None, "response": response},
    ]
    read = [provider.read_line(line) for line in lines]
    assert [(one.custom_id, one.fate) for one in read] == [
        ("b-2", "answered"),
        ("a-1", "errored"),
        (None, "answered"),
        (None, "answered"),
    ]
    requests = {name: RequestRecord("batch", name, "seed", 0) for name in ("a-1", "b-2", "c-3", "d-4")}
    found = read_results(lines, provider.read_line, requests, "google")
    assert {name: one.fate for name, one in found.of.items()} == {
        "a-1": "errored",
        "b-2": "answered",
        "c-3": "answered",
        "d-4": "unreadable",
    }
    assert found.of["c-3"].text == '{"ref": "c-3", "mood": ["calm"]}' and found.unread is None
    assert found.of["d-4"].usage == read[3].usage is not None, "it was paid for"


def test_answers_only_in_the_response_of_the_operation(httpserver: HTTPServer, open_at: Open) -> None:
    body = GOOGLE.body("completed", response=inline({"metadata": {"key": "a-1"}, "response": {}}))
    httpserver.expect_request(GOOGLE.retrieve).respond_with_json(body)
    lines = list(open_at(GOOGLE, httpserver.url_for("")).results(GOOGLE.batch).lines)
    assert lines == [b'{"key":"a-1","response":{}}']


def test_a_success_without_results_is_an_error(httpserver: HTTPServer, open_at: Open) -> None:
    httpserver.expect_request(GOOGLE.retrieve).respond_with_json(GOOGLE.body("completed"))
    with pytest.raises(ResultsError, match="succeeded at google but names no results"):
        list(open_at(GOOGLE, httpserver.url_for("")).results(GOOGLE.batch).lines)


def test_an_expired_google_batch_has_no_results(httpserver: HTTPServer, open_at: Open) -> None:
    httpserver.expect_request(GOOGLE.retrieve).respond_with_json(GOOGLE.body("expired"))
    assert list(open_at(GOOGLE, httpserver.url_for("")).results(GOOGLE.batch).lines) == []


# --- lines out of chunks ------------------------------------------------------------------------------------------


def chunks(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, stop in pairwise(places):
        yield data[start:stop]


@given(st.lists(st.text(max_size=20)), st.lists(st.integers(0, 10_000), max_size=10), st.booleans())
def test_lines_do_not_depend_on_chunks(texts: list[str], cuts: list[int], ended: bool) -> None:
    lines = [json.dumps({"t": text}, ensure_ascii=False).encode() for text in texts]
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    assert list(whole_lines(chunks(data, cuts), "openai", "a file")) == lines


@given(st.text(min_size=1), st.integers(1, 10_000))
def test_any_cut_inside_the_last_line_is_seen(text: str, cut: int) -> None:
    line = json.dumps({"t": text}).encode()
    shorter = line[: 1 + cut % (len(line) - 1)]
    with pytest.raises(ResultsError, match="broke off"):
        list(whole_lines([line, b"\n", shorter], "openai", "a file"))


def test_a_last_line_too_deep_to_read_is_passed_on_when_it_ends_like_an_object() -> None:
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert list(whole_lines([deep], "openai", "the file")) == [deep]
    with pytest.raises(ResultsError, match="broke off"):
        list(whole_lines([deep[:-1]], "openai", "the file"))
