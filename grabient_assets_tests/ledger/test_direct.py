"""One call for each request, through the same intent, budget, fates and archive as a batch."""

from __future__ import annotations

import contextlib
import fcntl
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.errors import UsageError
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.ledger.call_journal import FileJournal, read_journal
from grabient_assets.ledger.cancel import stop_batch
from grabient_assets.ledger.closing import finish_batch
from grabient_assets.ledger.reparse import reparse_batches
from grabient_assets.ledger.wait_limit import WaitLimit
from grabient_assets.providers.connect import line_reader
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.groups.search.place import SMALL, ask, collect, submit, wait_out
from grabient_assets_tests.hanging import HANGING_SECONDS, until
from grabient_assets_tests.ledger.direct_sender import STEPS
from grabient_assets_tests.ledger.house import START, Clock
from grabient_assets_tests.ledger.place_at_emulator import Place

IN_FLIGHT = load_registry().direct["openai"].in_flight
WITH_CALLS_UNDER_WAY = ("a call is noted and not made", "the call is answered, the answer not written")
TWELVE = tuple(f"text number {number}" for number in range(12))

QUICK_STEPS = ("the intent is written", "between two calls", "the call is answered, the answer not written")
"""What is kept, what is due again and what is missing; the other steps repeat one of these."""


def fates(place: Place) -> Counter[str]:
    rows = place.house.rows("SELECT fate, count(*) FROM batch_requests GROUP BY 1")
    return Counter({str(fate): count for fate, count in rows})


def statuses(place: Place) -> list[str]:
    return [row[0] for row in place.house.rows("SELECT status FROM batches ORDER BY intended_at")]


def calls(place: Place) -> int:
    return place.emulator.calls("openai").get("vectors", 0)


