"""Cancelling, at the emulator over sockets: what was finished is kept, the rest is recorded and stays unasked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from grabient_assets.errors import (
    BatchUnknownError,
    CredentialsError,
    GrabientError,
    ProviderBusyError,
    RequestRejectedError,
    UsageError,
)
from grabient_assets.groups.purposes import reader_of
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.ledger.asked_progress import failed_asks
from grabient_assets.ledger.asks import record_asks
from grabient_assets.ledger.cancel import Stopped, stop_batch
from grabient_assets.ledger.costs import unbalanced_batches
from grabient_assets.ledger.due import due_requests
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.ledger.place_at_emulator import Place
from grabient_assets_tests.ledger.watch import Watch


def stop(place: Place, name: str, watch: Watch | None = None, timeout: float = 60, **how: Any) -> Stopped:
    watch = watch or Watch()
    house = place.house
    reader = reader_of(house.warehouse, house.store)
    return stop_batch(name, place.connect, house.warehouse, reader, house.clock, watch.patience(timeout), **how)


def cancel_calls(place: Place, provider: str) -> int:
    return place.emulator.calls(provider).get("cancel", 0)


def due(place: Place, provider: str) -> int:
    with place.house.warehouse.read() as connection:
        return len(due_requests(connection, TAGGING, provider))


def balanced(place: Place) -> bool:
    with place.house.warehouse.read() as connection:
        return unbalanced_batches(connection) == (0, [])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_finished_answers_are_kept_and_the_rest_is_not_asked_again(place: Place, provider: str) -> None:
    batch = place.sent(provider)
    watch = Watch()
    stopped = stop(place, str(batch.provider_batch_id), watch)
    assert (stopped.how, stopped.to_collect, stopped.batch.batch_id) == ("stopped", True, batch.batch_id)
    assert cancel_calls(place, provider) == 1
    assert len(watch.said) == 1 and watch.said[0].startswith(f"Waiting for {provider} to end batch {batch.batch_id} (")
    stopping = place.ledger(batch.batch_id)
    assert (stopping.status, stopping.cancel_asked_at) == ("submitted", place.house.clock())

    done = place.collect(batch.batch_id)
    assert done.troubles == ()
    # One of two polls had been made when it was stopped, so half was finished. Google hands none of it out.
    finished = 0 if provider == "google" else 2
    expected = {"cancelled": 4 - finished} | ({"succeeded": finished} if finished else {})
    assert place.fates(batch.batch_id) == expected and balanced(place)
    ledger = place.ledger(batch.batch_id)
    assert (ledger.status, ledger.outcome, ledger.succeeded) == ("collected", "cancelled", finished)
    assert due(place, provider) == 0, "nothing of it is due again by itself"
    query = "SELECT fate, error, answer_text IS NULL FROM palette_tags WHERE error IS NOT NULL"
    why = "The batch was cancelled before this request was answered."
    assert place.house.rows(query) == [("cancelled", why, True)] * (4 - finished)


def test_what_was_cancelled_elsewhere_is_due_again(place: Place) -> None:
    """In the provider's console, or by the provider itself."""
    batch = place.sent("openai")
    with place.connect("openai") as connection:
        connection.provider.cancel(str(batch.provider_batch_id))
    while place.ledger(batch.batch_id).status == "submitted":
        assert place.collect(batch.batch_id).troubles == ()
    assert place.fates(batch.batch_id) == {"cancelled": 4} and due(place, "openai") == 4


def test_a_retry_asks_exactly_for_what_was_cancelled(place: Place) -> None:
    batch = place.sent("google", 3)
    stop(place, batch.batch_id)
    place.collect(batch.batch_id)
    with place.house.warehouse.write() as connection:
        failed = failed_asks(connection, TAGGING, None)
        assert len(failed) == 3
        now = place.house.clock.wind(hours=1)
        record_asks(connection, TAGGING, [f.partition for f in failed], [failed[0].target], 1, now, retry=True)
    [again] = place.submit("google")
    ids = "SELECT custom_id FROM batch_requests WHERE batch_id = ? ORDER BY 1"
    assert place.house.rows(ids, again.batch_id) == place.house.rows(ids, batch.batch_id)


def test_an_unknown_id(place: Place) -> None:
    with pytest.raises(UsageError, match=r"no batch 'tagging-1'.*`grabient status --json` lists the open ones"):
        stop(place, "tagging-1")


