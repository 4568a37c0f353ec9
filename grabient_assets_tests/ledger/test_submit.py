"""Sending: intent first, one create call, and what each way of ending leaves in the ledger."""

from __future__ import annotations

import gzip
import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest

from grabient_assets import interrupts
from grabient_assets.errors import (
    AmbiguousSubmissionError,
    CredentialsError,
    ModelUnavailableError,
    ProviderBusyError,
    ProviderError,
    ProviderUnreachableError,
    RequestRejectedError,
)
from grabient_assets.ledger import batches
from grabient_assets.ledger.adopt import adopt_batch
from grabient_assets.ledger.backoff import deferral
from grabient_assets.ledger.send import closed_until, send_requests
from grabient_assets.ledger.submit import PreparedRequest, split
from grabient_assets.providers.contract import BatchFile
from grabient_assets.registry.model import BatchLimits
from grabient_assets_tests.ledger.house import START, House, palette
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider
from grabient_assets_tests.ledger.sending import ORDER, requests, send


def sizes(lengths: list[int], limits: BatchLimits) -> list[list[int]]:
    lines = [PreparedRequest(str(n), "s", 0, b"x" * length) for n, length in enumerate(lengths)]
    return [[len(r.line) for r in part] for part in split(lines, limits)]


@pytest.mark.parametrize(
    ("lengths", "limits", "parts"),
    [
        ([], BatchLimits(2, 100), []),
        ([1, 1], BatchLimits(2, 100), [[1, 1]]),
        ([1, 1, 1], BatchLimits(2, 100), [[1, 1], [1]]),
        ([4, 4], BatchLimits(9, 10), [[4, 4]]),  # 4 + 4 and two line ends are exactly 10
        ([4, 5], BatchLimits(9, 10), [[4], [5]]),
        ([9, 1], BatchLimits(9, 10), [[9], [1]]),
        ([1, 50, 1], BatchLimits(9, 10), [[1], [50], [1]]),  # too long for any file: goes alone
    ],
)
def test_files_are_cut_at_the_limits(lengths: list[int], limits: BatchLimits, parts: list[list[int]]) -> None:
    assert sizes(lengths, limits) == parts


def test_the_intent_is_in_the_ledger_before_the_create_call(house: House, provider: ScriptedProvider) -> None:
    seen: list[tuple[object, ...]] = []

    def look(file: BatchFile) -> None:
        seen.extend(house.rows("SELECT batch_id, status, provider_batch_id, request_count FROM batches"))
        seen.extend(house.rows("SELECT custom_id, subject, fate FROM batch_requests ORDER BY ALL"))
        seen.append((file.batch_id, house.store.exists(f"batches/{file.batch_id}/requests.jsonl.gz")))

    provider.before_submit = look
    done = send(house, provider, "a", "b")
    assert done is not None
    label = done.batch.batch_id
    assert seen == [
        (label, "intended", None, 2),
        ("a", "seed-a", None),
        ("b", "seed-b", None),
        (label, True),
    ]
    with house.warehouse.read() as connection:
        assert batches.batch(connection, label) == done.batch
    assert (done.batch.status, done.batch.provider_batch_id, done.batch.input_file_id) == (
        "submitted",
        "openai-1",
        "file-openai-1",
    )
    assert (done.batch.intended_at, done.batch.submitted_at, done.batch.submit_run_id) == (START, START, "run-1")
    archived = gzip.decompress(house.store.get(f"batches/{label}/requests.jsonl.gz"))
    assert archived == b'{"custom_id": "a"}\n{"custom_id": "b"}\n'


def test_what_is_in_flight_is_left_out(house: House, provider: ScriptedProvider) -> None:
    assert send(house, provider, "a", "b")
    again = send(house, provider, "b", "c")
    assert again is not None and again.batch.request_count == 1
    assert send(house, provider, "a", "b", "c") is None
    assert provider.sent == ["a", "b", "c"]


REFUSALS = [
    (AmbiguousSubmissionError("openai", "dropped"), "intended", None),
    (CredentialsError("openai", "401"), "refused", "errored"),
    (ModelUnavailableError("openai", "404"), "refused", "errored"),
    (RequestRejectedError("openai", "400"), "refused", "errored"),
    (ProviderBusyError("openai", "429"), "deferred", "errored"),
    (ProviderUnreachableError("openai", "refused"), "deferred", "errored"),
    (ProviderError("openai", "odd"), "deferred", "errored"),
]


@pytest.mark.parametrize(("error", "status", "fate"), REFUSALS, ids=[type(e).__name__ for e, _, _ in REFUSALS])
def test_each_ending_has_its_status(
    house: House, provider: ScriptedProvider, error: ProviderError, status: str, fate: str | None
) -> None:
    def refuse(_: BatchFile) -> None:
        raise error

    provider.before_submit = refuse
    done = send(house, provider, "a")
    assert done is not None and done.error is error and done.batch.status == status
    assert house.rows("SELECT status, error FROM batches") == [(status, str(error))]
    assert house.rows("SELECT fate FROM batch_requests") == [(fate,)]
    provider.before_submit = lambda _: None
    house.clock.wind(seconds=1)
    assert (send(house, provider, "a") is None) == (status == "intended")


