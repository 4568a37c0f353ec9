"""Stopping a command on a terminal: by Ctrl-C, SIGTERM, or closing the terminal.

The command works in a thread, and the main thread handles signals. The first signal lets the work come to an end
(interrupts.py). At the second signal, or when the work does not end within seconds, the process exits at once. That is
safe at any moment, as `kill -9` is: a request is in the ledger before it is sent.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeVar

from grabient_assets import interrupts
from grabient_assets.cli.leaving import STOPPED, leave_at_once

T = TypeVar("T")

AT_ONCE = "Stopped at once. Nothing is lost: run the same command again, and what was being sent is looked for first."

LEAVE_AFTER_SECONDS, END_AFTER_SECONDS = 7.0, 9.0
"""The times after the signal at which the work is no longer awaited, and at which the process exits without a
message."""


class _Process:
    """The state that the signal handler reads."""

    handles_signals = False
    is_working = False
    onward: str | None = None
    """The command that goes on with the work; None: the same one."""
    ending: Callable[[], str] | None = None
    """Gives the last words; None: those about all batches that are under way."""


_process = _Process()


def leave_when_asked() -> None:
    """Handle signals from now on. Until a command works, a signal ends the process at once."""
    for one in interrupts.signals_to_handle():
        signal.signal(one, _handle)
        _process.handles_signals = True


def go_on_by(onward: str) -> None:
    """What a person is told to type when this command is stopped from now on, because the same one would begin anew."""
    _process.onward = onward


def end_with(words: Callable[[], str]) -> None:
    """What a person is told when this command is stopped from now on, in the place of what is under way in all."""
    _process.ending = words


def in_a_thread(work: Callable[[], T]) -> T:
    """The result of `work`, or its exception. When a signal comes meanwhile, the process ends and this does not return.

    Without `leave_when_asked` before it (another program owns the process) the work is simply done.
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
        leave(number, asked_at or time.monotonic())
    for error in errors:
        raise error
    return results[0]


@contextmanager
def asking() -> Iterator[None]:
    """A block in which a person is asked something, and nothing is half done: a signal ends the process at once."""
    before, _process.is_working = _process.is_working, False
    try:
        yield
    finally:
        _process.is_working = before


def _handle(number: int, _: FrameType | None) -> None:
    if not _process.is_working:
        leave_at_once(number, _stopped())
    elif interrupts.requested() is not None:
        onward = _process.onward
        leave_at_once(number, AT_ONCE.replace("the same command again", f"`{onward}`") if onward else AT_ONCE)
    interrupts.record(number)


def leave(number: int, asked_at: float) -> None:
    """Report the open work, as far as it is known in time, and end the process without waiting for the rest."""
    found: list[str] = []

    def find() -> None:
        with suppress(Exception):
            found.append(_last_words())
            sys.stdout.flush()

    finder = threading.Thread(target=find, daemon=True)
    finder.start()
    finder.join(max(asked_at + END_AFTER_SECONDS - time.monotonic(), 0.0))
    leave_at_once(number, found[0] if found else _stopped())


def _stopped() -> str:
    return f"Stopped. Nothing is lost: `{_process.onward}` goes on." if _process.onward else STOPPED


def _last_words() -> str:
    """The open work at each provider, and how to go on."""
    from grabient_assets.headless.waiting import left_under_way
    from grabient_assets.settings import load_settings

    with interrupts.finishing(END_AFTER_SECONDS):
        if _process.ending is not None:
            return _process.ending()
        return left_under_way(load_settings(), _process.onward)
