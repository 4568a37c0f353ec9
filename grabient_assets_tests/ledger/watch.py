"""Time that only sleeping moves, for what waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from grabient_assets.ledger.wait_limit import WaitLimit
from grabient_assets_tests.ledger.house import House


@dataclass
class Watch:
    """A clock that only sleeping moves. `meanwhile` happens during the first sleep."""

    meanwhile: Callable[[], object] = lambda: None
    now: float = 0.0
    pauses: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if len(self.pauses) == 1:
            self.meanwhile()

    def patience(self, seconds: float) -> WaitLimit:
        """So many seconds of this clock."""
        return WaitLimit(seconds, self.said.append, lambda: self.now, self.sleep)


def in_the_house(house: House, seconds: float = 600, watch: Watch | None = None) -> WaitLimit:
    """The house's clock goes on while something is waited for."""
    watch = watch or Watch()

    def sleep(seconds: float) -> None:
        house.clock.wind(seconds=seconds)
        watch.sleep(seconds)

    return WaitLimit(seconds, watch.said.append, lambda: watch.now, sleep)
