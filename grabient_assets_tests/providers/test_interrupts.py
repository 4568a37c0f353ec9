"""A program that is asked to end sends nothing new, and leaves what hangs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic

import pytest

from grabient_assets import interrupts
from grabient_assets.errors import ProviderBusyError
from grabient_assets.providers.contract import BatchProvider
from grabient_assets.providers.deadlines import Timeouts, with_retries
from grabient_assets_tests.providers.conftest import Open
from grabient_assets_tests.providers.faces import ANTHROPIC, GROQ, NOON, OPENAI, Face
from grabient_assets_tests.providers.rawserver import RawServer, http, raw_server

AT_ONCE = 3.0
"""Seconds on a busy machine for what should take a tenth of one."""


@contextmanager
def left(*, after: float = 0.2) -> Iterator[None]:
    """The block is asked to end after so many seconds, and does so at once."""
    threading.Timer(after, interrupts.record, [signal.SIGINT]).start()
    began = monotonic()
    with pytest.raises(KeyboardInterrupt), interrupts.heeded():
        yield
    assert monotonic() - began < AT_ONCE + after


@pytest.mark.parametrize(
    "ask",
    [
        lambda provider, face: provider.poll(face.batch),
        lambda provider, face: provider.find("lab-1", ["a-1"], NOON, 1),
        lambda provider, face: list(provider.results(face.batch).lines),
        lambda provider, face: provider.cancel(face.batch),
    ],
    ids=["poll", "find", "download", "cancel"],
)
def test_a_call_without_an_answer_is_left(
    ask: Callable[[BatchProvider, Face], object], face: Face, open_at: Open
) -> None:
    with raw_server(lambda _: RawServer.SILENCE) as server:
        provider = open_at(face, server.url)
        with left():
            ask(provider, face)
        assert len(server.requests) == 1, "and nothing is tried again"


def test_nothing_is_sent_by_a_program_that_is_to_end(face: Face, open_at: Open) -> None:
    with raw_server(lambda _: RawServer.SILENCE) as server:
        provider = open_at(face, server.url)
        for ask in (lambda: provider.poll(face.batch), lambda: provider.submit(face.file(provider))):
            with pytest.raises(KeyboardInterrupt), interrupts.heeded():
                interrupts.record(signal.SIGINT)
                with pytest.raises(interrupts.Interrupted) as stopped:
                    ask()
                assert not stopped.value.unfinished
        assert server.requests == []


@pytest.mark.parametrize("face", [GROQ, OPENAI], ids=lambda face: face.name, indirect=True)
def test_after_an_upload_the_batch_is_not_created(face: Face, open_at: Open) -> None:
    def respond(head: bytes) -> bytes:
        interrupts.record(signal.SIGINT)
        return http(200, b'{"id": "file-in", "object": "file"}')

    with raw_server(respond) as server:
        provider = open_at(face, server.url)
        with pytest.raises(KeyboardInterrupt), interrupts.heeded():
            with pytest.raises(interrupts.Interrupted) as stopped:
                provider.submit(face.file(provider))
            assert not stopped.value.unfinished
        assert len(server.requests) == 1


def test_a_create_call_without_an_answer_has_its_seconds(open_at: Open) -> None:
    with raw_server(lambda _: RawServer.SILENCE) as server:
        provider = open_at(ANTHROPIC, server.url)
        threading.Timer(0.2, interrupts.record, [signal.SIGINT]).start()
        began = monotonic()
        with pytest.raises(KeyboardInterrupt), interrupts.heeded():
            with pytest.raises(interrupts.Interrupted) as stopped:
                provider.submit(ANTHROPIC.file(provider))
            assert stopped.value.unfinished
        assert interrupts.FINISHING_SECONDS <= monotonic() - began < interrupts.FINISHING_SECONDS + AT_ONCE


def test_a_pause_between_two_attempts_is_left() -> None:
    def busy() -> None:
        raise ProviderBusyError("openai", "Later.", 9.0)

    with left():
        with_retries(busy, replace(Timeouts(), attempts=2))


def test_reads_are_repeated_as_often_as_they_may_be() -> None:
    tries: list[float] = []

    def busy(retry_after: float | None) -> None:
        tries.append(monotonic())
        raise ProviderBusyError("openai", "Later.", retry_after)

    for retry_after, timeouts, expected in (
        (None, Timeouts(attempts=3, pause=0.0), 3),
        (0.0, Timeouts(attempts=2), 2),
        (11.0, Timeouts(), 1),  # longer than a call waits: the caller decides
        (None, Timeouts(attempts=9, pause=0.01, total=0.05), None),  # the time ends it
    ):
        tries.clear()
        with pytest.raises(ProviderBusyError):
            with_retries(lambda after=retry_after: busy(after), timeouts)
        assert len(tries) == expected if expected else 1 < len(tries) < 9