def test_deferrals_grow_and_a_success_ends_the_row(house: House, provider: ScriptedProvider) -> None:
    def busy(_: BatchFile) -> None:
        raise ProviderBusyError("openai", "full")

    provider.before_submit = busy
    waits: list[float] = []
    for _ in range(10):
        done = send(house, provider, "a")
        assert done is not None and done.batch.retry_at is not None
        assert closed_until("openai", house.warehouse, house.clock()) == done.batch.retry_at
        assert closed_until("groq", house.warehouse, house.clock()) is None
        waits.append((done.batch.retry_at - house.clock()).total_seconds())
        house.clock.now = done.batch.retry_at
        assert closed_until("openai", house.warehouse, house.clock()) is None
    least = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800]
    assert all(pause <= wait < 1.25 * pause for pause, wait in zip(least, waits, strict=True))
    shares = {round(wait / pause, 3) for pause, wait in zip(least, waits, strict=True)}
    assert len(shares) == 10, "each batch has a jitter of its own"
    provider.before_submit = lambda _: None
    assert send(house, provider, "a")
    house.clock.wind(seconds=1)
    provider.before_submit = busy
    done = send(house, provider, "b")
    assert done is not None and done.batch.retry_at is not None
    assert timedelta(seconds=5) <= done.batch.retry_at - house.clock() < timedelta(seconds=6.25)


def test_the_same_batch_is_put_off_equally_long_by_everybody() -> None:
    """The jitter is no dice: whoever computes it from the id gets the same."""
    assert deferral(0, "tagging-1") == deferral(0, "tagging-1") != deferral(0, "tagging-2")
    assert deferral(3, "tagging-1") / deferral(0, "tagging-1") == pytest.approx(8)


@pytest.mark.parametrize(
    ("named", "seconds"), [(2.0, 5), (0.0, 5), (90.5, 90.5), (float("inf"), 86_400), (1e18, 86_400), (float("nan"), 5)]
)
def test_retry_after_is_respected_within_reason(
    house: House, provider: ScriptedProvider, named: float, seconds: float
) -> None:
    def busy(_: BatchFile) -> None:
        raise ProviderBusyError("openai", "full", retry_after=named)

    provider.before_submit = busy
    done = send(house, provider, "a")
    assert done is not None and done.batch.retry_at is not None
    least = timedelta(seconds=seconds)
    assert least <= done.batch.retry_at - START <= min(1.25 * least, timedelta(days=1))
    assert closed_until("openai", house.warehouse, house.clock()) == done.batch.retry_at


def test_a_wait_holds_although_a_later_batch_was_accepted(house: House, provider: ScriptedProvider) -> None:
    first = send(house, provider, "a")
    house.clock.wind(seconds=1)
    assert first and send(house, provider, "b")
    until = house.clock() + timedelta(minutes=1)
    house.write("UPDATE batches SET status = 'deferred', retry_at = ? WHERE batch_id = ?", until, first.batch.batch_id)
    assert closed_until("openai", house.warehouse, house.clock()) == until


def test_a_text_that_is_no_unicode_cannot_stop_the_ledger(house: House, provider: ScriptedProvider) -> None:
    def refuse(_: BatchFile) -> None:
        raise RequestRejectedError("openai", "no \ud800")

    provider.before_submit = refuse
    send(house, provider, "a")
    assert house.rows("SELECT error FROM batches") == [("no ?",)]
    assert house.rows("SELECT error FROM batch_requests") == [("Not sent: no ?",)]


def test_a_file_too_long_is_refused_and_the_reason_stays_with_the_asks(house: House) -> None:
    house.ask(house.load(palette(1)))
    provider = ScriptedProvider(limits=BatchLimits(10, 10), clock=house.clock)
    sent = send_requests(ORDER, requests("a" * 20), provider, house.warehouse, house.store, house.clock)
    assert sent.complaints == ("The file is too large.",) and not sent.closed
    assert house.rows("SELECT state, reason FROM asks WHERE model = 'gpt-4o-mini'") == [
        ("stopped", "The file is too large.")
    ]
    assert house.rows("SELECT DISTINCT state FROM asks WHERE model <> 'gpt-4o-mini'") == [("open",)]


