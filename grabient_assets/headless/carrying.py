"""Carrying one piece of work to its end without a daemon, by the sensors that it needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grabient_assets.headless.following import following
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.held_work import release
from grabient_assets.ledger.send import closed_until
from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from grabient_assets.headless.driver import FinishedRun

QUIET_LOOKS = 5
"""How often nothing may move while nothing is awaited, before the run ends: what is left waits for money or a
person."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Whether the time sufficed, and why sensors asked for nothing at the last look, by their names."""

    finished: bool
    waiting: Mapping[str, str]


def follow(
    sensors: Sequence[str],
    warehouse: Warehouse,
    settings: Settings,
    timeout: float,
    is_settled: Callable[[], bool],
    is_awaited: Callable[[], bool],
    report: Callable[[FinishedRun | None], None],
    wanted: Callable[[str | None, str | None], bool] = lambda *_: True,
) -> Carried:
    """Drive these sensors until the work is settled, or nothing moves any more. `is_awaited`: something is to come
    without anything moving here, such as the end of a batch. `report` is told of every run, and of every pass with
    None. Runs that are not `wanted`, by job and partition, are left to the daemon.

    Work that was held after failures is tried at once: a person asks for it. The process is seen as following a run.
    """
    from grabient_assets.definitions import grabient
    from grabient_assets.headless.driver import Driver, bury_dead_runs, drive, quiet_dagster
    from grabient_assets.resources.home import dagster_instance

    quiet = 0

    def is_open() -> bool:
        nonlocal quiet
        if is_settled():
            return False
        quiet = 0 if is_awaited() else quiet + 1
        return quiet < QUIET_LOOKS

    with warehouse.write() as connection:
        release(connection, ledger_time(connection, datetime.now(UTC)))
    with quiet_dagster(), following(settings):
        instance = dagster_instance(settings)
        bury_dead_runs(instance)
        driver = Driver(grabient(), instance, sensors=sensors, wanted=wanted)
        finished = drive(driver, is_open, report, timeout)
    return Carried(finished, dict(driver.waiting))


def any_paused(providers: Collection[str], warehouse: Warehouse) -> bool:
    """Whether one of these providers has asked for time."""
    now = datetime.now(UTC)
    return any(closed_until(provider, warehouse, now) is not None for provider in providers)