def test_what_was_collected_is_left_alone(place: Place) -> None:
    batch = place.sent("openai")
    stop(place, batch.batch_id)
    place.collect(batch.batch_id)
    before = place.house.rows("SELECT * FROM palette_tags ORDER BY ALL")
    calls = place.emulator.calls("openai")
    for give_up in (False, True):
        stopped = stop(place, batch.batch_id, give_up=give_up)
        assert stopped.how == "nothing_to_stop" and "was collected at" in stopped.sentence
    assert place.emulator.calls("openai") == calls, "nobody is asked"
    assert place.house.rows("SELECT * FROM palette_tags ORDER BY ALL") == before


@pytest.mark.parametrize(
    ("status", "said"),
    [("deferred", "put off (queue full). Its requests are due again"), ("refused", "never accepted")],
)
def test_what_never_was_with_the_provider(place: Place, status: str, said: str) -> None:
    batch = place.sent("openai")
    place.house.write("UPDATE batches SET status = ?, error = 'queue full', provider_batch_id = NULL", status)
    stopped = stop(place, batch.batch_id)
    assert stopped.how == "nothing_to_stop" and said in stopped.sentence
    assert cancel_calls(place, "openai") == 0


def drop(place: Place, do: str) -> None:
    place.emulator.faults({"match": {"route": "create", "times": 1}, "action": {"do": do}})


def test_a_create_call_without_an_answer_is_looked_up_adopted_and_stopped(place: Place) -> None:
    pending(place, {"match": {"route": "create", "times": 1}, "action": {"do": "drop_after_accept"}})
    batch = place.sent("openai")
    assert place.ledger(batch.batch_id).status == "intended"
    stopped = stop(place, batch.batch_id)
    assert stopped.how == "stopped" and cancel_calls(place, "openai") == 1
    place.collect(batch.batch_id)
    assert place.fates(batch.batch_id) == {"cancelled": 4}
    assert len(place.emulator.control("GET", "calls")["creates"]) == 1


def test_a_create_call_that_never_arrived_is_recorded_as_not_sent(place: Place) -> None:
    drop(place, "drop_before")
    batch = place.sent("openai")
    stopped = stop(place, batch.batch_id)
    assert (stopped.how, stopped.batch.status) == ("not_sent", "refused")
    assert "never reached openai; its 4 requests are recorded as cancelled" in stopped.sentence
    assert place.fates(batch.batch_id) == {"cancelled": 4} and cancel_calls(place, "openai") == 0
    assert due(place, "openai") == 0, "it is not sent after all"
    why = "Not sent: the create call never reached openai, and the batch was cancelled."
    assert place.house.rows("SELECT DISTINCT fate, error FROM palette_tags") == [("cancelled", why)]
    assert stop(place, batch.batch_id).how == "nothing_to_stop"


def test_while_it_cannot_be_told_whether_it_arrived_it_is_waited_for(place: Place) -> None:
    drop(place, "drop_before")
    batch = place.sent("openai")
    place.settling = timedelta(seconds=60)
    watch = Watch(meanwhile=lambda: place.house.clock.wind(seconds=61))
    assert stop(place, batch.batch_id, watch).how == "not_sent"
    waits_for = f"the create call of batch {batch.batch_id}, whose end nobody saw, to be cleared up"
    assert watch.said == [f"Waiting for {waits_for}. (60 seconds at most, next look in 0.5 s.)"]


def refuse_cancel(place: Place, status: int, **more: Any) -> None:
    action = {"do": "status", "status": status, "message": "It cannot be cancelled."} | more
    place.emulator.faults({"match": {"route": "cancel"}, "action": action})


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_batch_that_ends_while_it_is_cancelled_loses_nothing(place: Place, provider: str) -> None:
    batch = place.sent(provider)
    refuse_cancel(place, 400)  # and the second poll finds it ended
    stopped = stop(place, batch.batch_id)
    assert (stopped.how, cancel_calls(place, provider)) == ("ended", 1)
    assert "had already ended" in stopped.sentence
    assert place.collect(batch.batch_id).troubles == ()
    assert place.fates(batch.batch_id) == {"succeeded": 4}


def test_a_batch_that_had_ended_is_not_asked_to_stop(place: Place) -> None:
    batch = place.sent("groq")
    with place.connect("groq") as connection:
        while connection.provider.poll(str(batch.provider_batch_id)).state != "ended":
            pass
    assert (stop(place, batch.batch_id).how, cancel_calls(place, "groq")) == ("ended", 0)


def pending(place: Place, *rules: dict[str, Any]) -> None:
    """Batches that are created from now on never end by themselves."""
    place.emulator.faults({"match": {}, "action": {"do": "pending"}}, *rules)


