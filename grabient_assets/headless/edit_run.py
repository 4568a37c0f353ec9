"""Carrying edits to their end without a daemon, by the sensors of edits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.groups.edits.tables import Edit, edits_of
from grabient_assets.headless.carrying import any_paused, follow
from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from grabient_assets.headless.driver import FinishedRun

SENSORS = ("edits_due", "batches_ended")


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """The edit at the end, whether the time sufficed, and why it waits where it is not settled."""

    edit: Edit
    finished: bool
    waiting: tuple[str, ...]


def follow_edit(
    edit_id: str,
    warehouse: Warehouse,
    settings: Settings,
    timeout: float,
    seen: Callable[[FinishedRun | None, Edit], None] = lambda *_: None,
) -> EditOutcome:
    """Drive until the edit is done, failed or cancelled, or nothing moves any more. Another edit that is due is left to
    the daemon, but for those that go into the same batch."""

    def edit() -> Edit:
        with warehouse.read() as connection:
            return edits_of(connection, [edit_id])[0]

    def wanted(job: str | None, partition: str | None) -> bool:
        """A run of a batch stands under the first edit in it."""
        if job != "submit_edits" or partition == edit_id:
            return True
        with warehouse.read() as connection:
            known = {
                one.edit_id: (one.delivery, one.provider) for one in edits_of(connection, [edit_id, partition or ""])
            }
        return known[edit_id][0] == "batch" and known.get(partition or "") == known[edit_id]

    asked = {edit().provider}
    carried = follow(
        SENSORS,
        warehouse,
        settings,
        timeout,
        is_settled=lambda: edit().settled,
        is_awaited=lambda: edit().status == "sent" or any_paused(asked, warehouse),
        report=lambda finished: seen(finished, edit()),
        wanted=wanted,
    )
    found = edit()
    left = tuple(carried.waiting[name] for name in SENSORS if name in carried.waiting)
    return EditOutcome(found, carried.finished, () if found.settled else left)
