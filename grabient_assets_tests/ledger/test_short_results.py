"""Results that look whole and are not: an answer that was paid for is not given up after one look."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.batches import open_batches
from grabient_assets.ledger.poll import poll_batches
from grabient_assets.ledger.round import Round, collect_batches
from grabient_assets.ledger.short_results import SHORT_AT_MOST
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.ledger.collecting import fates, send
from grabient_assets_tests.ledger.house import START, House
from grabient_assets_tests.ledger.place_at_emulator import Place
from grabient_assets_tests.ledger.scripted_provider import SETTLING, ScriptedProvider, answered

LACKING = "openai counts 1 result lines more than came"


def collect(house: House, provider: ScriptedProvider, batch_id: str) -> Round:
    return collect_batches(
        [batch_id], provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock
    )


def short(house: House, provider: ScriptedProvider) -> str:
    """A batch of three answers, of which two came at the first look."""
    batch = send(house, provider, "a", "b", "c")
    provider.end("openai-1", [answered("a"), answered("b")], least_lines=3)
    assert collect(house, provider, batch.batch_id).waiting == (batch.batch_id,)
    assert fates(house) == {"a": None, "b": None, "c": None}
    [(status, key, error)] = house.rows("SELECT status, results_key, error FROM batches")
    assert (status, key) == ("submitted", None) and error.startswith(LACKING)
    assert not list(house.folder.rglob("results*"))
    return batch.batch_id


def ready(house: House, provider: ScriptedProvider) -> bool:
    with house.warehouse.read() as connection:
        waiting = open_batches(connection)
    return bool(poll_batches(waiting, provider.connect, house.warehouse, house.clock).ready)


def test_the_rest_comes_with_the_next_look(house: House, provider: ScriptedProvider) -> None:
    batch_id = short(house, provider)
    provider.end("openai-1", least_lines=3)
    house.clock.now += SETTLING
    [done] = collect(house, provider, batch_id).collected
    assert done.problems == () and fates(house) == dict.fromkeys("abc", "succeeded")


def test_the_same_twice_is_taken_and_only_the_rest_is_due_again(house: House, provider: ScriptedProvider) -> None:
    batch_id = short(house, provider)
    assert not ready(house, provider) and collect(house, provider, batch_id).collected == ()
    house.clock.now += SETTLING
    assert ready(house, provider)
    provider.held["openai-1"].lines = [answered("b"), answered("a"), answered("a")]  # another order, one line twice
    assert collect(house, provider, batch_id).collected == (), "not the same"
    house.clock.now += SETTLING
    [done] = collect(house, provider, batch_id).collected
    assert done.problems[0] == f"{LACKING}, twice the same."
    assert fates(house) == {"a": "succeeded", "b": "succeeded", "c": "missing"}
    assert house.rows("SELECT custom_id FROM palette_tags ORDER BY 1") == [("a",), ("b",)]


def test_a_clock_that_is_set_back_between_two_looks_keeps_nothing_waiting(
    house: House, provider: ScriptedProvider
) -> None:
    batch_id = short(house, provider)
    house.clock.wind(days=-2)
    assert collect(house, provider, batch_id).waiting == (batch_id,)
    house.clock.now += SETTLING
    assert len(collect(house, provider, batch_id).collected) == 1


@pytest.mark.parametrize(("provider", "route"), [("anthropic", "results"), ("openai", "file_content")])
def test_a_file_that_came_empty_is_fetched_again(place: Place, provider: str, route: str) -> None:
    place.emulator.faults(
        {
            "match": {"provider": provider, "route": route, "nth": 1},
            "action": {"do": "cut", "share": 0.0, "clean": True},
        }
    )
    batch = place.sent(provider)
    while place.ledger(batch.batch_id).short_at is None:
        assert place.collect(batch.batch_id).waiting
    assert place.collect(batch.batch_id).troubles == ()
    assert place.fates(batch.batch_id) == {"succeeded": 4}


def test_lines_that_the_emulator_leaves_out_are_missing_in_due_time(tmp_path: Path, emulator: Running) -> None:
    for provider in PROVIDERS:
        place = Place(House(tmp_path / provider), emulator)
        emulator.faults({"match": {}, "action": {"do": "missing", "count": 1}})
        batch = place.sent(provider)
        looks = 0
        while place.ledger(batch.batch_id).status != "collected":
            assert place.collect(batch.batch_id).troubles == ()
            looks += 1
            assert looks < 6
        assert place.fates(batch.batch_id) == {"missing": 1, "succeeded": 3}


@pytest.mark.parametrize("provider", ["openai", "groq"])
def test_a_file_of_errors_does_not_hide_answers_that_were_cut(place: Place, provider: str) -> None:
    """Half of the batch expired. There are as many error lines as answers are lacking, and they make up for none."""
    first_file = {"provider": provider, "route": "file_content", "nth": 1}
    place.emulator.faults(
        {"match": {}, "action": {"do": "expire", "share": 0.5}},
        {"match": first_file, "action": {"do": "cut", "share": 0.0, "clean": True}},
    )
    batch = place.sent(provider, 8)
    while place.ledger(batch.batch_id).short_at is None:
        assert place.collect(batch.batch_id).waiting
    assert (place.ledger(batch.batch_id).error or "").startswith(f"{provider} counts 4 result lines more than came")
    assert place.collect(batch.batch_id).troubles == ()
    assert place.fates(batch.batch_id) == {"expired": 4, "succeeded": 4}


def test_lines_that_nobody_can_read_may_be_the_answers(house: House, provider: ScriptedProvider) -> None:
    batch = send(house, provider, "a", "b", "c")
    provider.end("openai-1", [answered("a"), b"{ cut"], least_answers=2)
    [done] = collect(house, provider, batch.batch_id).collected
    assert fates(house) == {"a": "succeeded", "b": "unreadable", "c": "unreadable"}
    assert done.problems[0].startswith("Result line 2 cannot be read")


def test_results_that_are_others_at_each_look_are_taken_in_the_end(house: House, provider: ScriptedProvider) -> None:
    batch_id, looks = short(house, provider), 0
    while not (done := collect(house, provider, batch_id)).collected:
        looks += 1
        house.clock.wind(minutes=10)
        provider.held["openai-1"].lines = [answered("a"), answered("b", notes_of=looks)][: 1 + looks % 2]
        assert looks < 50
    assert house.clock.now - START >= SHORT_AT_MOST and looks == 36
    assert done.collected[0].problems[0].startswith("openai counts")


def test_a_batch_that_was_closed_meanwhile_gets_no_complaint(house: House, provider: ScriptedProvider) -> None:
    batch = send(house, provider, "a", "b", "c")
    provider.end("openai-1", [answered("a")], least_lines=3)
    provider.before_poll = lambda _: house.write("UPDATE batches SET status = 'collected', error = NULL")
    collect(house, provider, batch.batch_id)
    assert house.rows("SELECT error, short_at FROM batches") == [(None, None)]
