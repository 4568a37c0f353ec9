"""Waiting for a provider while a person watches; an error counts as final only when it persists."""

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
    """The limit of a wait for an end. `log` gets sentences about the wait."""

    seconds: float = USUAL_TIMEOUT_SECONDS
    log: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = interrupts.sleep


FIRST_DISTANCE_SECONDS, LONGEST_DISTANCE_SECONDS = 60.0, 900.0
"""The same wait is reported again after a minute, then after two, four ... fifteen."""


class Announcer:
    """Reports waits: at once when the wait differs from the one before, then at growing intervals."""

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._clock = log, clock
        self._announced: dict[str, _Announced] = {}

    def announce(self, topic: str, wait: object, sentence: str) -> None:
        """Report the sentence, if it is time. One `wait` is remembered for each topic."""
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
        """Forget the waits of all topics but `exclude`: they are over."""
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
        """Extend the wait to at least this many seconds from now."""
        self._until = max(self._until, self.now + seconds)

    def on(self, what: str, at_least: float = 0.0) -> None:
        """Report the wait, and pause: `at_least` this many seconds, but never beyond the end."""
        pause = min(max(self._pause, at_least), self.left)
        waited = self.now - self._began
        so_far = f"{waited:.0f} seconds so far, " if waited >= 1 else ""
        times = f"{so_far}{self.left:.0f} seconds at most, next look in {pause:g} s"
        self._announcer.announce("", what, f"Waiting for {what}. ({times}.)")
        self._limit.sleep(pause)
        self._pause = min(self._pause * 1.5, LONGEST_PAUSE_SECONDS)


@dataclass(slots=True)
class RepeatedFaults:
    """The time since which a provider has answered with the same error, without a success in between.

    One bad answer of a proxy is no reason to give up answers that are paid for: an error counts as final only when it
    comes again after a settling time.
    """

    pause: float
    """The least seconds between two equal errors before they count as final."""
    _since: dict[type[ProviderError], float] = field(default_factory=dict)

    @classmethod
    def at(cls, connection: Connection) -> RepeatedFaults:
        """No error yet."""
        return cls(max(connection.settling.total_seconds(), FIRST_PAUSE_SECONDS))

    def is_final(self, error: ProviderError, wait: TimedWait) -> bool:
        """Whether this error is final by now.

        An answer is final when it also came a pause ago; the wait is extended for that. "Busy" is final when in
        addition the time is up. A missing answer is never final: our own network may be down.
        """
        stood = wait.now - self._since.setdefault(type(error), wait.now)
        if isinstance(error, ProviderUnreachableError):
            return False
        if isinstance(error, ProviderBusyError):
            return stood >= self.pause and wait.left <= 0
        wait.extend(self.pause - stood)
        return stood >= self.pause

    def forget(self) -> None:
        """Forget the errors after a success."""
        self._since.clear()


def retry_after(error: ProviderError) -> float:
    """The seconds the provider asked for; 0 when it named none."""
    return (error.retry_after or 0.0) if isinstance(error, ProviderBusyError) else 0.0
