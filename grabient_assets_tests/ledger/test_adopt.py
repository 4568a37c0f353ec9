"""After a create call that nobody saw the end of: found, held, or certain to be absent."""

from __future__ import annotations

from datetime import timedelta

import pytest

from grabient_assets.errors import ProviderError
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.overdue import forget_unreachable, unanswered_in_a_row, unreachable_in_a_row
from grabient_assets.ledger.send import closed_until
from grabient_assets.providers.contract import BatchFile
from grabient_assets_tests.ledger.house import FILE_AND_POSTGRES, START, House
from grabient_assets_tests.ledger.orphans import adopt, only, orphan
from grabient_assets_tests.ledger.scripted_provider import SETTLING, ScriptedProvider, answered
from grabient_assets_tests.ledger.sending import send


def missed(house: House, provider: ScriptedProvider) -> BatchRecord:
    """A batch whose create call never arrived, looked for once."""
    batch = adopt(house, provider, orphan(house, provider, arrived=False))
    assert (batch.status, batch.missed_at) == ("intended", house.clock())
    return batch


@FILE_AND_POSTGRES
def test_it_is_found_by_its_label(house: House, provider: ScriptedProvider) -> None:
    batch = orphan(house, provider, arrived=True)
    house.clock.wind(minutes=5)
    found = adopt(house, provider, batch)
    assert (found.status, found.provider_batch_id, found.submitted_at) == ("submitted", "openai-1", START)
    assert found.error is None
    assert send(house, provider, "a", "b") is None


@FILE_AND_POSTGRES
def test_absent_is_believed_only_after_the_settling_time(house: House, provider: ScriptedProvider) -> None:
    batch = missed(house, provider)
    house.clock.now = START + SETTLING - timedelta(microseconds=1)
    assert adopt(house, provider, batch).status == "intended"
    assert send(house, provider, "a", "b") is None
    house.clock.now = START + SETTLING
    found = adopt(house, provider, batch)
    assert (found.status, found.retry_at) == ("deferred", house.clock())
    assert house.rows("SELECT DISTINCT fate FROM batch_requests") == [("errored",)]
    house.clock.wind(seconds=1)
    assert send(house, provider, "a", "b")
    assert provider.sent == ["a", "b"]


class Killed(BaseException):
    """What no `except Exception` may catch."""


@FILE_AND_POSTGRES
def test_settling_begins_with_the_first_look_however_long_ago_it_was_sent(
    house: House, provider: ScriptedProvider
) -> None:
    """Killed while the create call was under way, after a long upload: a moment later the provider has it."""
    under_way: list[BatchFile] = []

    def die(file: BatchFile) -> None:
        house.clock.wind(minutes=10)
        under_way.append(file)
        raise Killed

    provider.before_submit = die
    with pytest.raises(Killed):
        send(house, provider, "a")
    provider.before_submit = lambda _: None
    house.clock.wind(seconds=2)
    batch = adopt(house, provider, only(house))
    assert (batch.status, batch.missed_at) == ("intended", house.clock())
    provider.submit(under_way[0])
    house.clock.wind(seconds=60)
    assert adopt(house, provider, batch).provider_batch_id == "openai-1"
    assert provider.sent == ["a"]


@FILE_AND_POSTGRES
def test_a_candidate_without_a_label_is_waited_for(house: House, provider: ScriptedProvider) -> None:
    provider.labels = False
    batch = orphan(house, provider, arrived=True)
    house.clock.wind(hours=2)
    assert adopt(house, provider, batch).status == "intended"
    assert send(house, provider, "a") is None
    provider.end_all()
    assert adopt(house, provider, batch).provider_batch_id == "openai-1"


@FILE_AND_POSTGRES
@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([answered("b")], "submitted"),
        ([answered("x"), answered("a")], "submitted"),
        ([answered("x"), answered("y")], "deferred"),
        ([answered("x")], "intended"),
        ([], "intended"),
        ([b"{ spoilt", b"{ spoilt"], "intended"),
    ],
)
def test_without_labels_the_results_tell_whose_it_is_or_it_is_waited_for(
    house: House, provider: ScriptedProvider, lines: list[bytes], status: str
) -> None:
    """Half of ours is ours; another's is another's only when all of it is there."""
    provider.labels = False
    batch = orphan(house, provider, arrived=True)
    provider.end("openai-1", lines)
    for _ in range(2):
        batch = adopt(house, provider, batch)
        house.clock.wind(minutes=5)
    assert batch.status == status


@FILE_AND_POSTGRES
def test_a_batch_that_is_accounted_for_is_nobody_elses(house: House, provider: ScriptedProvider) -> None:
    """Without labels a batch of equal size looks like ours, until the ledger says whose it is."""
    provider.labels = False
    assert send(house, provider, "c", "d")
    batch = missed(house, provider)
    house.clock.wind(seconds=60)
    assert adopt(house, provider, batch).status == "deferred"


