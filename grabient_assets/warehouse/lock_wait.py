"""Waiting for a turn at the DuckDB file: how long, and who is told of it."""

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
    """How long the file is waited for, in seconds (infinity: without end), and what is said meanwhile.

    `told` hears a sentence after `told_after` seconds and then every `told_every`. With `in_all` the seconds are those
    of all uses of one Warehouse together, as a sensor tick needs it, otherwise of each use.
    """

    seconds: float = 60.0
    told: Callable[[str], None] | None = None
    told_after: float = 1.0
    told_every: float = 60.0
    in_all: bool = False


class LockWait:
    """The waiting of one use, or of all uses in a row. `waited` counts seconds."""

    def __init__(self, timeout: LockTimeout) -> None:
        self._timeout = timeout
        self._next_word = timeout.told_after
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

    def pause(self, seconds: float, who: str) -> None:
        """Sleep; tell whoever wants to know that `who` is waited for, when it is time."""
        began = time.monotonic()
        interrupts.sleep(seconds)
        self.waited += time.monotonic() - began
        if self._timeout.told is not None and self.waited >= self._next_word:
            self._next_word = self.waited + self._timeout.told_every
            passed = f"{counted(round(self.waited), 'second')} so far"
            if not math.isinf(self._timeout.seconds):
                passed += f", {counted(round(self._timeout.seconds), 'second')} at most"
            self._timeout.told(f"Waiting for the database: {who}. {passed}. Close it there to go on at once.")
