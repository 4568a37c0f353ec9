"""--give-up does not believe one bad answer: what a provider says counts when it says it again a minute later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from grabient_assets.errors import (
    BatchUnknownError,
    CredentialsError,
    ModelUnavailableError,
    ProviderBusyError,
    ProviderError,
    ProviderUnreachableError,
    RequestRejectedError,
    ResultsError,
)
from grabient_assets.ledger.cancel import stop_batch
from grabient_assets.ledger.connection import Connection
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import BatchState
from grabient_assets.providers.deadlines import Timeouts as Attempts
from grabient_assets_tests.ledger.giving_up import READ, collect, ended_and_broken, fates, salvage, sent, stop
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.open_batches import open_batch
from grabient_assets_tests.ledger.orphans import orphan
from grabient_assets_tests.ledger.scripted_provider import SETTLING, ScriptedProvider, nothing
from grabient_assets_tests.ledger.watch import in_the_house
from grabient_assets_tests.providers.faces import KEY, OPENAI


def in_turn(*faults: Exception | None) -> Callable[[str], None]:
    """What the polls meet, one after the other; the last for ever."""
    left = list(faults)

    def met(_: str) -> None:
        fault = left.pop(0) if len(left) > 1 else left[0]
        if fault is not None:
            raise fault

    return met


UNREADABLE = ResultsError("openai", "openai answered something that is not its API (HTML of a proxy).")
REFUSED = RequestRejectedError("openai", "405 Method Not Allowed.")
BUSY = ProviderBusyError("openai", "500 Internal Server Error.")
GONE = ProviderUnreachableError("openai", "No answer.")
UNKNOWN = BatchUnknownError("openai", "No such batch.")
LASTING = (
    UNREADABLE,
    UNKNOWN,
    REFUSED,
    CredentialsError("openai", "403 Forbidden."),
    ModelUnavailableError("openai", "404 model_not_found."),
)


@pytest.mark.parametrize("fault", LASTING, ids=lambda fault: type(fault).__name__)
def test_one_bad_answer_of_a_poll_is_not_believed(
    house: House, provider: ScriptedProvider, fault: ProviderError
) -> None:
    batch = sent(house, provider, "a", "b")
    provider.end("openai-1")
    for seconds in (600.0, 0.0):
        provider.before_poll = in_turn(fault, None)
        assert stop(house, provider, batch.batch_id, seconds, give_up=True).how == "ended"
    assert fates(house) == {"a": None, "b": None}


@pytest.mark.parametrize("fault", LASTING, ids=lambda fault: type(fault).__name__)
def test_the_same_answer_a_settling_time_later_is(
    house: House, provider: ScriptedProvider, fault: ProviderError
) -> None:
    batch = sent(house, provider, "a", "b")
    provider.before_poll = in_turn(fault)
    with pytest.raises(type(fault)):
        stop(house, provider, batch.batch_id)
    assert house.rows("SELECT status, cancel_asked_at FROM batches") == [("submitted", None)]
    began = house.clock()
    stopped = stop(house, provider, batch.batch_id, 0, give_up=True)
    assert (stopped.how, fates(house)) == ("given_up", {"a": "missing", "b": "missing"})
    assert SETTLING <= house.clock() - began < 2 * SETTLING, "looked at twice, though there was no patience"


def test_a_good_answer_in_between_begins_anew(house: House, provider: ScriptedProvider) -> None:
    batch = sent(house, provider, "a")
    looked: list[datetime] = []

    def met(_: str) -> None:
        looked.append(house.clock())
        if len(looked) != 10:
            raise UNREADABLE

    provider.before_poll = met
    assert stop(house, provider, batch.batch_id, give_up=True).how == "given_up"
    assert looked[-1] - looked[10] >= SETTLING > looked[9] - looked[0]


def test_a_poll_that_always_answers_500_is_closed_when_the_time_is_up(house: House, provider: ScriptedProvider) -> None:
    batch = sent(house, provider, "a", "b")
    provider.before_poll = in_turn(BUSY)
    for seconds, give_up in ((600, False), (0, True), (30, True)):
        with pytest.raises(ProviderBusyError, match="is still open"):
            stop(house, provider, batch.batch_id, seconds, give_up=give_up)
    assert house.rows("SELECT status, cancel_asked_at FROM batches") == [("submitted", None)]
    began = house.clock()
    stopped = stop(house, provider, batch.batch_id, 600, give_up=True)
    assert (stopped.how, fates(house)) == ("given_up", {"a": "missing", "b": "missing"})
    assert house.clock() - began == timedelta(seconds=600), "not before"
    assert "500 Internal Server Error" in str(stopped.batch.error)


@pytest.mark.parametrize("status", [400, 405, 410])
def test_a_poll_that_is_refused_over_the_wire(house: House, httpserver: HTTPServer, status: int) -> None:
    batch_id = open_batch(house, OPENAI, ["a", "b"])
    body = OPENAI.error(status, "x", "Not this way.")
    httpserver.expect_request(OPENAI.retrieve).respond_with_json(body, status=status)

    @contextmanager
    def connect_to_it(name: str) -> Iterator[Connection]:
        api = connect(name, KEY, httpserver.url_for("").rstrip("/") + OPENAI.suffix, Attempts(attempts=1))
        yield Connection(api, "emulator", "emulator", SETTLING, None)
        api.close()

    how = (connect_to_it, house.warehouse, lambda _: READ, house.clock, in_the_house(house))
    with pytest.raises(RequestRejectedError, match="Not this way"):
        stop_batch(batch_id, *how)
    assert stop_batch(batch_id, *how, give_up=True).how == "given_up"
    assert fates(house) == {"a": "missing", "b": "missing"}


@dataclass
class Watched(ScriptedProvider):
    """After it has looked for a batch, something happens."""

    after_find: Callable[[], None] = nothing

    def find(self, *args: Any, **how: Any) -> list[BatchState]:
        found = super().find(*args, **how)
        self.after_find()
        return found


@pytest.mark.parametrize("collected", [False, True])
def test_what_another_process_adopts_in_that_moment_is_not_given_up(house: House, collected: bool) -> None:
    """Adopted, and perhaps collected, during the last look before it would be closed."""
    provider = Watched(clock=house.clock, labels=False)
    batch = orphan(house, provider, arrived=True)
    began = house.clock()
    looks: list[datetime] = []

    def another_process() -> None:
        if house.clock() - began < SETTLING:
            return
        looks.append(house.clock())
        if len(looks) == 2:  # one look at a batch asks twice, and this is the second time
            house.write("UPDATE batches SET status = 'submitted', provider_batch_id = 'openai-1'")
            provider.end("openai-1")
            if collected:
                collect(house, provider, batch.batch_id)

    provider.after_find = another_process
    stopped = stop(house, provider, batch.batch_id, give_up=True)
    assert (stopped.how, len(looks)) == ("nothing_to_stop" if collected else "ended", 2)
    if not collected:
        assert fates(house) == {"a": None, "b": None}
        collect(house, provider, batch.batch_id)
    assert fates(house) == {"a": "succeeded", "b": "succeeded"}
    assert house.rows("SELECT status, given_up_at, cost_usd > 0 FROM batches") == [("collected", None, True)]


@dataclass
class Flaky(ScriptedProvider):
    """Its result file breaks off after so many lines, in this download and the next, or meets a fault; afterwards it is
    whole. The last for ever when `always`."""

    turns: list[int | Exception] = field(default_factory=list)
    always: bool = False
    times: list[datetime] = field(default_factory=list)

    def lines(self, provider_batch_id: str) -> Iterator[bytes]:
        self.times.append(self.clock())
        lines = self.held[provider_batch_id].lines or []
        if not self.turns:
            yield from lines
            return
        turn = self.turns[0] if self.always and len(self.turns) == 1 else self.turns.pop(0)
        if isinstance(turn, Exception):
            raise turn
        yield from lines[:turn]
        raise ResultsError(self.name, "The results broke off.")


@pytest.fixture
def flaky(house: House) -> Flaky:
    """With an ended batch of four answers."""
    provider = Flaky(clock=house.clock)
    ended_and_broken(house, provider)
    return provider


def the_batch(house: House) -> str:
    [(batch_id,)] = house.rows("SELECT batch_id FROM batches")
    return batch_id


@pytest.mark.parametrize("fault", [2, BUSY, GONE])
def test_one_broken_download_gives_up_nothing(house: House, flaky: Flaky, fault: int | Exception) -> None:
    flaky.turns = [fault]
    done = salvage(house, flaky, the_batch(house))
    assert done is not None and (done.batch.error, done.fates) == (None, {"succeeded": 4})
    assert len(flaky.times) == 2 and flaky.times[1] - flaky.times[0] == SETTLING


def test_as_long_as_it_breaks_off_elsewhere_it_is_downloaded_again(house: House, flaky: Flaky) -> None:
    flaky.turns = [1, 3, 2, 2]
    done = salvage(house, flaky, the_batch(house))
    assert done is not None and len(flaky.times) == 4
    expected = {"a": "succeeded", "b": "succeeded", "c": "succeeded", "d": "missing"}
    assert fates(house) == expected, "the longest is kept"


def test_a_file_that_is_never_handed_out_is_given_up_when_the_time_is_up(house: House, flaky: Flaky) -> None:
    flaky.turns, flaky.always = [BUSY], True
    began = house.clock()
    assert salvage(house, flaky, the_batch(house)) is not None
    assert fates(house) == dict.fromkeys("abcd", "missing") and house.clock() - began == timedelta(seconds=600)


def test_a_file_that_is_out_of_reach_is_not_given_up(house: House, flaky: Flaky) -> None:
    flaky.turns, flaky.always = [GONE], True
    with pytest.raises(ProviderUnreachableError):
        salvage(house, flaky, the_batch(house))
    assert fates(house) == dict.fromkeys("abcd")
