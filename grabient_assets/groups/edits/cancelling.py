"""Cancelling an edit, at any stage. The wish is one transaction, so it and the answer cannot both win.

The process that makes the call sees it within a tenth of a second and lets go. Nobody can take back a call: what was
under way may be billed, and counts with what was set aside for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from grabient_assets.groups.edits.tables import Edit, edits_of
from grabient_assets.ledger.asks import stop_subjects
from grabient_assets.ledger.cancel import ask_calls_to_stop
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What a cancellation did: the edit afterwards, whether it changed, and a sentence. `at_provider` is the batch with
    a provider that holds nothing but cancelled edits: it may be stopped there."""

    edit: Edit
    changed: bool
    sentence: str
    at_provider: str | None = None


def cancel_edit(warehouse: Warehouse, edit_id: str, now: datetime, terminated_run: str | None = None) -> Cancelled:
    """Cancel the edit. One that is over stays as it is, but for one whose call ended without an answer because a person
    terminated this run: it is cancelled, and has not failed."""
    with warehouse.write() as connection:
        before = edits_of(connection, [edit_id])[0]
        query = "SELECT submit_run_id FROM batches WHERE batch_id = $1"
        sent_by = connection.execute(query, [before.batch_id]).fetchone()
        let_go = before.error_kind == "api_no_response" and sent_by == (terminated_run or "",)
        if before.settled and not let_go:
            return Cancelled(before, False, f"Edit {edit_id} is {before.status} already; nothing was changed.")
        at = ledger_time(connection, now)
        connection.execute("UPDATE edit_requests SET cancel_asked_at = $1 WHERE edit_id = $2", [at, edit_id])
        stop_subjects(connection, ("edit",), [edit_id], "Cancelled by a person.", at)
        edit = edits_of(connection, [edit_id])[0]
    if before.status == "sent" and before.delivery == "direct" and before.batch_id:
        ask_calls_to_stop(before.batch_id, warehouse, now)
    then = "its call was let go and was possibly billed"
    if before.status == "requested":
        then = "nothing was sent"
    elif before.delivery == "batch":
        then = "its request is in a batch and may still be billed"
    return Cancelled(edit, True, f"Edit {edit_id} is cancelled; {then}.", batches_to_stop(warehouse).get(edit_id))


def batches_to_stop(warehouse: Warehouse) -> dict[str, str]:
    """The batches that hold nothing but cancelled edits and go on at their providers, by each edit."""
    with warehouse.read() as connection:
        rows = connection.execute(
            """
            SELECT list(q.edit_id), b.batch_id FROM batches b JOIN batch_requests r USING (batch_id)
            JOIN edit_requests q ON q.edit_id = r.subject
            WHERE b.status IN ('intended', 'submitted') AND b.purpose = 'edit' AND b.delivery = 'batch'
              AND b.cancel_asked_at IS NULL
            GROUP BY b.batch_id HAVING bool_and(q.cancel_asked_at IS NOT NULL)
            """
        ).fetchall()
    return {edit_id: batch_id for edit_ids, batch_id in rows for edit_id in edit_ids}
