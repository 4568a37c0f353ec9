"""A command on a terminal that somebody ends: Ctrl-C, SIGTERM, or the terminal closed.

The command works in a thread, and the main thread handles signals. The first signal lets the work come to an end
(interrupts.py). When it does not within seconds, and at the second signal, the process ends where it stands. That is
safe at any moment, as `kill -9` is: what was sent is in the ledger before it is sent.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TypeVar

from grabient_assets import interrupts

T = TypeVar("T")

STOPPED = "Stopped. Nothing is lost: run the same command again to go on."
AT_ONCE = "Stopped at once. Nothing is lost: run the same command again, and what was being sent is looked for first."

LEAVE_AFTER_SECONDS = 7.0
"""How long the work may take to come to its end. With the last words the process ends within 10 seconds."""
SPEAK_SECONDS = 1.5
"""How long the last words may take: the database may be busy, and a terminal may take no more text."""
SHOW_CURSOR = "\x1b[?25h"


class _Process:
    """What the signal handler has to know."""

    handles_signals = False
    is_working = False


_process = _Process()


def leave_when_asked() -> None:
    """Handle signals from now on. Until a command works, one ends the process at once."""
    for one in interrupts.signals_to_handle():
        signal.signal(one, _handle)
        _process.handles_signals = True


def in_a_thread(work: Callable[[], T]) -> T:
    """The result of `work`, or what it raises. When a signal comes meanwhile, the process ends: it returns never.

    Without `leave_when_asked` before it (somebody else owns the process) the work is done as it is.
    """
    if not _process.handles_signals:
        return work()
    results: list[T] = []
    errors: list[BaseException] = []

    def working() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            errors.append(error)

    thread = threading.Thread(target=working, name="command", daemon=True)
    _process.is_working = True
    thread.start()
    asked_at = None
    while thread.is_alive() and (asked_at is None or time.monotonic() - asked_at < LEAVE_AFTER_SECONDS):
        thread.join(interrupts.SLICE_SECONDS)
        if asked_at is None and interrupts.requested() is not None:
            asked_at = time.monotonic()
    _process.is_working = False
    number = interrupts.requested()
    if number is not None:
        _leave(number, _last_words)
    for error in errors:
        raise error
    return results[0]


def _handle(number: int, _: FrameType | None) -> None:
    if not _process.is_working:
        _leave(number, lambda: STOPPED)
    elif interrupts.requested() is not None:
        _leave(number, lambda: AT_ONCE)
    interrupts.record(number)


def _leave(number: int, words: Callable[[], str]) -> None:
    """Say the words, as far as somebody listens, and end the process without waiting for anything else."""

    def speak() -> None:
        with suppress(Exception):
            sentence = words()
            sys.stdout.flush()
            cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
            sys.stderr.write(f"{cursor}{sentence}\n")
            sys.stderr.flush()

    speaker = threading.Thread(target=speak, daemon=True)
    with suppress(RuntimeError):  # the interpreter is ending, and starts no thread any more
        speaker.start()
        speaker.join(SPEAK_SECONDS)
    os._exit(128 + number)


def _last_words() -> str:
    """What is still under way at which provider, and how to go on."""
    from grabient_assets.headless.waiting import left_under_way
    from grabient_assets.settings import load_settings

    with suppress(Exception), interrupts.finishing(SPEAK_SECONDS + LEAVE_AFTER_SECONDS):
        return left_under_way(load_settings())
    return STOPPED
