"""How far an edit is: the tables say where it stands, the journal of its call what happens this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.edits.tables import Edit, Stage
from grabient_assets.ledger.call_journal import calls_of
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEASURED = 20
"""The usual time is the median of so many of the latest calls of the same model."""
ASSUMED_SECONDS = 40.0
"""What a call is taken to last before one was measured: pictures take up to two minutes at high quality."""
SENT, ANSWERED = 20, 85
"""Percent when the call begins, and when its answer has come."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an edit is. `seconds` since it was asked for, or until it was over; `usual_seconds` is the median of
    earlier calls of the model, None before there was one."""

    edit: Edit
    stage: Stage
    percent: int
    seconds: float
    usual_seconds: float | None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        edit = self.edit
        return {
            "edit_id": edit.edit_id,
            "status": edit.status,
            "stage": self.stage,
            "percent": self.percent,
            "seconds": round(self.seconds, 1),
            "usual_seconds": None if self.usual_seconds is None else round(self.usual_seconds, 1),
            "cost_usd": float(edit.cost_usd),
            "possible_usd": float(edit.possible_usd),
            "image_id": edit.image_id,
            "error": edit.error,
            "error_kind": edit.error_kind,
            "retryable": edit.retryable,
        }


def progress_of(connection: DuckDBPyConnection, warehouse: Warehouse, edit: Edit, now: datetime) -> Progress:
    """The progress of the edit now."""
    row = connection.execute(
        f"SELECT median(seconds) FROM (SELECT seconds FROM edited_images WHERE model = $1 AND provider = $2 "
        f"AND error IS NULL ORDER BY created_at DESC LIMIT {MEASURED})",
        [edit.model, edit.provider],
    ).fetchone()
    usual = row[0] if row else None
    seconds = max(0.0, ((edit.done_at or now) - edit.requested_at).total_seconds())
    stage, percent = edit.stage, edit.percent
    if edit.status == "sent" and edit.delivery == "direct" and edit.batch_id:
        calls = calls_of(warehouse, edit.batch_id)
        if calls.answered:
            stage, percent = "stitch", ANSWERED
        elif calls.began:
            waited = (now - min(calls.began.values())).total_seconds()
            percent = SENT + round((ANSWERED - 5 - SENT) * min(1.0, max(0.0, waited) / (usual or ASSUMED_SECONDS)))
    return Progress(edit, stage, percent, seconds, usual)