def test_a_refused_cancel_is_an_error_and_changes_nothing(place: Place) -> None:
    pending(place)
    batch = place.sent("openai")
    refuse_cancel(place, 400)
    with pytest.raises(RequestRejectedError, match=r"While cancelling batch .* It cannot be cancelled"):
        stop(place, batch.batch_id)
    ledger = place.ledger(batch.batch_id)
    assert (ledger.status, ledger.cancel_asked_at) == ("submitted", None) and place.fates(batch.batch_id) == {}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_404_of_the_cancel_call_does_not_say_that_the_batch_is_unknown(place: Place, provider: str) -> None:
    pending(place)
    batch = place.sent(provider)
    refuse_cancel(place, 404)
    for give_up in (False, True):
        with pytest.raises(
            RequestRejectedError, match=f"404 to the call that stops batch {batch.batch_id}, but it has"
        ):
            stop(place, batch.batch_id, give_up=give_up)
        ledger = place.ledger(batch.batch_id)
        assert (ledger.status, ledger.cancel_asked_at) == ("submitted", None) and place.fates(batch.batch_id) == {}


def test_a_busy_provider_is_asked_again_until_the_time_is_up(place: Place) -> None:
    pending(place)
    batch = place.sent("openai")
    refuse_cancel(place, 503)
    watch = Watch()
    with pytest.raises(ProviderBusyError, match=r"After 20 seconds.*`grabient cancel .*` waits on"):
        stop(place, batch.batch_id, watch, timeout=20)
    assert watch.pauses[:4] == [0.5, 0.75, 1.125, 1.6875] and sum(watch.pauses) == 20
    assert cancel_calls(place, "openai") == len(watch.pauses) + 1
    assert "Waiting for openai to answer: While cancelling batch" in watch.said[0]
    place.emulator.faults()
    assert stop(place, batch.batch_id).how == "stopped"


class Killed(BaseException):
    """What no `except Exception` may catch."""


def test_killed_while_waiting_the_next_round_collects_it(place: Place) -> None:
    batch = place.sent("anthropic")

    def die() -> None:
        raise Killed

    with pytest.raises(Killed):
        stop(place, batch.batch_id, Watch(meanwhile=die))
    assert place.collect(batch.batch_id).troubles == ()
    assert place.fates(batch.batch_id) == {"cancelled": 2, "succeeded": 2} and balanced(place)


def test_another_process_may_collect_it_meanwhile(place: Place) -> None:
    batch = place.sent("openai")
    stopped = stop(place, batch.batch_id, Watch(meanwhile=lambda: place.collect(batch.batch_id)))
    assert stopped.how == "nothing_to_stop" and "was collected at" in stopped.sentence
    assert place.fates(batch.batch_id) == {"cancelled": 2, "succeeded": 2}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_the_provider_does_not_know_any_more_is_closed_only_when_a_person_says_so(
    place: Place, provider: str
) -> None:
    batch = place.sent(provider)
    place.emulator.control("POST", "reset")
    with pytest.raises(BatchUnknownError, match=f"grabient cancel {batch.provider_batch_id} --give-up"):
        stop(place, batch.batch_id)
    assert place.ledger(batch.batch_id).status == "submitted"
    stopped = stop(place, batch.batch_id, give_up=True)
    assert stopped.how == "given_up" and "it may still run and be billed" in stopped.sentence
    assert place.fates(batch.batch_id) == {"missing": 4} and balanced(place)
    ledger = place.ledger(batch.batch_id)
    assert (ledger.status, ledger.cost_usd) == ("collected", None) and "no such batch" in str(ledger.error)
    assert due(place, provider) == 0, "missing ones are usually due again; these only when a person says so"
    assert place.house.rows("SELECT DISTINCT fate, error FROM palette_tags") == [
        ("missing", f"Given up without an answer from {provider}.")
    ]


def test_a_batch_of_another_key_is_not_touched(place: Place) -> None:
    batch = place.sent("openai")
    place.account = "another"
    with pytest.raises(CredentialsError, match=r"another key or to another address.*--give-up.*may go on"):
        stop(place, batch.batch_id)
    assert cancel_calls(place, "openai") == 0 and place.ledger(batch.batch_id).status == "submitted"
    assert stop(place, batch.batch_id, give_up=True).how == "given_up"
    assert cancel_calls(place, "openai") == 0 and place.fates(batch.batch_id) == {"missing": 4}
    assert "another key" in str(place.ledger(batch.batch_id).error)


def test_giving_up_does_not_give_up_what_can_be_asked_for(place: Place) -> None:
    pending(place)
    batch = place.sent("openai")
    refuse_cancel(place, 503)
    with pytest.raises(GrabientError):
        stop(place, batch.batch_id, timeout=0, give_up=True)
    place.emulator.faults()
    assert stop(place, batch.batch_id, give_up=True).how == "stopped"