def test_lines_are_made_a_batch_at_a_time_and_one_that_cannot_be_made_stops_the_model(house: House) -> None:
    house.ask(house.load(palette(1)))
    provider = ScriptedProvider(limits=BatchLimits(2, 1000), clock=house.clock)
    made: list[str] = []
    when_sent: list[int] = []

    def prepared() -> Iterator[PreparedRequest]:
        for request in requests("a", "b", "c", "d", "e"):
            made.append(request.custom_id)
            yield request
        raise RequestRejectedError("openai", "gpt-4o-mini takes no pictures.")

    provider.before_submit = lambda _: when_sent.append(len(made))
    sent = send_requests(ORDER, prepared(), provider, house.warehouse, house.store, house.clock)
    # One more than a batch holds is made, to see that the batch is full; the last line was never made.
    assert (when_sent, [s.batch.request_count for s in sent.batches]) == ([3, 5], [2, 2])
    assert (sent.complaints, sent.closed) == (("gpt-4o-mini takes no pictures.",), False)
    assert house.rows("SELECT model, state FROM asks WHERE reason IS NOT NULL") == [("gpt-4o-mini", "stopped")]


def test_a_refused_key_stops_the_provider_and_a_full_queue_only_the_round(house: House) -> None:
    house.ask(house.load(palette(1)), providers=("openai", "groq"))
    provider = ScriptedProvider(limits=BatchLimits(1, 1000), clock=house.clock)
    endings = iter([None, ProviderBusyError("openai", "full"), CredentialsError("openai", "bad key")])

    def next_ending(_: BatchFile) -> None:
        error = next(endings)
        if error:
            raise error

    provider.before_submit = next_ending
    three = requests("a", "b", "c")
    sent = send_requests(ORDER, three, provider, house.warehouse, house.store, house.clock)
    assert ([s.batch.status for s in sent.batches], sent.complaints, sent.closed) == (
        ["submitted", "deferred"],
        ("full",),
        True,
    )
    assert house.rows("SELECT DISTINCT state FROM asks") == [("open",)]
    house.clock.wind(seconds=1)
    sent = send_requests(ORDER, three, provider, house.warehouse, house.store, house.clock)
    assert (sent.complaints, sent.closed) == (("bad key",), True)
    found = house.rows("SELECT DISTINCT provider, state, reason FROM asks ORDER BY ALL")
    assert found == [("groq", "open", None), ("openai", "stopped", "bad key")]


def test_nobody_gives_up_a_batch_that_is_still_being_sent(house: House, provider: ScriptedProvider) -> None:
    """An upload may take longer than an absent batch is waited for."""
    looked: list[str] = []

    def look(file: BatchFile) -> None:
        house.clock.wind(hours=1)
        with house.warehouse.read() as connection:
            intended = batches.batch(connection, file.batch_id)
        assert intended is not None
        looked.append(adopt_batch(intended, provider.connection(), house.warehouse, house.clock).status)

    provider.before_submit = look
    done = send(house, provider, "a")
    assert looked == ["intended"]
    assert done is not None and done.batch.status == "submitted"
    assert list((house.folder / "sending").iterdir()) == []


def test_a_receipt_that_comes_late_takes_the_batch_back(house: House, provider: ScriptedProvider) -> None:
    """Somebody without our lock, on another machine, had given the batch up meanwhile."""

    def give_up(file: BatchFile) -> None:
        house.write("UPDATE batches SET status = 'deferred', retry_at = now()")
        house.write("UPDATE batch_requests SET fate = 'errored', error = 'x'")

    provider.after_submit = give_up
    assert send(house, provider, "a")
    assert house.rows("SELECT status, retry_at FROM batches") == [("submitted", None)]
    assert house.rows("SELECT fate, error FROM batch_requests") == [(None, None)]
    assert send(house, provider, "a") is None


def test_stopped_before_the_create_call_its_requests_are_due_again(house: House, provider: ScriptedProvider) -> None:
    def stop(_: BatchFile) -> None:
        interrupts.record(signal.SIGINT)
        interrupts.check_before_sending()

    provider.before_submit = stop
    with pytest.raises(KeyboardInterrupt), interrupts.heeded():
        send(house, provider, "a", "b")
    [(status, error)] = house.rows("SELECT status, error FROM batches")
    assert status == "deferred" and error.startswith("Not sent: the program was stopped before the create call.")
    assert house.rows("SELECT DISTINCT fate FROM batch_requests") == [("errored",)]
    provider.before_submit = lambda _: None
    again = send(house, provider, "a", "b")
    assert again is not None and again.batch.status == "submitted"


def test_stopped_in_the_create_call_it_is_recorded_and_no_other_is_sent(
    house: House, provider: ScriptedProvider
) -> None:
    provider.before_submit = lambda _: interrupts.record(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), interrupts.heeded():
        first = send(house, provider, "a")
        assert first is not None and first.batch.status == "submitted"
        send(house, provider, "b")
    assert house.rows("SELECT status, provider_batch_id IS NOT NULL FROM batches") == [("submitted", True)]
    assert house.rows("SELECT custom_id FROM batch_requests") == [("a",)]


def test_left_in_the_create_call_the_intent_stands(house: House, provider: ScriptedProvider) -> None:
    def leave(_: BatchFile) -> None:
        raise interrupts.Interrupted(signal.SIGINT, unfinished=True)

    provider.before_submit = leave
    with pytest.raises(interrupts.Interrupted):
        send(house, provider, "a")
    assert house.rows("SELECT status FROM batches") == [("intended",)]
