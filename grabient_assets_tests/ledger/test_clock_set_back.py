"""The clock is set back while the pipeline works: nothing is asked twice, nothing waits for ever."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.errors import AmbiguousSubmissionError, ProviderBusyError
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.tagging.collection import complete_palettes, palettes_to_complete
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.send import closed_until
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.providers.contract import BatchFile
from grabient_assets_tests.ledger.house import START, House, palette
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider, answered, nothing, result_line
from grabient_assets_tests.warehouse.ledger_in_memory import ledger


def send(house: House, provider: ScriptedProvider) -> list[str]:
    """The ids of the batches that went out."""
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    return [one.batch.batch_id for one in sent.batches]


def collect(house: House, provider: ScriptedProvider, batches: list[str]) -> None:
    done = collect_batches(batches, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    assert (done.waiting, done.troubles) == ((), ())
    complete_palettes(house.warehouse, ["openai"], house.clock)


def refused(house: House, provider: ScriptedProvider) -> list[SubjectVersion]:
    """A palette that every model declined to tag."""
    chosen = house.load(palette(1))
    house.ask(chosen)
    batches = send(house, provider)
    for known, held in provider.held.items():
        provider.end(known, [result_line(i, "refused", error="no") for i in held.file.custom_ids])
    collect(house, provider, batches)
    return chosen


def test_a_retry_is_sent_once_and_its_answer_counts(house: House, provider: ScriptedProvider) -> None:
    chosen = refused(house, provider)
    house.ask(chosen, retry_failed=True)
    house.clock.wind(hours=-3)
    batches = send(house, provider)
    assert len(provider.sent) == 6
    for known in list(provider.held)[3:]:
        provider.end(known, [result_line(i, "refused", error="still no") for i in provider.held[known].file.custom_ids])
    collect(house, provider, batches)
    assert send(house, provider) == []
    assert house.rows("SELECT DISTINCT state FROM asks") == [("closed",)]
    assert house.rows("SELECT DISTINCT error FROM palette_tags") == [("The model declined: still no",)]


def test_a_consensus_is_newer_than_the_answers_it_counts(house: House, provider: ScriptedProvider) -> None:
    chosen = house.load(palette(1))
    house.ask(chosen)
    batches = send(house, provider)
    provider.end_all()
    collect(house, provider, batches)
    house.clock.wind(hours=-3)
    complete_palettes(house.warehouse, ["openai"], house.clock, chosen)
    assert palettes_to_complete(house.warehouse, ["openai"]) == []


def test_a_lost_create_is_cleared_up(house: House, provider: ScriptedProvider) -> None:
    """Sent by a clock that ran days ahead, killed before the call arrived."""

    class Killed(BaseException):
        pass

    def die(_: BatchFile) -> None:
        raise Killed

    provider.before_submit = die
    house.ask(house.load(palette(1)))
    house.clock.wind(days=20)
    with pytest.raises(Killed):
        send(house, provider)
    provider.before_submit = nothing
    house.clock.now = START
    open_now = [row[0] for row in house.rows("SELECT batch_id FROM batches")]
    for _ in range(3):
        collect_batches(open_now, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
        send(house, provider)
        house.clock.wind(seconds=60)
    send(house, provider)
    assert len(provider.sent) == len(set(provider.sent)) == 3


@pytest.mark.parametrize("later", [0, 4], ids=["at once", "days later"])
@pytest.mark.parametrize("labels", [True, False], ids=["labelled", "as at Anthropic"])
def test_a_lost_create_is_found_however_far_the_clock_was_ahead(
    house: House, provider: ScriptedProvider, labels: bool, later: int
) -> None:
    """The ledger's time never goes back; the provider says when it created the batch by the right clock."""
    provider.labels = labels
    chosen = house.load(palette(1))
    house.clock.wind(days=3)
    house.ask(chosen)
    house.clock.now = START
    lose_the_answers_of_the_creates(provider)
    batches = send(house, provider)
    provider.after_submit = nothing
    house.clock.wind(days=later)
    look_until_decided(house, provider, batches)
    assert len(provider.sent) == len(set(provider.sent)) == 3


def test_a_lost_create_is_found_that_was_sent_before_the_clock_was_set_right(
    house: House, provider: ScriptedProvider
) -> None:
    provider.labels = False
    provider.clock = lambda: START
    house.ask(house.load(palette(1)))
    house.clock.wind(days=3)
    lose_the_answers_of_the_creates(provider)
    batches = send(house, provider)
    provider.after_submit = nothing
    house.clock.now = START
    look_until_decided(house, provider, batches)
    assert len(provider.sent) == len(set(provider.sent)) == 3


