"""Asking how far the batches are: in turns, within the time, one trouble apart from the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from grabient_assets.batching.connection import Connection
from grabient_assets.batching.poll import poll_batches
from grabient_assets.errors import CredentialsError, ProviderUnreachableError, RequestRejectedError
from grabient_assets.warehouse.batches import BatchRecord, open_batches, record_polled
from grabient_assets_tests.batching.house import House
from grabient_assets_tests.batching.scripted_provider import ScriptedProvider
from grabient_assets_tests.batching.test_adopt import adopt, only, orphan
from grabient_assets_tests.batching.test_submit import send


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
        record_polled(connection, [found[1].batch_id], troubles, house.clock())
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