@FILE_AND_POSTGRES
def test_whoever_comes_back_meanwhile_wins(house: House, provider: ScriptedProvider) -> None:
    """The record in hand is old: the batch was submitted since. Nothing of that may be undone."""
    batch = orphan(house, provider, arrived=False)
    house.clock.wind(hours=1)
    house.write("UPDATE batches SET status = 'submitted', provider_batch_id = 'openai-7'")
    found = adopt(house, provider, batch)
    assert (found.status, found.provider_batch_id) == ("submitted", "openai-7")
    assert house.rows("SELECT DISTINCT fate FROM batch_requests") == [(None,)]


@FILE_AND_POSTGRES
def test_one_sent_with_another_key_is_never_believed_absent(house: House, provider: ScriptedProvider) -> None:
    batch = missed(house, provider)
    house.clock.wind(days=3)
    provider.account = "the key of today"
    with pytest.raises(ProviderError, match=rf"sent with another key.*cancel {batch.batch_id} --give-up"):
        adopt(house, provider, batch)
    assert house.rows("SELECT status FROM batches") == [("intended",)]
    assert send(house, provider, "a", "b") is None
    provider.account = "emulator"
    assert adopt(house, provider, batch).status == "deferred"


@FILE_AND_POSTGRES
def test_one_sent_with_another_key_is_adopted_when_it_is_listed(house: House, provider: ScriptedProvider) -> None:
    batch = orphan(house, provider, arrived=True)
    provider.account = "the key of today"
    assert adopt(house, provider, batch).status == "submitted"


@FILE_AND_POSTGRES
def test_after_the_clock_was_set_back_the_settling_time_begins_anew(house: House, provider: ScriptedProvider) -> None:
    batch = missed(house, provider)
    house.clock.wind(hours=-1)
    batch = adopt(house, provider, batch)
    assert (batch.status, batch.sent_after) == ("intended", None), "its time says nothing any more"
    held = adopt(house, provider, batch)
    assert (held.status, held.missed_at) == ("intended", house.clock())
    house.clock.wind(seconds=59)
    assert adopt(house, provider, held).status == "intended"
    house.clock.wind(seconds=1)
    assert adopt(house, provider, held).status == "deferred"


@pytest.mark.parametrize("alive", [True, False])
def test_what_a_dead_process_left_behind_stops_nobody(house: House, provider: ScriptedProvider, alive: bool) -> None:
    batch = missed(house, provider)
    lock = house.folder / "sending" / f"{batch.batch_id}.lock"
    lock.touch()
    house.clock.wind(minutes=5)
    if alive:
        import fcntl

        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert adopt(house, provider, batch).status == "intended"
    else:
        assert adopt(house, provider, batch).status == "deferred"
        assert not lock.exists()


@FILE_AND_POSTGRES
def test_create_calls_that_never_arrive_are_made_more_and_more_rarely(house: House, provider: ScriptedProvider) -> None:
    """A provider that answers 500 to every create call: each is cleared up, and none follows at once but the first."""
    waits: list[float] = []
    for _ in range(8):
        batch = missed(house, provider)
        house.clock.wind(seconds=60)
        found = adopt(house, provider, batch)
        assert found.status == "deferred" and found.retry_at is not None
        waits.append((found.retry_at - house.clock()).total_seconds())
        assert closed_until("openai", house.warehouse, house.clock()) == (found.retry_at if waits[-1] else None)
        house.clock.now = found.retry_at
        house.clock.wind(seconds=1)
    least = [0, 5, 10, 20, 40, 80, 160, 320]
    assert all(pause <= wait <= 1.25 * pause for pause, wait in zip(least, waits, strict=True))
    with house.warehouse.read() as connection:
        count, said = unanswered_in_a_row(connection, "openai", START) or (0, "")
        assert (count, unreachable_in_a_row(connection, "openai", START)) == (8, None)
        assert "no answer" in said
    with house.warehouse.write() as connection:
        forget_unreachable(connection, house.clock())
    assert closed_until("openai", house.warehouse, house.clock()) is None, "a person may try at once"


@FILE_AND_POSTGRES
def test_an_accepted_batch_ends_the_row(house: House, provider: ScriptedProvider) -> None:
    for _ in range(3):
        batch = missed(house, provider)
        house.clock.wind(hours=1)
        adopt(house, provider, batch)
        house.clock.wind(hours=1)
    send(house, provider, "c")
    house.clock.wind(seconds=1)
    batch = missed(house, provider)
    house.clock.wind(seconds=60)
    assert adopt(house, provider, batch).retry_at == house.clock()
    with house.warehouse.read() as connection:
        assert (unanswered_in_a_row(connection, "openai", START) or (0,))[0] == 1
