"""Waiting for the lock on the DuckDB file: for how long, and how the wait is reported."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from grabient_assets import interrupts
from grabient_assets.wording import counted


@dataclass(frozen=True, slots=True)
class LockTimeout:
    """How long to wait for the file, in seconds (infinity: no limit), and how the wait is reported.

    `notify` gets a sentence after `notify_after` seconds and then every `notify_every`. With `in_all` the limit covers
    all uses of one Warehouse together, as a sensor tick needs it, otherwise each use.
    """

    seconds: float = 60.0
    notify: Callable[[str], None] | None = None
    notify_after: float = 1.0
    notify_every: float = 60.0
    in_all: bool = False


class LockWait:
    """The waits of one use, or of all uses in a row. `waited` counts their seconds."""

    def __init__(self, timeout: LockTimeout) -> None:
        self._timeout = timeout
        self._next_notice = timeout.notify_after
        self.waited = 0.0

    @property
    def is_over(self) -> bool:
        return self.waited >= self._timeout.seconds

    def acquire(self, lock: threading.RLock) -> bool:
        """Whether the lock came within the timeout."""
        while True:
            began = time.monotonic()
            left = max(0.0, self._timeout.seconds - self.waited)
            got = lock.acquire(timeout=min(left, interrupts.SLICE_SECONDS))
            self.waited += time.monotonic() - began
            if got or self.is_over:
                return got
            interrupts.check()

    def pause(
        self,
        seconds: float,
        who: str,
        way_out: str = "Close it there to go on at once",
        at_most: float | None = None,
    ) -> None:
        """Sleep, and report at the set intervals that `who` holds the lock, or what else is waited for; `at_most` where
        that has a limit of its own."""
        began = time.monotonic()
        interrupts.sleep(seconds)
        self.waited += time.monotonic() - began
        if self._timeout.notify is not None and self.waited >= self._next_notice:
            self._next_notice = self.waited + self._timeout.notify_every
            passed = f"{counted(round(self.waited), 'second')} so far"
            limit = self._timeout.seconds if at_most is None else at_most
            if not math.isinf(limit):
                passed += f", {counted(round(limit), 'second')} at most"
            self._timeout.notify(f"Waiting for the database: {who}. {passed}. {way_out}.")
