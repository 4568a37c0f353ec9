"""A batch that was stopped is collected before the person who stopped it goes, or it is said why not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from grabient_assets.errors import GrabientError, ProviderBusyError
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.closing import finish_batch
from grabient_assets.ledger.collect import Collected
from grabient_assets.ledger.wait_limit import WaitLimit
from grabient_assets_tests.ledger.giving_up import READ, collect, ended_and_broken, fates, sent, stop
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import SETTLING, ScriptedProvider, answered
from grabient_assets_tests.ledger.watch import Watch, in_the_house


def finish(
    house: House,
    provider: ScriptedProvider,
    batch: BatchRecord,
    patience: WaitLimit | None = None,
    *,
    give_up: bool = False,
) -> Collected | None:
    how = (provider.connect, house.warehouse, house.store, lambda _: READ, house.clock)
    return finish_batch(batch, *how, patience or in_the_house(house), "run-1", give_up=give_up)


def stopped_and_short(house: House, provider: ScriptedProvider) -> BatchRecord:
    """Of three answers the provider hands out one."""
    batch = sent(house, provider, *"abc")
    provider.end("openai-1", [answered("a")], least_lines=3)
    assert stop(house, provider, batch.batch_id).how == "ended"
    return batch


def test_results_that_are_short_at_first_are_waited_for(house: House, provider: ScriptedProvider) -> None:
    batch = stopped_and_short(house, provider)
    watch = Watch(meanwhile=lambda: provider.end("openai-1", least_lines=3))
    done = finish(house, provider, batch, in_the_house(house, 600, watch))
    assert done is not None and done.batch.collect_run_id == "run-1"
    assert fates(house) == dict.fromkeys("abc", "succeeded")
    said = f"Waiting for the results of batch {batch.batch_id} to be complete: openai counts 2 result lines more than"
    assert watch.said[0].startswith(said)


def test_results_that_stay_short_are_taken_a_settling_time_later(house: House, provider: ScriptedProvider) -> None:
    batch = stopped_and_short(house, provider)
    began = house.clock()
    assert finish(house, provider, batch) is not None
    assert SETTLING <= house.clock() - began < 2 * SETTLING
    assert fates(house) == {"a": "succeeded", "b": "missing", "c": "missing"}


def test_when_the_time_is_up_it_is_said_that_it_is_not_collected(house: House, provider: ScriptedProvider) -> None:
    batch = stopped_and_short(house, provider)
    said = r"has ended at openai, but after 5 seconds.*counts 2 result lines more.*`grabient cancel .*` waits on"
    with pytest.raises(GrabientError, match=said):
        finish(house, provider, batch, in_the_house(house, 5))
    assert house.rows("SELECT status FROM batches") == [("submitted",)]
    assert finish(house, provider, batch) is not None


def test_a_pause_of_the_provider_does_not_hold_a_person_up(house: House, provider: ScriptedProvider) -> None:
    batch = sent(house, provider, "a")
    provider.end("openai-1")
    house.write("INSERT INTO provider_pauses VALUES ('openai', ?)", house.clock() + timedelta(minutes=50))
    assert collect(house, provider, batch.batch_id).waiting == (batch.batch_id,), "everybody else leaves it alone"
    assert finish(house, provider, batch, in_the_house(house, 0)) is not None
    assert fates(house) == {"a": "succeeded"}


def test_what_another_process_has_collected_is_left_alone(house: House, provider: ScriptedProvider) -> None:
    batch = sent(house, provider, "a")
    provider.end("openai-1")
    collect(house, provider, batch.batch_id)
    assert finish(house, provider, batch) is None


def test_a_trouble_is_an_error_and_with_give_up_looked_at_again(house: House, provider: ScriptedProvider) -> None:
    batch = ended_and_broken(house, provider)
    with pytest.raises(GrabientError, match="broke off"):
        finish(house, provider, batch)
    looks = []

    def busy_once(_: str) -> None:
        looks.append(house.clock())
        if len(looks) == 1:
            provider.held["openai-1"].breaks_off = False
            raise ProviderBusyError("openai", "503 for a moment.")

    provider.before_poll = busy_once
    done = finish(house, provider, batch, give_up=True)
    assert done is not None and (done.batch.error, done.fates) == (None, {"succeeded": 4})


def test_what_stays_broken_is_given_up(house: House, provider: ScriptedProvider) -> None:
    batch = ended_and_broken(house, provider)
    done = finish(house, provider, batch, give_up=True)
    assert done is not None and done.fates == {"succeeded": 2, "missing": 2}