@contextmanager
def sender(place: Place, *step: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that sends what is due; it does not outlive the block."""
    module = "grabient_assets_tests.ledger.direct_sender"
    command = [sys.executable, "-m", module, str(place.house.folder), place.emulator.bases["openai"], *step]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.kill()


def someone_waits_for_a_place(folder: Path) -> bool:
    """Whether the lock of the queue stays taken while every call is held."""
    with contextlib.suppress(FileNotFoundError), (folder / "direct" / "openai.queue.slot").open() as queue:
        for _ in range(10):
            try:
                fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                time.sleep(0.02)
        return True
    return False


def test_every_line_is_one_call_and_collected_as_a_batch_is(place: Place) -> None:
    assert ask(place, SMALL, TWELVE, delivery="direct").asked == 12
    [sent] = submit(place, "openai").batches
    batch = place.ledger(sent.batch.batch_id)
    assert (sent.error, batch.status, batch.delivery, batch.kind) == (None, "collected", "direct", "vector")
    assert (batch.succeeded, batch.outcome, batch.raw_status, calls(place)) == (12, "completed", "direct", 12)
    assert json.loads(batch.prices or "")["tiers"][0]["input"] == "0.02", "the standard price"
    assert batch.cost_usd is not None and batch.reserved_usd is not None and 0 < batch.cost_usd < batch.reserved_usd
    assert place.house.rows("SELECT count(*), count(vector), sum(cost_usd) FROM embeddings") == [
        (12, 12, batch.cost_usd)
    ]
    assert place.house.rows("SELECT DISTINCT state, delivery FROM asks") == [("closed", "direct")]
    assert place.house.rows("SELECT count(*) FROM batch_requests WHERE began_at <= answered_at") == [(12,)]
    assert len(place.house.archived(batch.batch_id, "results").read_bytes()) > 1000
    assert [path for path in (place.house.folder / "direct").iterdir() if path.suffix != ".slot"] == []
    assert submit(place, "openai").batches == (), "nothing is due any more"


def test_the_budget_holds_and_what_waits_goes_out_later(place: Place) -> None:
    ask(place, SMALL, TWELVE, delivery="direct")
    place.budget_usd = Decimal("0.000006")
    sent = submit(place, "openai")
    [first] = sent.batches
    assert first.batch.request_count == calls(place) < 12
    assert first.batch.reserved_usd is not None and first.batch.reserved_usd <= place.budget_usd
    assert "Over budget" in " ".join(sent.held)
    for _ in range(12):
        submit(place, "openai")
    assert fates(place) == {"succeeded": 12}
    assert place.house.rows("SELECT sum(cost_usd) <= 0.000006 FROM batches") == [(True,)]
    assert place.house.rows("SELECT count(*) FROM budget_holds h JOIN asks a USING (purpose) WHERE state = 'open'") == [
        (0,)
    ]


def test_never_more_are_under_way_than_the_registry_allows_over_all_processes(place: Place) -> None:
    large = load_registry().model("openai", "text-embedding-3-large")
    for model in (SMALL, large):
        ask(place, model, TWELVE, delivery="direct")
    place.emulator.faults({"match": {"route": "vectors"}, "action": {"do": "hold", "after_accept": True}})
    with sender(place) as one, sender(place) as other:
        until(lambda: calls(place) >= IN_FLIGHT and len(statuses(place)) == 2)
        until(lambda: someone_waits_for_a_place(place.house.folder))
        held = place.house.rows("SELECT count(DISTINCT batch_id) FROM batches"), calls(place)
        place.emulator.faults()
        place.emulator.control("POST", "release")
        assert [process.wait(timeout=HANGING_SECONDS) for process in (one, other)] == [0, 0]
    assert held == ([(2,)], IN_FLIGHT), "both are at work, and one has all the places"
    assert place.emulator.control("GET", "calls")["in_flight"]["openai"] == IN_FLIGHT
    assert (fates(place), calls(place)) == ({"succeeded": 24}, 24)


def test_a_line_that_is_refused_keeps_no_other_back(place: Place) -> None:
    ask(place, SMALL, TWELVE, delivery="direct")
    refused = {"do": "errored", "status": 400, "code": "invalid_input", "message": "No."}
    place.emulator.faults({"match": {"route": "vectors", "nth": 2}, "action": refused})
    [sent] = submit(place, "openai").batches
    assert (sent.error, sent.batch.status, fates(place)) == (None, "collected", {"succeeded": 11, "errored": 1})
    assert place.house.rows("SELECT error, error_code, cost_usd FROM batch_requests WHERE fate = 'errored'") == [
        ("No.", "invalid_input", None)
    ]
    assert place.house.rows("SELECT count(*) FROM embeddings WHERE error IS NOT NULL") == [(1,)]
    assert submit(place, "openai").batches == (), "it would be refused again"


def test_a_provider_that_is_busy_is_asked_for_the_rest_later(place: Place) -> None:
    ask(place, SMALL, TWELVE, delivery="direct")
    busy = {"do": "status", "status": 429, "code": "rate_limit_exceeded", "retry_after": 60}
    place.emulator.faults({"match": {"route": "vectors", "from": 6}, "action": busy})
    sent = submit(place, "openai")
    assert sent.closed and fates(place) == {"succeeded": 5, "errored": 7}
    assert place.house.rows("SELECT count(*) FROM batch_requests WHERE began_at IS NULL") == [(7,)]
    assert place.house.rows("SELECT count(*) FROM embeddings") == [(5,)], "nothing is final about the rest"
    place.emulator.faults()
    before = calls(place)
    again = submit(place, "openai")
    assert again.batches == () and "takes nothing before" in " ".join(again.complaints)
    for _ in range(2):  # more often than a request may be delivered in vain
        place.emulator.faults({"match": {"route": "vectors"}, "action": busy})
        wait_out(place)
        submit(place, "openai")
    assert "deferred" in statuses(place), "not one call went through"
    place.emulator.faults()
    wait_out(place)
    submit(place, "openai")
    assert place.house.rows("SELECT count(vector), count(error) FROM embeddings") == [(12, 0)]
    assert calls(place) - before <= 7 + 2 * IN_FLIGHT


def test_a_key_that_is_refused_stops_what_is_asked(place: Place) -> None:
    ask(place, SMALL, TWELVE, delivery="direct")
    place.emulator.faults({"match": {"route": "vectors"}, "action": {"do": "status", "status": 401}})
    sent = submit(place, "openai")
    assert sent.closed and statuses(place) == ["refused"]
    assert place.house.rows("SELECT DISTINCT state FROM asks") == [("stopped",)]


def test_a_lost_answer_is_missing_counts_as_set_aside_and_is_not_asked_again(place: Place) -> None:
    ask(place, SMALL, TWELVE, delivery="direct")
    place.emulator.faults({"match": {"route": "vectors", "nth": 3}, "action": {"do": "drop_after_accept"}})
    [sent] = submit(place, "openai").batches
    assert fates(place)["missing"] == 1 and sent.batch.status == "collected"
    wait_out(place)
    place.emulator.faults()
    submit(place, "openai")
    assert (fates(place)["succeeded"], fates(place)["missing"], calls(place)) == (11, 1, 12)
    assert place.house.rows("SELECT cost_basis, cost_usd, answered_at FROM batch_requests WHERE fate = 'missing'") == [
        ("unknown", None, None)
    ]
    ask(place, SMALL, TWELVE, delivery="direct")
    assert submit(place, "openai").batches == (), "asking once more is no retry"
    ask(place, SMALL, TWELVE, delivery="direct", retry=True)
    submit(place, "openai")
    assert place.house.rows("SELECT count(vector), count(error) FROM embeddings") == [(12, 0)]
    assert calls(place) == 13


@pytest.mark.parametrize(
    "step", [step if step in QUICK_STEPS else pytest.param(step, marks=pytest.mark.slow) for step in STEPS]
)
def test_killed_and_started_again(step: str, place: Place) -> None:
    ask(place, SMALL, TWELVE, delivery="direct")
    with sender(place, step) as process:
        assert process.wait(timeout=HANGING_SECONDS) == -signal.SIGKILL
    before = calls(place)
    collect(place)
    assert calls(place) == before, "whoever finds the batch asks nobody"
    for _ in range(2):
        wait_out(place)
        submit(place, "openai")
    missing = fates(place)["missing"]
    assert missing <= IN_FLIGHT
    assert (missing > 0) == (step in WITH_CALLS_UNDER_WAY) or step == "between two calls"  # of one of the threads
    assert place.house.rows("SELECT count(vector), count(error) FROM embeddings") == [(12 - missing, missing)]
    assert calls(place) <= 12, "nothing is paid twice"
    assert place.house.rows("SELECT DISTINCT state FROM asks") == [("closed",)]
    assert place.house.rows("SELECT count(*) FROM batches WHERE status IN ('intended', 'submitted')") == [(0,)]


def test_killed_while_calls_are_under_way(place: Place) -> None:
    ask(place, SMALL, TWELVE, delivery="direct")
    place.emulator.faults({"match": {"route": "vectors", "from": 3}, "action": {"do": "hold", "after_accept": True}})
    with sender(place) as process:
        until(lambda: calls(place) == 2 + IN_FLIGHT)
        [batch_id] = [row[0] for row in place.house.rows("SELECT batch_id FROM batches")]
        assert collect(place, within=1).waiting == (batch_id,), "its process lives"
        process.kill()
    place.emulator.control("POST", "release")
    place.emulator.faults()
    collect(place)
    assert fates(place) == {"succeeded": 2, "missing": IN_FLIGHT, "errored": 10 - IN_FLIGHT}
    reserved, unknown = place.house.rows("SELECT reserved_usd, reserved_usd * 4 / 12 FROM batches")[0]
    assert unknown < reserved
    with sender(place) as process:  # the slots of the dead are free
        assert process.wait(timeout=HANGING_SECONDS) == 0
    assert place.house.rows("SELECT count(vector), count(error) FROM embeddings") == [(12 - IN_FLIGHT, IN_FLIGHT)]
    assert calls(place) == 12


def test_a_signal_lets_the_calls_under_way_end_and_begins_no_more(place: Place) -> None:
    ask(place, SMALL, TWELVE, delivery="direct")
    place.emulator.faults({"match": {"route": "vectors"}, "action": {"do": "delay", "seconds": 1}})
    with sender(place) as process:
        until(lambda: calls(place) >= IN_FLIGHT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=HANGING_SECONDS) == -signal.SIGTERM
    found = fates(place)
    assert IN_FLIGHT <= found["succeeded"] < 12 and found["succeeded"] + found["errored"] == 12
    assert (statuses(place), calls(place)) == (["collected"], found["succeeded"])
    place.emulator.faults()
    wait_out(place)
    submit(place, "openai")
    assert place.house.rows("SELECT count(vector) FROM embeddings") == [(12,)]


def test_a_person_stops_it_while_another_process_is_at_it(place: Place) -> None:
    ask(place, SMALL, TWELVE, delivery="direct")
    place.emulator.faults({"match": {"route": "vectors"}, "action": {"do": "delay", "seconds": 0.5}})
    house = place.house
    reader = reader_of(house.warehouse, house.store)
    with sender(place) as process:
        until(lambda: calls(place) >= IN_FLIGHT)
        [name] = [row[0] for row in house.rows("SELECT batch_id FROM batches")]
        stopped = stop_batch(name, place.connect, house.warehouse, reader, house.clock, WaitLimit(30))
        assert stopped.how == "stopped" and "no further call" in stopped.sentence
        assert process.wait(timeout=HANGING_SECONDS) == 0
    if stopped.to_collect:
        finish_batch(stopped.batch, place.connect, house.warehouse, house.store, reader, house.clock, WaitLimit(30))
    found = fates(place)
    assert found["succeeded"] + found["cancelled"] == 12 and found["cancelled"] > 0
    assert calls(place) == found["succeeded"]
    wait_out(place)
    assert submit(place, "openai").batches == (), "what was cancelled is asked again only by a person"
    assert stop_batch(name, place.connect, house.warehouse, reader, house.clock, WaitLimit(1)).how == "nothing_to_stop"


def test_a_person_stops_what_a_dead_process_left(place: Place) -> None:
    ask(place, SMALL, TWELVE, delivery="direct")
    with sender(place, "the intent is written") as process:
        process.wait(timeout=HANGING_SECONDS)
    house = place.house
    reader = reader_of(house.warehouse, house.store)
    [name] = [row[0] for row in house.rows("SELECT batch_id FROM batches")]
    with pytest.raises(UsageError):
        stop_batch("another", place.connect, house.warehouse, reader, house.clock, WaitLimit(1))
    stopped = stop_batch(name, place.connect, house.warehouse, reader, house.clock, WaitLimit(5))
    finish_batch(stopped.batch, place.connect, house.warehouse, house.store, reader, house.clock, WaitLimit(5))
    assert (fates(place), calls(place), statuses(place)) == ({"cancelled": 12}, 0, ["collected"])
    wait_out(place)
    assert submit(place, "openai").batches == ()


def test_its_archive_can_be_read_again(place: Place) -> None:
    ask(place, SMALL, TWELVE, delivery="direct")
    rules: tuple[dict[str, Any], ...] = (
        {"match": {"route": "vectors", "nth": 2}, "action": {"do": "wrong_dimensions"}},
        {"match": {"route": "vectors", "nth": 9}, "action": {"do": "drop_after_accept"}},
    )
    place.emulator.faults(*rules)
    submit(place, "openai")
    queries = ("FROM embeddings ORDER BY ALL", "FROM batch_requests ORDER BY ALL", "FROM batches ORDER BY ALL")
    before = [place.house.rows(query) for query in queries]
    assert {"succeeded", "invalid", "missing"} <= set(fates(place))
    house = place.house
    house.write("UPDATE embeddings SET error = 'an older reader', vector = NULL WHERE error IS NULL")
    done = reparse_batches(
        [], None, house.warehouse, house.store, PURPOSES, reader_of(house.warehouse, house.store), line_reader, ()
    )
    assert (done.batches, done.gone, done.troubles) == (len(before[2]), 0, ())
    assert [place.house.rows(query) for query in queries] == before


def test_a_torn_line_of_the_journal_says_nothing(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "direct" / "b.jsonl"
    journal = FileJournal(path, tmp_path / "stop", clock)
    journal.began("a")
    journal.answered("a", b'{"custom_id":"a"}')
    journal.began("b")
    journal.put_back("b")
    journal.began("c")
    journal.close()
    whole = path.read_bytes()
    assert set(read_journal(path).began) == {"a", "c"}
    assert read_journal(path).answered["a"] == (START, b'{"custom_id":"a"}')
    path.write_bytes(whole[:-5])
    assert set(read_journal(path).began) == {"a"}, "the call is made after the line is whole"
    assert read_journal(tmp_path / "none").began == {}
