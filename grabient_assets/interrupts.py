"""Ctrl-C, SIGTERM and SIGHUP: a signal records that somebody wants the program to end, and work ends where it may.

A signal handler that raises does so in the middle of anything. Dagster and DuckDB turn such an exception into an
ordinary failure, and the work goes on. So the handler here only takes a note. `check` raises `Interrupted` at the
places where nothing is half done: before a request, a transaction and a step, and in every wait. A create call that is
under way has a few seconds to be finished and recorded (`finishing`).

A command runs in a thread of its own, and the main thread handles signals for it (cli/stopping.py). A run of Dagster's
daemon runs in the main thread under Dagster's handlers, so there they are replaced for a while (`heeded`).
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

FINISHING_SECONDS = 5.0
"""How long a create call that is under way may go on. Whoever stops the program waits for 10 seconds at most."""

SLICE_SECONDS = 0.1
"""No wait looks at the signal less often. Nothing wakes a sleeping thread: the locks that could are not safe in a
signal handler."""


class Interrupted(KeyboardInterrupt):
    """The program was asked to end, and work has ended here.

    `unfinished`: a call that had begun was left without its answer. A kind of KeyboardInterrupt, because no `except
    Exception` may keep it, and libraries know what that is.
    """

    def __init__(self, number: int, *, unfinished: bool = False) -> None:
        super().__init__(f"The program was asked to end ({signal.Signals(number).name}).")
        self.number = number
        self.unfinished = unfinished

    @property
    def exit_code(self) -> int:
        """As shells count: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.number


class LetGo(KeyboardInterrupt):
    """Somebody cancelled what this thread waits for. The wait ended here; the program goes on."""


class _Wish:
    """The first signal and when it came. Plain attributes: a handler may run between any two instructions."""

    number: int | None = None
    at: float = 0.0


_wish = _Wish()
_thread = threading.local()


def record(number: int, _: FrameType | None = None) -> None:
    """Note that the program is to end; a signal handler. Later signals change nothing."""
    if _wish.number is None:
        _wish.at = time.monotonic()
        _wish.number = number


def requested() -> int | None:
    """The signal that asked the program to end, or None."""
    return _wish.number


def check() -> None:
    """Raise Interrupted when the program is to end. Within `finishing` only when the seconds for it are over.

    Raises LetGo within `let_go_when` as soon as its condition holds."""
    cancelled = getattr(_thread, "cancelled", None)
    if cancelled is not None and cancelled():
        raise LetGo
    if _wish.number is None:
        return
    seconds = getattr(_thread, "seconds", 0.0)
    if time.monotonic() - _wish.at >= seconds:
        raise Interrupted(_wish.number, unfinished=seconds > 0)


def check_before_sending() -> None:
    """Raise Interrupted when the program is to end, also within `finishing`: nothing new is sent.

    Raises LetGo within `sending_while` as soon as its condition does not hold any more."""
    if _wish.number is not None:
        raise Interrupted(_wish.number)
    stands = getattr(_thread, "stands", None)
    if stands is not None and not stands():
        raise LetGo


def sleep(seconds: float) -> None:
    """Sleep. Raises Interrupted as `check` does, at once or meanwhile."""
    end = time.monotonic() + seconds
    while True:
        check()
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, SLICE_SECONDS))


@contextmanager
def finishing(seconds: float = FINISHING_SECONDS) -> Iterator[None]:
    """What this thread does in the block has so many seconds after the signal to come to its end."""
    before = getattr(_thread, "seconds", 0.0)
    _thread.seconds = seconds
    try:
        yield
    finally:
        _thread.seconds = before


@contextmanager
def let_go_when(cancelled: Callable[[], bool]) -> Iterator[None]:
    """Every wait of this thread in the block ends with LetGo as soon as `cancelled` says so: it is asked ten times a
    second."""
    _thread.cancelled = cancelled
    try:
        yield
    finally:
        _thread.cancelled = None


@contextmanager
def sending_while(stands: Callable[[], bool]) -> Iterator[None]:
    """This thread sends a request in the block only while `stands` says so: it is asked before each."""
    before = getattr(_thread, "stands", None)
    _thread.stands = stands
    try:
        yield
    finally:
        _thread.stands = before


def signals_to_handle() -> list[signal.Signals]:
    """The signals that are not ignored. What was ignored at the start stays so, as `nohup` and a script's `&` want."""
    return [one for one in SIGNALS if signal.getsignal(one) not in (signal.SIG_IGN, None)]


@contextmanager
def heeded() -> Iterator[None]:
    """Signals of the block are recorded, and given to the handlers that were there before when it ends.

    For work of Dagster's daemon, whose handler would raise into the middle of a request or a transaction. Changes
    nothing in a thread, where Python runs no handler, or within another such block.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is record:
        yield
        return
    before = {one: signal.getsignal(one) for one in signals_to_handle()}
    for one in before:
        signal.signal(one, record)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        number, _wish.number = _wish.number, None
        if number is not None:
            signal.raise_signal(number)
