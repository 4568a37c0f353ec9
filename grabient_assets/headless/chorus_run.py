"""Carrying one chorus group to its end without a daemon, by the sensors of the chorus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.chorus.runs import ChorusRun, runs_of
from grabient_assets.groups.chorus.tables import groups
from grabient_assets.ledger.send import closed_until
from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from grabient_assets.headless.driver import FinishedRun

SENSORS = ("chorus_due", "batches_ended", "chorus_settled")
QUIET_LOOKS = 5
"""How often nothing may move while no batch is open and no provider has asked for time, before the run ends: what is
left waits for money or a person."""


@dataclass(frozen=True, slots=True)
class ChorusOutcome:
    """The runs at the end, whether the time sufficed, and why what is left waits."""

    runs: list[ChorusRun]
    finished: bool
    waiting: tuple[str, ...]


def follow_chorus(
    group_id: str,
    warehouse: Warehouse,
    settings: Settings,
    timeout: float,
    seen: Callable[[FinishedRun | None, list[ChorusRun]], None] = lambda *_: None,
) -> ChorusOutcome:
    """Drive until every run of the group is done, failed or cancelled, or nothing moves any more."""
    from grabient_assets.definitions import grabient
    from grabient_assets.headless.driver import Driver, bury_dead_runs, drive, quiet_dagster
    from grabient_assets.resources.home import dagster_instance

    quiet = 0
    with warehouse.read() as connection:
        group = groups(connection, [group_id])[group_id]
    asked = {artist.provider for artist in group.artists} | {group.brush_provider}

    def runs() -> list[ChorusRun]:
        with warehouse.read() as connection:
            return runs_of(connection, [group_id])

    def is_open() -> bool:
        nonlocal quiet
        found = runs()
        if all(run.settled for run in found):
            return False
        waits = any(run.status == "generating" for run in found) or any(map(paused, asked))
        quiet = 0 if waits else quiet + 1
        return quiet < QUIET_LOOKS

    def paused(provider: str) -> bool:
        return closed_until(provider, warehouse, datetime.now(UTC)) is not None

    def report(finished: FinishedRun | None) -> None:
        seen(finished, runs())

    with quiet_dagster():
        instance = dagster_instance(settings)
        bury_dead_runs(instance)
        driver = Driver(grabient(), instance, sensors=SENSORS)
        finished = drive(driver, is_open, report, timeout)
    left = tuple(driver.waiting[name] for name in ("chorus_due", "batches_ended") if name in driver.waiting)
    found = runs()
    return ChorusOutcome(found, finished, () if all(run.settled for run in found) else left)
