"""Asking how far the batches are: in turns, within the time, one trouble apart from the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from grabient_assets.errors import (
    CredentialsError,
    ProviderBusyError,
    ProviderUnreachableError,
    RequestRejectedError,
)
from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.batches import BatchRecord, open_batches, record_polled
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.poll import Polled, poll_batches, record
from grabient_assets.ledger.round import collect_batches
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.orphans import adopt, only, orphan
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider, nothing
from grabient_assets_tests.ledger.sending import send


def three(house: House, provider: ScriptedProvider) -> list[BatchRecord]:
    for custom_id in "abc":
        house.clock.wind(seconds=1)
        send(house, provider, custom_id)
    return waiting(house)


def waiting(house: House) -> list[BatchRecord]:
    with house.warehouse.read() as connection:
        return open_batches(connection)


def test_every_batch_is_asked_about_once(house: House, provider: ScriptedProvider) -> None:
    found = three(house, provider)
    provider.end("openai-2")
    polled = poll_batches(found, provider.connect, house.warehouse, house.clock)
    assert [polled.states[b.batch_id].state for b in found] == ["running", "ended", "running"]
    assert (polled.troubles, polled.left) == ({}, 0)


def test_without_time_nothing_is_asked(house: House, provider: ScriptedProvider) -> None:
    polled = poll_batches(three(house, provider), provider.connect, house.warehouse, house.clock, budget=-1)
    assert (polled.states, polled.troubles, polled.left) == ({}, {}, 3)


def test_those_that_had_no_turn_come_first_next_time(house: House, provider: ScriptedProvider) -> None:
    first, second, third = three(house, provider)
    with house.warehouse.write() as connection:
        record_polled(connection, [first.batch_id], {}, house.clock())
    assert [b.batch_id for b in waiting(house)] == [b.batch_id for b in (second, third, first)]
    house.clock.wind(seconds=1)
    with house.warehouse.write() as connection:
        record_polled(connection, [second.batch_id, third.batch_id], {}, house.clock())
    assert [b.batch_id for b in waiting(house)] == [b.batch_id for b in (first, second, third)]


def test_one_that_cannot_be_polled_keeps_no_other_back(house: House, provider: ScriptedProvider) -> None:
    found = three(house, provider)

    def gone(known: str) -> None:
        if known == "openai-1":
            raise RequestRejectedError("openai", "No such batch.")

    provider.before_poll = gone
    polled = poll_batches(found, provider.connect, house.warehouse, house.clock)
    assert set(polled.states) == {found[1].batch_id, found[2].batch_id}
    assert {batch: str(error) for batch, error in polled.troubles.items()} == {found[0].batch_id: "No such batch."}
    assert polled.left == 0


def test_a_mistake_of_ours_over_one_batch_keeps_no_other_back(house: House, provider: ScriptedProvider) -> None:
    found = three(house, provider)

    def stumble(known: str) -> None:
        if known == "openai-1":
            raise ValueError("year 57858 is out of range: sk-0123456789abcdef")

    provider.before_poll = stumble
    polled = poll_batches(found, provider.connect, house.warehouse, house.clock)
    assert set(polled.states) == {found[1].batch_id, found[2].batch_id}
    [trouble] = polled.troubles.values()
    said = r" met a mistake in this program: ValueError: year 57858 .*: \[key\] \(test_poll.py:\d+\)\."
    assert re.fullmatch(f"Asking about batch {found[0].batch_id}{said}", str(trouble))


def test_a_connection_that_cannot_be_made_keeps_no_other_provider_back(
    house: House, provider: ScriptedProvider
) -> None:
    found = three(house, provider)
    house.write("UPDATE batches SET provider = 'anthropic' WHERE batch_id = ?", found[0].batch_id)

    @contextmanager
    def connect(name: str) -> Iterator[Connection]:
        if name == "anthropic":
            raise ValueError("no address")
        yield provider.connection()

    polled = poll_batches(waiting(house), connect, house.warehouse, house.clock)
    assert set(polled.states) == {found[1].batch_id, found[2].batch_id}
    assert str(polled.troubles[found[0].batch_id]).startswith("Asking anthropic met a mistake in this program")


def test_a_provider_out_of_reach_is_asked_once_and_the_others_all(house: House, provider: ScriptedProvider) -> None:
    found = three(house, provider)
    house.write("UPDATE batches SET provider = 'anthropic' WHERE batch_id = ?", found[0].batch_id)
    house.write("UPDATE batches SET provider = 'groq' WHERE batch_id = ?", found[1].batch_id)
    asked: list[str] = []

    def out_of_reach(known: str) -> None:
        asked.append(known)
        if known != "openai-3":
            raise ProviderUnreachableError("groq", "No answer.")

    provider.before_poll = out_of_reach

    @contextmanager
    def connect(name: str) -> Iterator[Connection]:
        if name == "anthropic":
            raise CredentialsError("anthropic", "No key.")
        yield provider.connection()

    polled = poll_batches(waiting(house), connect, house.warehouse, house.clock)
    assert list(polled.states) == [found[2].batch_id]
    said = {batch: str(error) for batch, error in polled.troubles.items()}
    assert said == {found[0].batch_id: "No key.", found[1].batch_id: "No answer."}
    assert (asked, polled.left) == (["openai-2", "openai-3"], 0)


def test_troubles_stand_with_the_batches_until_they_are_over(house: House, provider: ScriptedProvider) -> None:
    found = three(house, provider)
    with house.warehouse.write() as connection:
        troubles = {found[0].batch_id: CredentialsError("openai", "The key is refused.")}
        record_polled(connection, [found[0].batch_id, found[1].batch_id], troubles, house.clock())
    kinds = "SELECT error_kind, error, polled_at IS NULL FROM batches ORDER BY intended_at"
    refused = ("CredentialsError", "The key is refused.", False)
    assert house.rows(kinds) == [refused, (None, None, False), (None, None, True)]
    with house.warehouse.write() as connection:
        record_polled(connection, [found[0].batch_id], {}, house.clock())
    assert house.rows(kinds)[0] == (None, None, False)


def test_intents_are_looked_up(house: House, provider: ScriptedProvider) -> None:
    """One that is listed can be adopted; one that is not may still turn up, until the settling time is over."""

    def ready(batch: BatchRecord) -> bool:
        polled = poll_batches([batch], provider.connect, house.warehouse, house.clock)
        assert polled.states == {} and polled.ready <= {batch.batch_id}
        return bool(polled.ready)

    assert ready(orphan(house, provider, arrived=True))
    provider.held.clear()
    absent = only(house)
    assert ready(absent), "that it is not there is to be noted"
    absent = adopt(house, provider, absent)
    assert not ready(absent)
    house.clock.wind(seconds=60)
    assert ready(absent)


def ask_again(house: House, provider: ScriptedProvider) -> Polled:
    """A tick: ask, and write down what was learned."""
    polled = poll_batches(waiting(house), provider.connect, house.warehouse, house.clock)
    record(polled, house.warehouse, house.clock())
    return polled


def busy_for(provider: ScriptedProvider, seconds: float) -> list[str]:
    """The provider asks for so many seconds at every call; the ids it was asked about."""
    asked: list[str] = []

    def busy(known: str) -> None:
        asked.append(known)
        raise ProviderBusyError("openai", "Slow down.", retry_after=seconds)

    provider.before_poll = busy
    return asked


def test_a_provider_is_left_alone_as_long_as_it_asks(house: House, provider: ScriptedProvider) -> None:
    found = three(house, provider)
    asked = busy_for(provider, 15)
    until = house.clock() + timedelta(seconds=15)
    assert (ask_again(house, provider).paused, len(asked)) == ({"openai": until}, 1)
    house.clock.wind(seconds=14)
    polled = ask_again(house, provider)
    assert (polled.left, polled.paused, polled.troubles, len(asked)) == (3, {"openai": until}, {}, 1)
    assert house.rows("SELECT DISTINCT error FROM batches") == [("Slow down.",)], "why stands there still"
    collecting = [b.batch_id for b in found]
    done = collect_batches(
        collecting, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock
    )
    assert (done.waiting, done.troubles, len(asked)) == (tuple(collecting), (), 1)
    house.clock.wind(seconds=1)
    provider.before_poll = nothing
    polled = ask_again(house, provider)
    assert (len(polled.states), polled.paused) == (3, {})


def test_a_download_that_is_put_off_puts_off_polls_too(house: House, provider: ScriptedProvider) -> None:
    found = three(house, provider)
    asked = busy_for(provider, 20)
    ids = [found[0].batch_id]
    done = collect_batches(ids, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    assert done.troubles == ((found[0].batch_id, "Slow down."),)
    assert (ask_again(house, provider).left, len(asked)) == (3, 1)
    house.clock.wind(seconds=20)
    assert (ask_again(house, provider).left, len(asked)) == (0, 2)


@pytest.mark.parametrize(
    ("seconds", "left_alone"), [(float("inf"), 3600), (86_400 * 30, 3600), (0, 0), (float("nan"), 0), (None, 0)]
)
def test_a_time_beyond_reason_is_an_hour(
    house: House, provider: ScriptedProvider, seconds: float, left_alone: float
) -> None:
    three(house, provider)
    busy_for(provider, seconds)
    paused = ask_again(house, provider).paused
    assert paused == ({"openai": house.clock() + timedelta(seconds=left_alone)} if left_alone else {})
    house.clock.wind(hours=-2)
    busy_for(provider, 0)
    assert ask_again(house, provider).left == 0, "a clock that ran ahead sets no pause"


def test_a_batch_that_always_fails_keeps_no_other_waiting(house: House, provider: ScriptedProvider) -> None:
    """The provider is left after the first failure of a tick; the next tick begins with the others."""
    three(house, provider)
    asked: list[str] = []

    def first_fails(known: str) -> None:
        asked.append(known)
        if known == "openai-1":
            raise ProviderUnreachableError("openai", "500.")

    provider.before_poll = first_fails
    for _ in range(4):
        ask_again(house, provider)
        house.clock.wind(minutes=1)
    assert asked == ["openai-1", "openai-2", "openai-3", "openai-1"] * 2
    assert house.rows("SELECT error FROM batches ORDER BY intended_at") == [("500.",), (None,), (None,)]