def lose_the_answers_of_the_creates(provider: ScriptedProvider) -> None:
    def drop(_: BatchFile) -> None:
        raise AmbiguousSubmissionError("openai", "dropped")

    provider.after_submit = drop


def look_until_decided(house: House, provider: ScriptedProvider, batches: list[str]) -> None:
    """Look and send, on and on, while the batches run and when they have ended."""
    for _ in range(3):
        collect_batches(batches, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
        send(house, provider)
        house.clock.wind(seconds=61)
    provider.end_all()
    for _ in range(3):
        open_now = [row[0] for row in house.rows("SELECT batch_id FROM batches WHERE status <> 'collected'")]
        collect_batches(open_now, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
        send(house, provider)
        house.clock.wind(seconds=61)
    assert house.rows("SELECT DISTINCT status FROM batches") == [("collected",)]


def test_a_pause_that_was_set_by_a_clock_far_ahead_is_no_pause(house: House, provider: ScriptedProvider) -> None:
    def busy(_: BatchFile) -> None:
        raise ProviderBusyError("openai", "full", retry_after=3600)

    provider.before_submit = busy
    house.ask(house.load(palette(1)))
    send(house, provider)
    until = closed_until("openai", house.warehouse, house.clock())
    assert until and START + timedelta(hours=1) <= until <= START + timedelta(hours=1, minutes=1)
    house.clock.wind(hours=-24)
    assert closed_until("openai", house.warehouse, house.clock()) is None


@settings(max_examples=15, deadline=None)
@given(st.lists(st.timedeltas(timedelta(days=-400), timedelta(days=400)), max_size=12))
def test_the_time_of_the_ledger_only_grows(jumps: list[timedelta]) -> None:
    with ledger() as house:
        taken = [ledger_time(house.connection, START + jump) for jump in jumps]
    assert all(later > earlier for earlier, later in pairwise(taken))
    assert all(one >= START + jump for one, jump in zip(taken, jumps, strict=True))


def test_it_is_the_wall_clock_where_that_goes_on() -> None:
    with ledger() as house:
        walls = [START + timedelta(seconds=n) for n in range(3)]
        assert [ledger_time(house.connection, wall) for wall in walls] == walls


def test_an_answer_that_came_twice_is_the_same(house: House, provider: ScriptedProvider) -> None:
    """Two processes fetched the same batch before the clock was set back: the second changes nothing."""
    house.ask(house.load(palette(1)))
    batches = send(house, provider)
    provider.end_all()
    collect(house, provider, batches)
    before = house.rows("SELECT * FROM palette_tags ORDER BY ALL")
    house.clock.wind(hours=-3)
    for held in provider.held.values():
        held.lines = [answered(i, text="{}") for i in held.file.custom_ids]
    collect(house, provider, batches)
    assert house.rows("SELECT * FROM palette_tags ORDER BY ALL") == before


@pytest.mark.parametrize("kept", [True, False], ids=["with its wall clock", "of an earlier version"])
def test_a_pause_of_a_clock_that_ran_ahead_hides_no_real_one(
    house: House, provider: ScriptedProvider, kept: bool
) -> None:
    def busy(_: BatchFile) -> None:
        raise ProviderBusyError("openai", "Later.", retry_after=600)

    provider.before_submit = busy
    house.ask(house.load(palette(1)))
    house.clock.wind(days=30)
    send(house, provider)
    if not kept:
        house.write("UPDATE batches SET sent_after = NULL")
    house.clock.wind(days=-30)
    assert closed_until("openai", house.warehouse, house.clock()) is None
    send(house, provider)
    until = closed_until("openai", house.warehouse, house.clock())
    assert until is not None and until - house.clock() >= timedelta(seconds=600)


def test_a_pause_of_a_clock_that_was_hours_ahead_is_not_believed(house: House, provider: ScriptedProvider) -> None:
    def busy(_: BatchFile) -> None:
        raise ProviderBusyError("openai", "Later.")

    provider.before_submit = busy
    house.ask(house.load(palette(1)))
    house.clock.wind(hours=20)
    send(house, provider)
    house.clock.wind(hours=-20)
    assert closed_until("openai", house.warehouse, house.clock()) is None
