"""Servers that send a byte now and then: no wait for bytes is long, and the whole has an end all the same."""

from __future__ import annotations

import json
from time import monotonic

import pytest

from grabient_assets.errors import AmbiguousSubmissionError, ProviderUnreachableError, ResultsError
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import BatchFile
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import ANTHROPIC, KEY, NOON, OPENAI, Face
from grabient_assets_tests.providers.rawserver import Dripping, http, raw_server
from grabient_assets_tests.providers.result_files import ended, results_path


class Clock:
    """Seconds that pass where a test says so, or `each_look` seconds at every look at the clock, which comes with every
    byte that drips: a slow machine cannot end a request before its time."""

    def __init__(self, each_look: float = 0.0) -> None:
        self.seconds = 0.0
        self._each_look = each_look

    def __call__(self) -> float:
        self.seconds += self._each_look
        return self.seconds


HEAD = Dripping(b"HTTP/1.1 200 OK\r\nX-Filler:")
BODY = Dripping(http(200, b" ", length=10**9))
SHORT = Timeouts(read=30, transfer=60, whole_read=0.2, whole_transfer=0.2, attempts=1)
WITHIN = "no whole answer within 0.2 seconds"


@pytest.mark.parametrize("answer", [HEAD, BODY], ids=["head", "body"])
def test_an_answer_that_drips_is_given_up(answer: Dripping, face: Face, open_at: Open) -> None:
    with raw_server(lambda _: answer) as server:
        provider = open_at(face, server.url, SHORT)
        for ask in (
            lambda: provider.poll(face.batch),
            lambda: provider.find("lab-1", ["a-1"], NOON, 1),
            lambda: provider.cancel(face.batch),
            provider.available_models,
        ):
            begun = monotonic()
            with pytest.raises(ProviderUnreachableError, match=WITHIN):
                ask()
            assert monotonic() - begun < 5


def test_a_create_call_whose_answer_drips_is_ambiguous(face: Face, open_at: Open) -> None:
    def respond(head: bytes) -> bytes:
        path = head.split(b" ")[1].split(b"?")[0].decode()
        return BODY if path == face.create else http(200, b'{"id": "file-in", "object": "file"}')

    with raw_server(respond) as server:
        provider = open_at(face, server.url, Timeouts(whole_transfer=60, attempts=1, clock=Clock(each_look=1)))
        with pytest.raises(AmbiguousSubmissionError, match="no whole answer within 60 seconds"):
            provider.submit(face.file(provider))


def test_a_result_file_that_drips_counts_for_nothing(face: Face, open_at: Open) -> None:
    within = "no whole answer within 60 seconds"

    def respond(head: bytes) -> bytes:
        if head.split(b" ")[1].split(b"?")[0].decode() == results_path(face):
            return BODY
        host = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"host:"))
        return http(200, json.dumps(ended(face, f"http://{host.decode()}")).encode())

    with raw_server(respond) as server, pytest.raises(ResultsError, match=within):
        timeouts = Timeouts(whole_transfer=60, attempts=1, clock=Clock(each_look=1))
        list(open_at(face, server.url, timeouts).results(face.batch).lines)


@pytest.mark.parametrize("face", [ANTHROPIC, OPENAI], ids=lambda face: face.name, indirect=True)
def test_a_server_that_takes_no_bytes_is_given_up(face: Face, open_at: Open) -> None:
    """The upload is larger than what lies in the sockets between the two."""
    line = b'{"custom_id": "a-1", "url": "/v1/chat/completions", "params": {"text": "' + b"x" * 20_000_000 + b'"}}'
    with raw_server(lambda _: None, deaf=True) as server:
        provider = open_at(face, server.url, SHORT)
        begun = monotonic()
        with pytest.raises((AmbiguousSubmissionError, ProviderUnreachableError), match=WITHIN):
            provider.submit(BatchFile("lab-1", face.model, [line], ["a-1"]))
        assert monotonic() - begun < 5


def test_every_request_has_a_time_of_its_own(face: Face, open_at: Open) -> None:
    clock = Clock()

    def respond(head: bytes) -> bytes:
        clock.seconds += 40
        return http(200, json.dumps(face.body()).encode())

    with raw_server(respond) as server:
        provider = open_at(face, server.url, Timeouts(whole_read=60, attempts=1, clock=clock))
        for _ in range(3):
            assert provider.poll(face.batch).state == "running"
    assert clock.seconds >= 120, "together longer than one may take"


def test_connections_through_a_proxy_have_an_end_too(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(lambda _: HEAD) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        provider = connect(face.name, KEY, "http://provider.example" + face.suffix, SHORT)
        with pytest.raises(ProviderUnreachableError, match=WITHIN):
            provider.poll(face.batch)
        provider.close()
        assert b"provider.example" in proxy.requests[0]
