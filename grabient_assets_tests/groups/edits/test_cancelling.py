"""Cancelling an edit at every stage, and the money of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from grabient_assets.errors import OverBudgetError
from grabient_assets.groups.edits.asking import retry_edit
from grabient_assets.groups.edits.cancelling import batches_to_stop
from grabient_assets.groups.edits.purpose import EDIT, EditReader
from grabient_assets.groups.purposes import reader_of
from grabient_assets.headless.edit_progress import progress_of
from grabient_assets.ledger.batches import RequestRecord
from grabient_assets.ledger.cancel import stop_batch
from grabient_assets.ledger.settling import Verdict
from grabient_assets.ledger.submit import PreparedRequest
from grabient_assets.ledger.wait_limit import WaitLimit
from grabient_assets.providers.contract import Result
from grabient_assets_tests.groups.edits.place import REGION, Edits
from grabient_assets_tests.groups.place import now
from grabient_assets_tests.hanging import HANGING_SECONDS, until

HELD = {"match": {"provider": "openai", "route": "answer"}, "action": {"do": "hold", "seconds": 3600}}


def under_way(edits: Edits) -> bool:
    return edits.emulator.control("GET", "calls")["under_way"].get("openai", 0) > 0


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_call_under_way_is_let_go(edits: Edits) -> None:
    edit_id = edits.ask(edits.add().image_id, mask=REGION)
    edits.emulator.faults(HELD)
    sending = in_thread(edits.send)
    until(lambda: under_way(edits))
    with edits.warehouse.read() as connection:
        progress = progress_of(connection, edits.warehouse, edits.edit(edit_id), now())
    assert (progress.edit.status, progress.stage) == ("sent", "send")
    assert 20 <= progress.percent < 85

    cancelled = edits.cancel(edit_id)
    sending.join(HANGING_SECONDS)

    assert not sending.is_alive(), "the provider holds the call for an hour"
    assert cancelled.changed and "possibly billed" in cancelled.sentence
    edit = edits.edit(edit_id)
    assert (edit.status, edit.error_kind, edit.image_id, edit.cost_usd) == ("cancelled", "cancelled", None, 0)
    assert edit.possible_usd > 0 and "possibly billed" in (edit.error or "")
    assert edits.rows("SELECT fate, cost_basis FROM batch_requests") == [("missing", "unknown")]
    assert edits.rows("SELECT state FROM asks") == [("stopped",)]
    assert edits.rows("SELECT count(*) FROM images WHERE made_by = 'edit'") == [(0,)]
    assert not list((edits.settings.database.parent / "direct").glob("*.jsonl"))
    assert edits.send() == []
    assert edits.calls() == 1, "it is not sent again by itself"


def test_what_was_not_sent_costs_nothing(edits: Edits) -> None:
    edit_id = edits.ask(edits.add().image_id)
    assert edits.cancel(edit_id).sentence == f"Edit {edit_id} is cancelled; nothing was sent."
    edits.settle()
    edit = edits.edit(edit_id)
    assert (edit.status, edit.possible_usd, edits.calls()) == ("cancelled", 0, 0)


def test_cancelled_while_it_is_prepared(edits: Edits) -> None:
    """The ask is stopped between finding the request and writing its intent."""
    edit_id = edits.ask(edits.add().image_id)

    def slowly(*given: Any) -> Iterator[PreparedRequest]:
        for prepared in EDIT.prepare(*given):
            edits.cancel(edit_id)
            yield prepared

    edits.send([replace(EDIT, prepare=slowly)])
    assert (edits.edit(edit_id).status, edits.calls()) == ("cancelled", 0)
    assert edits.rows("SELECT count(*) FROM batches") == [(0,)]


def test_an_answer_that_comes_with_the_cancellation_is_paid_and_not_kept(edits: Edits) -> None:
    """The wish is recorded after the answer was stitched and before it is stored: exactly one state follows."""
    edit_id = edits.ask(edits.add().image_id)

    class Late(EditReader):
        def judge(self, request: RequestRecord, result: Result) -> Verdict:
            verdict = super().judge(request, result)
            edits.cancel(edit_id)
            return verdict

    edits.send([replace(EDIT, reader=Late)])
    edit = edits.edit(edit_id)
    assert (edit.status, edit.image_id) == ("cancelled", None)
    assert edit.cost_usd > 0 and edit.possible_usd == 0, "the answer was reported with its cost"
    assert edits.rows("SELECT count(*) FROM images WHERE made_by = 'edit'") == [(0,)]
    assert len(edits.stored("images")) == 1, "the parent alone"
    assert edits.rows("SELECT count(*) FROM edit_measures") == [(0,)]


def test_one_that_is_done_stays_done(edits: Edits) -> None:
    edit = edits.made(edits.add().image_id)
    cancelled = edits.cancel(edit.edit_id)
    assert not cancelled.changed
    assert cancelled.sentence == f"Edit {edit.edit_id} is done already; nothing was changed."
    assert edits.edit(edit.edit_id) == edit


def test_a_retry_after_a_cancellation_is_another_call(edits: Edits) -> None:
    edit_id = edits.ask(edits.add().image_id)
    edits.cancel(edit_id)
    cancelled = edits.edit(edit_id)
    with edits.warehouse.write() as connection:
        retry_edit(connection, cancelled, "emulator", now())
    assert edits.edit(edit_id).status == "requested"
    edits.settle()
    assert (edits.edit(edit_id).status, edits.calls()) == ("done", 1)


def test_a_batch_of_nothing_but_cancelled_edits_is_stopped(edits: Edits) -> None:
    root = edits.add()
    one, other = (edits.ask(root.image_id, delivery="batch") for _ in range(2))
    edits.send()
    assert edits.cancel(one).at_provider is None, "the other edit of the batch goes on"
    stopping = edits.cancel(other).at_provider
    assert stopping is not None and batches_to_stop(edits.warehouse) == {one: stopping, other: stopping}
    reader = reader_of(edits.warehouse, edits.store)
    stop_batch(stopping, edits.connect, edits.warehouse, reader, now, WaitLimit(HANGING_SECONDS, print))
    edits.collect([stopping])
    assert {edits.edit(one).status, edits.edit(other).status} == {"cancelled"}
    assert edits.rows("SELECT status FROM batches") == [("collected",)]
    assert edits.rows("SELECT count(*) FROM images WHERE made_by = 'edit'") == [(0,)]


def test_the_money_of_what_was_let_go_counts_against_the_budget(edits: Edits) -> None:
    root = edits.add()
    planned = edits.plan(root.image_id)
    budget = planned.usd.high * Decimal("1.5")
    edit_id = edits.ask(root.image_id, budget=budget)
    edits.emulator.faults(HELD)
    sending = in_thread(edits.send)
    until(lambda: under_way(edits))
    edits.cancel(edit_id)
    sending.join(HANGING_SECONDS)
    edits.emulator.faults()
    with pytest.raises(OverBudgetError):
        edits.ask(root.image_id, budget=budget)
