"""One call for one archived request line, whoever is asked: what goes out, what comes back, what each failure means."""

from __future__ import annotations

import base64
import json
import signal
import threading
from array import array
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from grabient_assets import interrupts
from grabient_assets.errors import (
    AmbiguousSubmissionError,
    CredentialsError,
    ModelUnavailableError,
    ProviderBusyError,
    ProviderError,
    ProviderUnreachableError,
    RequestRejectedError,
)
from grabient_assets.providers.connect import line_reader
from grabient_assets.providers.contract import BatchProvider, ImageInput, ImageSpec, Spec, VectorSpec
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.registry.price_list import price_list
from grabient_assets.registry.usage import Usage
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import ANTHROPIC, GOOGLE, GROQ, KEY, OPENAI, Face
from grabient_assets_tests.providers.image_and_vector_bodies import (
    BANANA,
    FLARE,
    NOMIC,
    PNG,
    SMALL,
    TWO,
    encoded,
    gemini_image,
    image_body,
    moderated,
    part,
    vector_body,
)
from grabient_assets_tests.providers.rawserver import Dripping, RawServer, http, raw_server
from grabient_assets_tests.providers.refusals import ERRORS

CALLS = {
    "anthropic": "/v1/messages",
    "openai": "/v1/chat/completions",
    "groq": "/openai/v1/chat/completions",
    "google": f"/v1/models/{GOOGLE.model_id}:generateContent",
}


def call(face: Face) -> str:
    return CALLS[face.name]


def line_of(provider: BatchProvider, face: Face) -> bytes:
    return provider.request_line(face.spec(), face.model)


def answer(face: Face, text: str = "calm") -> Any:
    """What the single call is answered with: the inside of a result line."""
    line = json.loads(face.answer_line("a-1", text))
    match face.name:
        case "anthropic":
            return line["result"]["message"]
        case "google":
            return line["response"]
        case _:
            return line["response"]["body"]


def asked_for(face: Face, line: bytes) -> Any:
    value = json.loads(line)
    return value.get("params") or value.get("body") or value["request"]


