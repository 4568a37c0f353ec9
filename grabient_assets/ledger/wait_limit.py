"""Waiting for a provider while a person looks on, and believing a fault only when it lasts."""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from grabient_assets import interrupts
from grabient_assets.errors import ProviderBusyError, ProviderError, ProviderUnreachableError
from grabient_assets.ledger.connection import Connection

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 30.0
USUAL_TIMEOUT_SECONDS = 1800.0
"""OpenAI allows itself ten minutes for a cancel; nobody else names a time."""


@dataclass(slots=True)
class WaitLimit:
    """How long the end is waited for. `log` is told what is being waited for."""

    seconds: float = USUAL_TIMEOUT_SECONDS
    log: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = interrupts.sleep


FIRST_DISTANCE_SECONDS, LONGEST_DISTANCE_SECONDS = 60.0, 900.0
"""The same wait is named again after a minute, then after two, four ... fifteen."""


class Announcer:
    """Says what is waited for: when it is another wait than before, and then at growing distances."""

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._announced: dict[str, _Announced] = {}

    def announce(self, topic: str, wait: object, sentence: str) -> None:
        """Say the sentence, if it is time. Of each topic one `wait` is remembered."""
        now, last = self._clock(), self._announced.get(topic)
        if last is not None and last.wait == wait:
            if now < last.again:
                return
            distance = min(last.distance * 2, LONGEST_DISTANCE_SECONDS)
        else:
            distance = FIRST_DISTANCE_SECONDS
        self._announced[topic] = _Announced(wait, now + distance, distance)
        self._log(sentence)

    def forget(self, exclude: Container[str] = ()) -> None:
        """The waits of all other topics are over."""
        self._announced = {topic: last for topic, last in self._announced.items() if topic in exclude}


@dataclass(frozen=True, slots=True)
class _Announced:
    wait: object
    again: float
    distance: float


class TimedWait:
    """One wait as long as the limit allows, in pauses that grow."""

    def __init__(self, limit: WaitLimit) -> None:
        self._limit = limit
        self._began = limit.clock()
        self._until = self._began + limit.seconds
        self._pause = FIRST_PAUSE_SECONDS
        self._announcer = Announcer(limit.log, limit.clock)

    @property
    def now(self) -> float:
        """Seconds on the clock of the limit."""
        return self._limit.clock()

    @property
    def left(self) -> float:
        """Seconds until the time is up."""
        return self._until - self.now

    def extend(self, seconds: float) -> None:
        """Go on for so long from now at least."""
        self._until = max(self._until, self.now + seconds)

    def on(self, what: str, at_least: float = 0.0) -> None:
        """Say what is waited for, and wait a little: `at_least` so many seconds, but never beyond the end."""
        pause = min(max(self._pause, at_least), self.left)
        waited = self.now - self._began
        so_far = f"{waited:.0f} seconds so far, " if waited >= 1 else ""
        times = f"{so_far}{self.left:.0f} seconds at most, next look in {pause:g} s"
        self._announcer.announce("", what, f"Waiting for {what}. ({times}.)")
        self._limit.sleep(pause)
        self._pause = min(self._pause * 1.5, LONGEST_PAUSE_SECONDS)


@dataclass(slots=True)
class RepeatedFaults:
    """Since when a provider has answered with a fault and never well in between.

    One bad answer of a proxy is no reason to give up answers that are paid for: only what comes again after a settling
    time is believed.
    """

    pause: float
    """Seconds that lie between two equal faults at least, before they are believed."""
    _since: dict[type[ProviderError], float] = field(default_factory=dict)

    @classmethod
    def at(cls, connection: Connection) -> RepeatedFaults:
        """None met yet."""
        return cls(max(connection.settling.total_seconds(), FIRST_PAUSE_SECONDS))

    def is_final(self, error: ProviderError, wait: TimedWait) -> bool:
        """Whether this fault is final by now.

        An answer is, when it came a pause ago as well; the wait goes on for that long. "Busy" is, when the time is up
        besides. No answer at all never is: then it may be our own network that is down.
        """
        stood = wait.now - self._since.setdefault(type(error), wait.now)
        if isinstance(error, ProviderUnreachableError):
            return False
        if isinstance(error, ProviderBusyError):
            return stood >= self.pause and wait.left <= 0
        wait.extend(self.pause - stood)
        return stood >= self.pause

    def forget(self) -> None:
        """A good answer came."""
        self._since.clear()


def retry_after(error: ProviderError) -> float:
    """The seconds the provider asked for; 0 when it named none."""
    return (error.retry_after or 0.0) if isinstance(error, ProviderBusyError) else 0.0
