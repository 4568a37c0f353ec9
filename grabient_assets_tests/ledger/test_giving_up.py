"""Batches that nothing else would ever close: what can be read of them is kept, the rest only a person asks again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from grabient_assets.errors import (
    BatchUnknownError,
    ProviderBusyError,
    ProviderUnreachableError,
    ResultsError,
)
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.due import due_requests
from grabient_assets_tests.ledger import reparsing
from grabient_assets_tests.ledger.giving_up import collect, ended_and_broken, fates, salvage, sent, stop
from grabient_assets_tests.ledger.house import House, palette
from grabient_assets_tests.ledger.orphans import orphan
from grabient_assets_tests.ledger.scripted_provider import SETTLING, ScriptedProvider, nothing
from grabient_assets_tests.ledger.sending import send


def test_an_answer_that_cannot_be_read(house: House, provider: ScriptedProvider) -> None:
    batch = sent(house, provider, "a", "b")

    def unreadable(_: str) -> None:
        raise ResultsError("openai", "openai answered something that is not its API.")

    provider.before_poll = unreadable
    with pytest.raises(ResultsError):
        stop(house, provider, batch.batch_id)
    assert house.rows("SELECT status FROM batches") == [("submitted",)]
    stopped = stop(house, provider, batch.batch_id, give_up=True)
    assert (stopped.how, fates(house)) == ("given_up", {"a": "missing", "b": "missing"})
    assert "something that is not its API" in str(stopped.batch.error) and stopped.batch.given_up_at
    assert send(house, provider, "a") is not None, "a person may ask again"


@pytest.fixture
def foreign(house: House, provider: ScriptedProvider) -> BatchRecord:
    """An intent that cannot be told from a batch of somebody else, of the same size, that never ends."""
    provider.labels = False
    send(house, provider, "x", "y")
    house.write("DELETE FROM batches")
    house.write("DELETE FROM batch_requests")
    batch = orphan(house, provider, arrived=False)
    house.clock.wind(hours=30)
    return batch


def test_an_intent_held_by_a_foreign_batch(house: House, provider: ScriptedProvider, foreign: BatchRecord) -> None:
    with pytest.raises(ProviderBusyError, match="to be cleared up"):
        stop(house, provider, foreign.batch_id, 2)
    began = house.clock()
    stopped = stop(house, provider, foreign.batch_id, give_up=True)
    assert (stopped.how, fates(house)) == ("given_up", {"a": "missing", "b": "missing"})
    assert SETTLING <= house.clock() - began < 2 * SETTLING, "it was looked for a settling time long"
    assert "It cannot be told whether openai ever had it" in str(stopped.batch.error)


def test_without_time_one_look_is_enough(house: House, provider: ScriptedProvider, foreign: BatchRecord) -> None:
    assert stop(house, provider, foreign.batch_id, 0, give_up=True).how == "given_up"


def test_what_can_still_be_decided_is(house: House, provider: ScriptedProvider) -> None:
    """A settling time decides most intents; giving up does not come before."""
    batch = orphan(house, provider, arrived=False)
    assert stop(house, provider, batch.batch_id, give_up=True).how == "not_sent"
    assert fates(house) == {"a": "cancelled", "b": "cancelled"}


def test_what_a_living_process_sends_is_not_given_up(house: House, provider: ScriptedProvider) -> None:
    import fcntl

    batch = orphan(house, provider, arrived=False)
    house.clock.wind(hours=30)
    lock = house.folder / "sending" / f"{batch.batch_id}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ProviderBusyError):
            stop(house, provider, batch.batch_id, give_up=True)
    assert house.rows("SELECT status FROM batches") == [("intended",)]


def test_a_provider_that_is_out_of_reach_is_not_given_up(house: House, provider: ScriptedProvider) -> None:
    batch = sent(house, provider, "a")

    def gone(_: str) -> None:
        raise ProviderUnreachableError("openai", "No answer.")

    provider.before_poll = gone
    with pytest.raises(ProviderBusyError, match="to answer: No answer"):
        stop(house, provider, batch.batch_id, 60, give_up=True)
    assert house.rows("SELECT status FROM batches") == [("submitted",)]


def test_a_named_wait_is_kept_while_cancelling(house: House, provider: ScriptedProvider) -> None:
    batch = sent(house, provider, "a")
    provider.end(batch.provider_batch_id or "")
    asked = []

    def busy(_: str) -> None:
        asked.append(house.clock())
        if len(asked) == 1:
            raise ProviderBusyError("openai", "Slow down.", retry_after=45)

    provider.before_poll = busy
    assert stop(house, provider, batch.batch_id).how == "ended"
    assert asked[1] - asked[0] == timedelta(seconds=45)


def test_what_can_be_read_of_an_ended_batch_is_kept(house: House, provider: ScriptedProvider) -> None:
    batch = ended_and_broken(house, provider)
    round_ = collect(house, provider, batch.batch_id)
    assert "broke off" in round_.troubles[0][1] and round_.collected == ()
    assert stop(house, provider, batch.batch_id, give_up=True).how == "ended"
    done = salvage(house, provider, batch.batch_id)
    assert done is not None and "Given up: The results broke off." in str(done.batch.error)
    assert fates(house) == {"a": "succeeded", "b": "succeeded", "c": "missing", "d": "missing"}
    stored = "SELECT custom_id, fate, answer_text IS NULL FROM palette_tags ORDER BY 1"
    assert house.rows(stored) == [
        ("a", "succeeded", False),
        ("b", "succeeded", False),
        ("c", "missing", True),
        ("d", "missing", True),
    ]
    basis = "SELECT cost_basis, cost_usd IS NULL FROM batch_requests WHERE fate = 'missing'"
    assert house.rows(basis) == [("unknown", True)] * 2, "they may have been billed"
    assert salvage(house, provider, batch.batch_id) is None


def test_reading_the_archive_again_gives_the_same(house: House, provider: ScriptedProvider) -> None:
    reparsing.ask(house, house.load(*(palette(number) for number in range(4))))
    batch = reparsing.send(house, provider)
    provider.end_all()
    provider.held["openai-1"].breaks_off = True
    house.clock.wind(seconds=1)
    assert salvage(house, provider, batch.batch_id) is not None
    house.clock.wind(seconds=1)
    complete_palettes(house.warehouse, ["openai"], house.clock)
    before = reparsing.dump(house)
    assert sorted(str(fate) for fate in fates(house).values()) == ["missing", "missing", "succeeded", "succeeded"]
    reparsing.reparse(house, provider)
    assert reparsing.dump(house) == before
    with house.warehouse.read() as connection:
        assert due_requests(connection, TAGGING, "openai") == []


def test_results_that_can_be_read_after_all_are_collected_as_ever(house: House, provider: ScriptedProvider) -> None:
    batch = ended_and_broken(house, provider)
    provider.held[batch.provider_batch_id or ""].breaks_off = False
    done = salvage(house, provider, batch.batch_id)
    assert done is not None and (done.batch.error, done.fates) == (None, {"succeeded": 4})
    assert house.rows("SELECT given_up_at FROM batches") == [(None,)]


def test_a_batch_that_goes_on_has_nothing_to_be_kept(house: House, provider: ScriptedProvider) -> None:
    batch = sent(house, provider, "a")
    assert salvage(house, provider, batch.batch_id) is None

    def unknown(_: str) -> None:
        raise BatchUnknownError("openai", "No such batch.")

    provider.before_poll = unknown
    with pytest.raises(BatchUnknownError):
        salvage(house, provider, batch.batch_id)
    provider.before_poll = nothing


def test_the_create_call_of_a_batch_that_was_given_up_may_come_back(house: House, provider: ScriptedProvider) -> None:
    """Whoever sent it lives after all: the receipt counts, and its answers too."""

    def given_up_meanwhile(_: object) -> None:
        house.write("UPDATE batches SET status = 'collected', given_up_at = now(), collected_at = now()")

    provider.after_submit = given_up_meanwhile
    batch = sent(house, provider, "a")
    provider.after_submit = nothing
    assert batch.status == "submitted"
    assert house.rows("SELECT status, given_up_at FROM batches") == [("submitted", None)]