def test_the_archived_request_is_sent_as_it_is_and_answered_in_the_shape_of_a_batch(
    face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(call(face), method="POST").respond_with_json(answer(face))
    line = line_of(provider, face)
    came = provider.send_directly(line, face.model)
    [(sent, _)] = httpserver.log
    assert sent.get_json() == asked_for(face, line)
    by_batch = provider.read_line(face.answer_line("a-1", "calm"))
    directly = provider.read_line(came)
    assert replace(directly, request_id=None) == replace(by_batch, request_id=None)
    assert (directly.custom_id, directly.fate, directly.text) == ("a-1", "answered", "calm")
    assert b"\n" not in came and line_reader(face.name)(came) == directly, "it can be archived and read again"


def test_the_key_goes_along_and_nothing_of_the_environment(
    face: Face, httpserver: HTTPServer, open_at: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-foreign: yes")
    httpserver.expect_request(call(face)).respond_with_json(answer(face))
    provider = open_at(face, httpserver.url_for(""))
    provider.send_directly(line_of(provider, face), face.model)
    [(sent, _)] = httpserver.log
    header = "x-goog-api-key" if face.name == "google" else "authorization"
    assert KEY in sent.headers[header]
    assert "openai-organization" not in sent.headers and "x-foreign" not in sent.headers
    assert sent.headers["content-type"] == "application/json"


def test_the_id_of_the_request_is_kept(httpserver: HTTPServer, open_at: Open) -> None:
    for face in (OPENAI, GROQ):
        httpserver.expect_request(call(face)).respond_with_json(answer(face), headers={"x-request-id": "req_9"})
        provider = open_at(face, httpserver.url_for(""))
        came = provider.read_line(provider.send_directly(line_of(provider, face), face.model))
        assert came.request_id == "req_9"
    refused = ANTHROPIC.error(400, "invalid_request_error", "no")
    httpserver.expect_request(call(ANTHROPIC)).respond_with_json(refused, status=400)
    provider = open_at(ANTHROPIC, httpserver.url_for(""))
    came = provider.read_line(provider.send_directly(line_of(provider, ANTHROPIC), ANTHROPIC.model))
    assert (came.fate, came.request_id) == ("errored", "req_1")


def test_a_tier_that_a_batch_never_has_is_the_usual_one_of_a_call(httpserver: HTTPServer, open_at: Open) -> None:
    message = answer(ANTHROPIC)
    message["usage"] = {"input_tokens": 10, "output_tokens": 5, "service_tier": "standard"}
    httpserver.expect_request(call(ANTHROPIC)).respond_with_json(message)
    provider = open_at(ANTHROPIC, httpserver.url_for(""))
    came = provider.read_line(provider.send_directly(line_of(provider, ANTHROPIC), ANTHROPIC.model))
    assert came.usage == Usage(10, 5)
    message["usage"]["service_tier"] = "priority"
    dear = json.dumps({"custom_id": "a-1", "delivery": "direct", "result": {"type": "succeeded", "message": message}})
    usage = provider.read_line(dear.encode()).usage
    assert usage is not None and "'priority'" in usage.unpriced


def test_text_that_utf_8_cannot_hold_is_kept(face: Face, open_at: Open) -> None:
    body = json.dumps(answer(face, "half \ud83d, é")).encode()
    with raw_server(lambda _: http(200, body)) as server:
        provider = open_at(face, server.url)
        came = provider.read_line(provider.send_directly(line_of(provider, face), face.model))
    assert came.text == "half \ud83d, é"


# --- images and vectors -------------------------------------------------------------------------------------------

KINDS: dict[str, tuple[Face, Model, Spec, str, Any]] = {
    "image": (OPENAI, FLARE, ImageSpec("a-1", "A fjord."), "/v1/images/generations", image_body(encoded(PNG))),
    "edit": (
        OPENAI,
        FLARE,
        ImageSpec("a-1", "Warmer.", (ImageInput(data=PNG),)),
        "/v1/images/edits",
        image_body(encoded(PNG)),
    ),
    "image of Google": (
        GOOGLE,
        BANANA,
        ImageSpec("a-1", "A fjord.", size="1024x1024"),
        f"/v1/models/{BANANA.id}:generateContent",
        gemini_image("STOP", part(PNG))["response"],
    ),
    "vector": (OPENAI, SMALL, VectorSpec("a-1", "calm"), "/v1/embeddings", vector_body([0.5, 1.0])),
    "vector of Groq": (GROQ, NOMIC, VectorSpec("a-1", "calm"), "/openai/v1/embeddings", vector_body([0.5, 1.0])),
    "vector of Google": (
        GOOGLE,
        TWO,
        VectorSpec("a-1", "calm"),
        f"/v1/models/{TWO.id}:batchEmbedContents",
        {"embeddings": [{"values": [0.5, 1.0]}]},
    ),
}


@pytest.mark.parametrize("case", KINDS)
def test_images_and_vectors_come_directly(case: str, httpserver: HTTPServer, open_at: Open) -> None:
    face, model, spec, path, body = KINDS[case]
    httpserver.expect_request(path, method="POST").respond_with_json(body)
    provider = open_at(face, httpserver.url_for(""))
    line = provider.request_line(spec, model)
    result = provider.read_line(provider.send_directly(line, model))
    [(sent, _)] = httpserver.log
    if case == "vector of Google":
        one = {"model": f"models/{model.id}", **json.loads(line)["request"]}
        assert sent.get_json() == {"requests": [one]}
    else:
        assert sent.get_json() == asked_for(face, line)
    assert (result.custom_id, result.fate) == ("a-1", "answered")
    if model.kind == "image":
        assert (result.image, result.media_type) == (PNG, "image/png")
    else:
        assert result.vector == array("f", [0.5, 1.0])


def test_google_counts_the_vectors_of_one_text(httpserver: HTTPServer, open_at: Open) -> None:
    two = {"embeddings": [{"values": [1.0]}, {"values": [2.0]}]}
    httpserver.expect_request(f"/v1/models/{TWO.id}:batchEmbedContents").respond_with_json(two)
    provider = open_at(GOOGLE, httpserver.url_for(""))
    line = provider.request_line(VectorSpec("a-1", "calm"), TWO)
    result = provider.read_line(provider.send_directly(line, TWO))
    assert (result.fate, result.error_code) == ("errored", "bad_vector")


@pytest.mark.parametrize("stage", ["input", "output"])
def test_a_refused_image_is_an_answer(stage: str, httpserver: HTTPServer, open_at: Open) -> None:
    body = moderated(stage, "violence")["response"]["body"]
    httpserver.expect_request("/v1/images/generations").respond_with_json(body, status=400)
    provider = open_at(OPENAI, httpserver.url_for(""))
    line = provider.request_line(ImageSpec("a-1", "A fjord."), FLARE)
    result = provider.read_line(provider.send_directly(line, FLARE))
    assert (result.fate, result.refused_at, result.refused_for) == ("refused", stage, ("violence",))


def test_a_call_costs_twice_as_much_as_in_a_batch() -> None:
    """The price list of the delivery is what is written down with a call."""
    on = max(FLARE.checked_on, FLARE.prices[-1].since)
    usage = Usage(100, 1000, output_image_tokens=1000)
    assert price_list(FLARE, on, "direct").cost(usage) == 2 * price_list(FLARE, on).cost(usage)


# --- failing ------------------------------------------------------------------------------------------------------

ONE_REQUEST = {
    "bad request": (400, "invalid_request_error", "requests: too short"),
    "too large": (413, "request_too_large", "Request exceeds the maximum size"),
    "unprocessable": (422, "invalid_request_error", "no such field"),
}
OF_A_CALL: dict[str, type[ProviderError]] = {
    name: kind for name, (_, _, _, kind) in ERRORS.items() if name not in ONE_REQUEST
}
OF_A_CALL |= dict.fromkeys(("server error", "bad gateway", "unavailable", "overloaded"), ProviderBusyError)
OF_A_CALL["conflict"] = ProviderBusyError


@pytest.mark.parametrize("case", ONE_REQUEST)
def test_an_error_about_this_one_request_is_an_answer(
    case: str, face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    status, code, message = ONE_REQUEST[case]
    httpserver.expect_request(call(face)).respond_with_json(face.error(status, code, message), status=status)
    result = provider.read_line(provider.send_directly(line_of(provider, face), face.model))
    assert (result.custom_id, result.fate, result.retryable) == ("a-1", "errored", False)
    assert result.error_code == code and message in (result.error or "") and not result.has_response
    assert len(httpserver.log) == 1


@pytest.mark.parametrize("case", OF_A_CALL)
def test_an_error_about_more_than_this_request_is_raised(
    case: str, face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    status, code, message, _ = ERRORS.get(case, (409, "conflict", "try again", ProviderBusyError))
    httpserver.expect_request(call(face)).respond_with_json(face.error(status, code, message), status=status)
    with pytest.raises(ProviderError) as caught:
        provider.send_directly(line_of(provider, face), face.model)
    assert type(caught.value) is OF_A_CALL[case]
    assert len(httpserver.log) == 1, "nothing is sent twice by itself"
    if isinstance(caught.value, AmbiguousSubmissionError):
        assert "asking again may cost twice" in str(caught.value)


@pytest.mark.parametrize("status", [504, 524])
def test_a_gateway_that_gave_up_does_not_know(
    status: int, face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(call(face)).respond_with_json(face.error(status, "timeout", "late"), status=status)
    with pytest.raises(AmbiguousSubmissionError, match="may have been answered and billed"):
        provider.send_directly(line_of(provider, face), face.model)


def test_a_wrong_address_and_a_wrong_key_are_no_answers(
    face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(call(face)).respond_with_data("<html>not found</html>", status=404)
    with pytest.raises(RequestRejectedError, match="check the base URL"):
        provider.send_directly(line_of(provider, face), face.model)
    httpserver.clear()
    bad = face.error(400, "API_KEY_INVALID", "API key not valid. Please pass a valid API key.")
    httpserver.expect_request(call(face)).respond_with_json(bad, status=400)
    with pytest.raises(CredentialsError):
        provider.send_directly(line_of(provider, face), face.model)


def test_an_error_that_is_no_json_is_told_all_the_same(face: Face, open_at: Open) -> None:
    page = f"<html>too much, {KEY}</html>".encode()
    with raw_server(lambda _: http(413, page)) as server:
        provider = open_at(face, server.url)
        came = provider.send_directly(line_of(provider, face), face.model)
    assert KEY.encode() not in came
    result = provider.read_line(came)
    assert (result.fate, result.has_response) == ("errored", False) and "too much" in (result.error or "")


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        ({"retry-after": "7"}, None, 7.0),
        ({}, "34.5s", 34.5),
        ({"retry-after-ms": "1500"}, "9s", 1.5),
        ({}, "soon", None),
    ],
)
def test_the_time_that_is_named_is_told(
    headers: dict[str, str], details: str | None, seconds: float | None, httpserver: HTTPServer, open_at: Open
) -> None:
    body = GOOGLE.error(429, "RESOURCE_EXHAUSTED", "slow down")
    body["error"]["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": details}]
    httpserver.expect_request(call(GOOGLE)).respond_with_json(body, status=429, headers=headers)
    provider = open_at(GOOGLE, httpserver.url_for(""))
    with pytest.raises(ProviderBusyError) as caught:
        provider.send_directly(line_of(provider, GOOGLE), GOOGLE.model)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    "came",
    [
        None,
        b"HTTP/1.1 200 OK\r\nContent-Le",
        http(200, b'{"id":"x"', length=400),
        http(200, b"<html>welcome</html>"),
        http(200, b'["x"]'),
        http(200, b""),
        http(200, b"[" * 100_000),
        b"nonsense\r\n\r\n",
    ],
    ids=["hang up", "half a head", "half a body", "html", "a list", "empty", "deep", "no http"],
)
def test_a_call_whose_answer_did_not_come_whole_may_be_billed(came: bytes | None, face: Face, open_at: Open) -> None:
    with raw_server(lambda _: came) as server:
        provider = open_at(face, server.url)
        with pytest.raises(AmbiguousSubmissionError, match="asking again may cost twice"):
            provider.send_directly(line_of(provider, face), face.model)
        assert len(server.requests) == 1


@pytest.mark.parametrize("came", [RawServer.SILENCE, Dripping(http(200, b" ", length=10**9))], ids=["silent", "drips"])
def test_a_call_has_an_end(came: bytes, face: Face, open_at: Open) -> None:
    timeouts = Timeouts(read=30, transfer=60, direct=0.3)
    with raw_server(lambda _: came) as server:
        provider = open_at(face, server.url, timeouts)
        begun = monotonic()
        with pytest.raises(AmbiguousSubmissionError):
            provider.send_directly(line_of(provider, face), face.model)
        assert monotonic() - begun < 5 and len(server.requests) == 1


def test_a_call_may_take_longer_than_a_poll(face: Face, open_at: Open) -> None:
    """An image takes minutes: neither the wait for bytes nor the whole is that of a read."""
    slow = threading.Event()

    def respond(_: bytes) -> bytes:
        slow.wait(0.5)
        return http(200, json.dumps(answer(face)).encode())

    with raw_server(respond) as server:
        provider = open_at(face, server.url, Timeouts(read=0.1, whole_read=0.1, direct=30))
        assert provider.read_line(provider.send_directly(line_of(provider, face), face.model)).fate == "answered"
        with pytest.raises(ProviderUnreachableError):
            provider.poll(face.batch)


@pytest.mark.parametrize("face", [ANTHROPIC, OPENAI, GROQ], ids=lambda face: face.name, indirect=True)
def test_the_registry_says_how_long_a_call_may_take(
    face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    """The SDKs announce it in a header; Google is asked past its SDK."""
    httpserver.expect_request(call(face)).respond_with_json(answer(face))
    provider.send_directly(line_of(provider, face), face.model)
    [(sent, _)] = httpserver.log
    expected = load_registry().direct[face.name].timeout_s
    assert float(sent.headers["x-stainless-read-timeout"]) == expected


def test_a_refused_connection_is_certain(face: Face, open_at: Open) -> None:
    with raw_server(lambda _: None) as server:
        url = server.url
    provider = open_at(face, url)
    with pytest.raises(ProviderUnreachableError, match="Nothing was sent"):
        provider.send_directly(line_of(provider, face), face.model)


def test_a_model_that_takes_batches_only_is_not_called(
    face: Face, provider: BatchProvider, httpserver: HTTPServer
) -> None:
    model = replace(face.model, deliveries=("batch",))
    with pytest.raises(RequestRejectedError, match="takes batches only"):
        provider.send_directly(line_of(provider, face), model)
    assert httpserver.log == []


def test_a_model_that_is_gone_is_named(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    body = face.error(404, "model_not_found", "The model does not exist")
    httpserver.expect_request(call(face)).respond_with_json(body, status=404)
    with pytest.raises(ModelUnavailableError, match="choose another in the registry"):
        provider.send_directly(line_of(provider, face), face.model)


def test_no_key_in_any_message_or_line(face: Face, provider: BatchProvider, httpserver: HTTPServer) -> None:
    body = face.error(401, "authentication_error", f"bad key {KEY}")
    httpserver.expect_request(call(face)).respond_with_json(body, status=401)
    with pytest.raises(CredentialsError) as caught:
        provider.send_directly(line_of(provider, face), face.model)
    assert KEY not in str(caught.value) and caught.value.__cause__ is None
    httpserver.clear()
    echoed = face.error(400, "invalid_request_error", f"you sent {KEY}")
    httpserver.expect_request(call(face)).respond_with_json(echoed, status=400)
    assert KEY.encode() not in provider.send_directly(line_of(provider, face), face.model)


def test_several_calls_at_once_keep_their_own_time(face: Face, open_at: Open) -> None:
    """One client serves all threads; the time of a call is its own."""
    release = threading.Event()

    def respond(head: bytes) -> bytes:
        release.wait(5)
        return http(200, json.dumps(answer(face)).encode())

    with raw_server(respond) as server:
        provider = open_at(face, server.url, Timeouts(direct=30))
        line, came = line_of(provider, face), []
        threads = [
            threading.Thread(target=lambda: came.append(provider.send_directly(line, face.model))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        release.set()
        for thread in threads:
            thread.join()
    assert [provider.read_line(one).text for one in came] == ["calm"] * 4


def test_a_program_that_is_to_end_makes_no_call(face: Face, open_at: Open) -> None:
    with raw_server(lambda _: http(200, b"{}")) as server:
        provider = open_at(face, server.url)
        line = line_of(provider, face)
        with pytest.raises(KeyboardInterrupt), interrupts.heeded():
            interrupts.record(signal.SIGINT)
            provider.send_directly(line, face.model)
        assert server.requests == []


def test_a_call_under_way_is_finished_when_the_program_is_to_end(face: Face, open_at: Open) -> None:
    body = http(200, json.dumps(answer(face)).encode())
    came: list[bytes] = []

    def respond(_: bytes) -> bytes:
        interrupts.record(signal.SIGINT)
        threading.Event().wait(5 * interrupts.SLICE_SECONDS)  # the client looks at the signal meanwhile
        return body

    with raw_server(respond) as server:
        provider = open_at(face, server.url)
        line = line_of(provider, face)
        with pytest.raises(KeyboardInterrupt), interrupts.heeded():
            came.append(provider.send_directly(line, face.model))
    assert [provider.read_line(one).fate for one in came] == ["answered"]


def test_a_picture_of_megabytes_comes_whole(httpserver: HTTPServer, open_at: Open, tmp_path: Path) -> None:
    pixels = PNG + bytes(3_000_000)
    httpserver.expect_request("/v1/images/generations").respond_with_json(image_body(base64.b64encode(pixels).decode()))
    provider = open_at(OPENAI, httpserver.url_for(""))
    line = provider.request_line(ImageSpec("a-1", "A fjord."), FLARE)
    kept = tmp_path / "results.jsonl"
    kept.write_bytes(provider.send_directly(line, FLARE) + b"\n")
    assert line_reader("openai")(kept.read_bytes().rstrip(b"\n")).image == pixels
