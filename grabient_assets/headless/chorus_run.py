"""Carrying one chorus group to its end without a daemon, by the sensors of the chorus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.groups.chorus.runs import ChorusRun, runs_of
from grabient_assets.groups.chorus.tables import groups
from grabient_assets.headless.carrying import any_paused, follow
from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from grabient_assets.headless.driver import FinishedRun

SENSORS = ("chorus_due", "batches_ended", "chorus_settled")


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
    with warehouse.read() as connection:
        group = groups(connection, [group_id])[group_id]
    asked = {artist.provider for artist in group.artists} | {group.brush_provider}

    def runs() -> list[ChorusRun]:
        with warehouse.read() as connection:
            return runs_of(connection, [group_id])

    carried = follow(
        SENSORS,
        warehouse,
        settings,
        timeout,
        is_settled=lambda: all(run.settled for run in runs()),
        is_awaited=lambda: any(run.status == "generating" for run in runs()) or any_paused(asked, warehouse),
        report=lambda finished: seen(finished, runs()),
    )
    left = tuple(carried.waiting[name] for name in ("chorus_due", "batches_ended") if name in carried.waiting)
    found = runs()
    return ChorusOutcome(found, carried.finished, () if all(run.settled for run in found) else left)
