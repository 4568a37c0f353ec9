"""Collecting: raw lines first, every request one fate, one transaction, money to the last digit."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from grabient_assets.errors import ResultsError
from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.archive import archived_results, archived_state
from grabient_assets.ledger.batches import BatchRecord, RequestRecord, batches_of, open_batches
from grabient_assets.ledger.collect import Collected, fetch_batch
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.costs import unbalanced_batches
from grabient_assets.ledger.fates import MAX_DELIVERIES
from grabient_assets.ledger.poll import poll_batches, record
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.settling import Verdict
from grabient_assets.providers.contract import Result
from grabient_assets.registry.prices import rates_on
from grabient_assets_tests.ledger.collecting import MODEL, collect, fates, send
from grabient_assets_tests.ledger.house import START, House
from grabient_assets_tests.ledger.scripted_provider import USAGE, ScriptedProvider, answered, result_line

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RATES = rates_on(MODEL, START.date(), True, 50_000)[0]
EACH = (1000 * RATES.input + 200 * RATES.output) / 1_000_000


class BrokenReader(TagReader):
    """A group with a mistake in it."""

    def judge(self, request: RequestRecord, result: Result) -> Verdict:
        raise KeyError("palette")


def ended(house: House, provider: ScriptedProvider, ids: Sequence[str], lines: list[bytes], **how: Any) -> Collected:
    """A batch of these requests that ended with these lines, collected."""
    batch = send(house, provider, *ids)
    assert batch.provider_batch_id is not None
    provider.end(batch.provider_batch_id, lines, **how)
    done = collect(house, provider, batch)
    assert done is not None
    with house.warehouse.read() as connection:
        assert unbalanced_batches(connection) == (0, [])
    return done


def test_a_running_batch_is_left_alone(house: House, provider: ScriptedProvider) -> None:
    batch = send(house, provider, "a")
    assert collect(house, provider, batch) is None
    assert house.rows("SELECT status, results_key FROM batches") == [("submitted", None)]


def test_each_line_makes_its_fate_and_they_add_up(house: House, provider: ScriptedProvider) -> None:
    lines = [
        answered("good"),
        answered("comma", text='{"mood": ["calm"],}'),
        answered("chatter", text="I would rather not say."),
        answered("other", text='{"ref": "good", "mood": ["calm"]}'),
        answered("silent", text=""),
        result_line("refused", "refused", text="no", error="policy", usage=USAGE),
        result_line("cut", "truncated", text='{"mood": ["ca', usage=USAGE),
        result_line("broken", "errored", error="server"),
        result_line("later", "errored", error="overloaded", retryable=True),
        result_line("late", "expired"),
        result_line("stopped", "cancelled"),
        b"{ not json",
        answered("stranger"),
    ]
    ids = [
        "good",
        "comma",
        "chatter",
        "other",
        "silent",
        "refused",
        "cut",
        "broken",
        "later",
        "late",
        "stopped",
        "lost",
    ]
    done = ended(house, provider, ids, lines)
    expected = {
        "good": "succeeded",
        "comma": "repaired",
        "chatter": "invalid",
        "other": "mismatched",
        "silent": "invalid",
        "refused": "refused",
        "cut": "truncated",
        "broken": "errored",
        "later": "errored",
        "late": "expired",
        "stopped": "cancelled",
        "lost": "unreadable",  # one line cannot be read, and this is the one request that has none
    }
    assert fates(house) == expected
    assert sum(done.fates.values()) == 12 and (done.batch.succeeded, done.batch.failed) == (2, 10)
    assert done.problems == (
        "Result line 12 cannot be read: it is not a result (Expecting property name enclosed in double quotes: "
        "line 1 column 3 (char 2))",
        "Result line 13 is for 'stranger', which this batch never asked.",
        "The provider reports no tokens for some answers; what they cost is estimated.",
    )
    stored = dict(house.rows("SELECT custom_id, error IS NULL FROM palette_tags"))
    due_again = {"other", "later", "late", "stopped"}
    assert stored == {i: i in ("good", "comma") for i in ids if i not in due_again}
    status = house.rows("SELECT status, outcome, raw_status, collect_run_id, collected_at FROM batches")
    assert [row[:4] for row in status] == [("collected", "completed", "completed", "run-2")]
    assert status[0][4] >= house.clock()


def test_costs_by_hand(house: House, provider: ScriptedProvider) -> None:
    lines = [
        answered("a"),
        answered("b", usage={"input_tokens": 3000, "output_tokens": 70, "reasoning_tokens": 50}),
        answered("c", usage=None),
        result_line("d", "refused", error="no", usage=USAGE),
        result_line("e", "errored", error="no"),
    ]
    done = ended(house, provider, "abcde", lines)
    second = (3000 * RATES.input + 70 * RATES.output) / 1_000_000
    exact = Decimal("1e-10")
    # c has no tokens: it counts as it was expected to, 250 tokens of output, 75 dollars per million requests
    guess = Decimal("0.000075")
    found = house.rows(
        "SELECT custom_id, input_tokens, output_tokens, reasoning_tokens, cost_usd, cost_basis FROM batch_requests "
        "ORDER BY 1"
    )
    assert found == [
        ("a", 1000, 200, 0, EACH.quantize(exact), "reported"),
        ("b", 3000, 70, 50, second.quantize(exact), "reported"),
        ("c", None, None, None, guess, "estimated"),
        ("d", 1000, 200, 0, EACH.quantize(exact), "reported"),
        ("e", None, None, None, None, None),
    ]
    assert done.batch.cost_usd == 2 * EACH + second + guess
    assert house.rows("SELECT cost_usd FROM batches") == [((2 * EACH + second + guess).quantize(exact),)]
    assert done.problems == ("The provider reports no tokens for some answers; what they cost is estimated.",)
    tags = dict(house.rows("SELECT custom_id, cost_usd FROM palette_tags"))
    assert tags == {row[0]: row[4] for row in found}
    # gpt-4o-mini in batches: 0.075 and 0.30 dollars per million tokens
    assert Decimal("0.000135") == EACH


def test_a_count_that_no_request_can_use_is_no_count(house: House, provider: ScriptedProvider) -> None:
    lines = [answered("a", usage={"input_tokens": 10**15, "output_tokens": 1}), answered("b")]
    done = ended(house, provider, "ab", lines)
    assert fates(house) == {"a": "succeeded", "b": "succeeded"}
    found = house.rows("SELECT custom_id, input_tokens, cost_usd, cost_basis FROM batch_requests ORDER BY 1")
    assert found == [("a", None, Decimal("0.000075"), "estimated"), ("b", 1000, EACH, "reported")]
    assert "a reports Usage(input_tokens=1000000000000000" in done.problems[0]
    assert done.problems[0].endswith("which no request can use; it is not believed.")
    assert done.batch.cost_usd == EACH + Decimal("0.000075")


def test_a_usage_block_without_tokens_is_no_usage(house: House, provider: ScriptedProvider) -> None:
    done = ended(house, provider, "a", [answered("a", usage={"input_tokens": 0, "output_tokens": 0})])
    assert house.rows("SELECT fate, input_tokens, cost_usd, cost_basis FROM batch_requests") == [
        ("succeeded", None, Decimal("0.000075"), "estimated")
    ]
    assert done.batch.cost_usd == Decimal("0.000075")


def test_what_no_price_list_covers_is_said_and_leaves_the_cost_unknown(
    house: House, provider: ScriptedProvider
) -> None:
    searched = answered("a", usage=USAGE | {"unpriced": "2 web searches"})
    done = ended(house, provider, ["a", "b"], [searched, answered("b")])
    assert done.problems == (
        "openai reports what the price list of gpt-4o-mini does not cover (2 web searches). The cost of these answers "
        "stays unknown; look at the bill.",
    )
    rows = house.rows("SELECT fate, cost_basis, cost_usd, input_tokens FROM batch_requests ORDER BY custom_id")
    assert rows == [("succeeded", "unknown", None, 1000), ("succeeded", "reported", EACH, 1000)]


def test_more_output_than_was_allowed_is_paid_for_and_counted(house: House, provider: ScriptedProvider) -> None:
    done = ended(house, provider, "a", [answered("a", usage={"input_tokens": 10, "output_tokens": 900_000})])
    assert done.problems == (
        "a reports 900000 output tokens, more than the 16384 that it was allowed; they count as reported.",
    )
    assert house.rows("SELECT error FROM batches") == [(done.problems[0],)]
    expected = (10 * RATES.input + 900_000 * RATES.output) / 1_000_000
    assert house.rows("SELECT output_tokens, cost_usd FROM palette_tags") == [(900_000, expected)]


def test_a_model_without_a_price_keeps_its_answers_at_unknown_cost(house: House, provider: ScriptedProvider) -> None:
    house.clock.now = datetime.fromisoformat("2000-01-01T00:00:00+00:00")  # before the first price of anything
    done = ended(house, provider, "ab", [answered("a"), answered("b")])
    assert house.rows("SELECT error, cost_usd, input_tokens FROM palette_tags") == [(None, None, 1000)] * 2
    assert house.rows("SELECT status, cost_usd FROM batches") == [("collected", None)]
    assert len(done.problems) == 1 and "2000-01-01" in done.problems[0]
    assert house.rows("SELECT DISTINCT cost_basis FROM batch_requests") == [("unknown",)]


def test_a_model_the_registry_forgot_is_collected_by_the_round_at_the_price_it_was_sent_at(
    house: House, provider: ScriptedProvider
) -> None:
    batch = send(house, provider, "a")
    house.write("UPDATE batches SET model = 'gpt-forgotten'")
    provider.end_all()
    done = collect_batches(
        [batch.batch_id], provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock
    )
    assert (len(done.collected), done.troubles) == (1, ())
    assert house.rows("SELECT model, error, cost_usd FROM palette_tags") == [("gpt-forgotten", None, EACH)]


def test_the_same_answer_twice_is_one_and_two_answers_are_none(house: House, provider: ScriptedProvider) -> None:
    two = [answered("b", text='{"mood": ["calm"]}'), answered("b", text='{"mood": ["loud"]}')]
    done = ended(house, provider, "ab", [answered("a"), answered("a"), *two, two[0]])
    assert fates(house) == {"a": "succeeded", "b": "mismatched"}
    assert done.problems == (
        "Result line 2 is another for a and says the same; it counts once.",
        "Result line 4 answers b a second time, and differently; neither answer is taken.",
        "Result line 5 is another for b and says the same; it counts once.",
    )
    assert house.rows("SELECT custom_id FROM palette_tags") == [("a",)]


@pytest.mark.parametrize(
    ("worse", "fate"),
    [
        (result_line("a", "errored", error="server"), "errored"),
        (result_line("a", "expired"), "expired"),
        (result_line("a", "refused", text="no", error="policy"), "refused"),
    ],
)
@pytest.mark.parametrize("answer_first", [True, False])
def test_an_answer_beats_whatever_else_is_said_of_its_request(
    house: House, provider: ScriptedProvider, worse: bytes, fate: str, answer_first: bool
) -> None:
    both = [answered("a"), worse] if answer_first else [worse, answered("a")]
    done = ended(house, provider, "ab", [*both, answered("b")])
    assert fates(house) == {"a": "succeeded", "b": "succeeded"}
    said, before = (fate, "answered") if answer_first else ("answered", fate)
    assert done.problems == (f"Result line 2 says {said} of a, an earlier one {before}; answered counts.",)


def test_of_two_failures_the_one_in_the_models_own_words_counts(house: House, provider: ScriptedProvider) -> None:
    refused = result_line("a", "refused", text="no", error="policy")
    failed = [result_line("b", "errored", error=why) for why in ("first", "second")]
    done = ended(house, provider, "ab", [result_line("a", "expired"), refused, *failed])
    assert house.rows("SELECT fate, error FROM batch_requests ORDER BY custom_id") == [
        ("refused", "The model declined: policy"),
        ("errored", "first"),
    ]
    assert done.problems[1] == "Result line 4 is another for b, errored like the first, which counts."


@pytest.mark.parametrize(
    ("outcome", "rest"), [("expired", "expired"), ("cancelled", "cancelled"), ("failed", "errored")]
)
def test_what_was_finished_in_time_is_kept(house: House, provider: ScriptedProvider, outcome: Any, rest: str) -> None:
    ended(house, provider, "abc", [answered("a"), answered("b")], outcome=outcome, error="why")
    assert fates(house) == {"a": "succeeded", "b": "succeeded", "c": rest}
    assert house.rows("SELECT count(*) FROM palette_tags WHERE error IS NULL") == [(2,)]
    assert house.rows("SELECT outcome, error, cost_usd FROM batches") == [(outcome, "why", 2 * EACH)]


@pytest.mark.parametrize("code", ["token_limit_exceeded", "RESOURCE_EXHAUSTED", "429", "8"])
def test_a_full_queue_puts_the_batch_off_and_counts_no_delivery(
    house: House, provider: ScriptedProvider, code: str
) -> None:
    waits: list[float] = []
    for _ in range(6):
        batch = send(house, provider, "a")
        assert batch.provider_batch_id is not None
        provider.end(batch.provider_batch_id, [], outcome="failed", error_code=code, error="full")
        assert collect(house, provider, batch) is None
        (retry_at,) = house.rows("SELECT max(retry_at) FROM batches")[0]
        waits.append((retry_at - house.clock()).total_seconds())
        house.clock.now = retry_at
    least = [60, 120, 240, 480, 960, 1800]
    assert all(pause <= wait < 1.25 * pause for pause, wait in zip(least, waits, strict=True))
    assert house.rows("SELECT DISTINCT status, error, cost_usd FROM batches") == [("deferred", "full", None)]
    assert house.rows("SELECT count(*) FROM palette_tags") == [(0,)]
    ended(house, provider, "a", [])
    assert house.rows("SELECT count(*) FROM palette_tags") == [(0,)]  # its first delivery: due again


@pytest.mark.parametrize("counted", [1, 0, None])
@pytest.mark.parametrize("code", ["rate_limit_exceeded", "token_limit_exceeded", "RESOURCE_EXHAUSTED"])
def test_a_queue_that_filled_up_halfway_loses_no_answer(
    house: House, provider: ScriptedProvider, code: str, counted: int | None
) -> None:
    """Whatever the provider counts."""
    how: dict[str, Any] = {"outcome": "failed", "error_code": code, "succeeded": counted}
    ended(house, provider, "ab", [answered("a")], **how)
    assert fates(house) == {"a": "succeeded", "b": "errored"}


def test_nothing_is_committed_when_the_download_breaks_off(house: House, provider: ScriptedProvider) -> None:
    batch = send(house, provider, "a", "b")
    provider.end_all()
    provider.held["openai-1"].breaks_off = True
    with pytest.raises(ResultsError, match="broke off"):
        collect(house, provider, batch)
    assert house.rows("SELECT status, results_key FROM batches") == [("submitted", None)]
    assert fates(house) == {"a": None, "b": None}
    assert not list(house.folder.rglob("results*"))
    provider.held["openai-1"].breaks_off = False
    assert collect(house, provider, batch)
    assert fates(house) == {"a": "succeeded", "b": "succeeded"}


def test_the_raw_lines_are_kept_before_anything_reads_them(house: House, provider: ScriptedProvider) -> None:
    batch = send(house, provider, "a", "b")
    lines = [answered("a"), b"\xff not even text"]
    provider.end("openai-1", lines)
    with pytest.raises(KeyError):
        collect(house, provider, batch, reader=BrokenReader())
    archived = gzip.decompress(house.archived(batch.batch_id, "results").read_bytes())
    assert archived == b"\n".join(lines) + b"\n"
    assert house.rows("SELECT status, results_key FROM batches") == [("submitted", None)]
    assert fates(house) == {"a": None, "b": None}
    assert house.rows("SELECT count(*) FROM palette_tags") == [(0,)]


class BrokenSave(TagReader):
    """A group whose last statement fails, after it has written."""

    def save(self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Any, now: datetime) -> None:
        super().save(connection, batch, settled, now)
        connection.execute("SELECT * FROM no_such_table")


def test_fates_answers_and_batch_are_one_transaction(house: House, provider: ScriptedProvider) -> None:
    batch = send(house, provider, "a")
    provider.end_all()
    with pytest.raises(Exception, match="no_such_table"):
        collect(house, provider, batch, reader=BrokenSave())
    assert house.rows("SELECT status FROM batches") == [("submitted",)]
    assert fates(house) == {"a": None}
    assert house.rows("SELECT count(*) FROM palette_tags") == [(0,)]


def test_collected_twice_changes_nothing(house: House, provider: ScriptedProvider) -> None:
    batch = send(house, provider, "a", "b", "c")
    provider.end("openai-1", [answered("a"), result_line("b", "refused", error="no")])
    tables = ("batches", "batch_requests", "palette_tags", "asks")
    collect(house, provider, batch)
    before = {table: house.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in tables}
    for _ in range(MAX_DELIVERIES):
        collect(house, provider, batch)
    assert {table: house.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in tables} == before
    done = collect_batches(
        [batch.batch_id], provider.connect, house.warehouse, house.store, lambda _: BrokenReader(), house.clock
    )
    assert (done.collected, done.waiting, done.troubles) == ((), (), ())


def test_providers_are_opened_before_any_thread_asks_one(house: House, provider: ScriptedProvider) -> None:
    """Opening imports an SDK, and others must not meet half of a module."""
    batch = send(house, provider, "a")
    provider.end("openai-1", [answered("a")])
    opened_by: list[str] = []

    @contextmanager
    def connect(name: str) -> Iterator[Connection]:
        opened_by.append(threading.current_thread().name)
        with provider.connect(name) as connection:
            yield connection

    done = collect_batches([batch.batch_id], connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    assert len(done.collected) == 1
    assert opened_by == [threading.main_thread().name]


def test_after_three_deliveries_without_a_word_it_is_a_failure(house: House, provider: ScriptedProvider) -> None:
    for delivery in range(1, MAX_DELIVERIES + 1):
        assert house.rows("SELECT count(*) FROM palette_tags") == [(0,)], delivery
        ended(house, provider, "a", [])
    assert MAX_DELIVERIES == 3
    assert house.rows("SELECT fate, error FROM palette_tags") == [
        ("missing", "The batch ended without a word about this request. Asked in 3 batches without an answer.")
    ]


@pytest.mark.parametrize("outcome", ["failed", "cancelled", "expired", "completed"])
@pytest.mark.parametrize("by_us", [True, False])
def test_what_a_batch_left_unanswered_is_due_again_unless_a_person_stopped_it(
    house: House, provider: ScriptedProvider, outcome: Any, by_us: bool
) -> None:
    """Up to three batches, whoever ended them; `cancelled` in the provider's console is no wish of anybody here."""
    lines = [answered("a"), *([result_line("c", "cancelled")] if outcome == "cancelled" else [])]
    for delivery in range(1, MAX_DELIVERIES + 1):
        batch = send(house, provider, "a", "b", "c")
        if by_us:
            house.write("UPDATE batches SET cancel_asked_at = now() WHERE batch_id = ?", batch.batch_id)
        provider.end(str(batch.provider_batch_id), lines, outcome=outcome)
        done = collect_batches(
            [batch.batch_id], provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock
        )
        assert len(done.collected) == 1
        final = [row[0] for row in house.rows("SELECT custom_id FROM palette_tags ORDER BY 1")]
        assert final == (["a", "b", "c"] if by_us or delivery == MAX_DELIVERIES else ["a"]), delivery


def test_a_person_who_stops_a_batch_while_it_is_settled_is_heard(house: House, provider: ScriptedProvider) -> None:
    batch = send(house, provider, "a", "b")
    provider.end("openai-1", [answered("a")], outcome="cancelled")

    class Stopped(TagReader):
        def judge(self, request: RequestRecord, result: Result) -> Verdict:
            house.write("UPDATE batches SET cancel_asked_at = now()")
            return super().judge(request, result)

    ids, how = [batch.batch_id], (provider.connect, house.warehouse, house.store)
    assert collect_batches(ids, *how, lambda _: Stopped(), house.clock).collected == ()
    assert house.rows("SELECT status FROM batches") == [("submitted",)]
    assert len(collect_batches(ids, *how, lambda _: TagReader(), house.clock).collected) == 1
    assert house.rows("SELECT custom_id, fate FROM palette_tags ORDER BY 1") == [("a", "succeeded"), ("b", "cancelled")]


def test_odd_text_is_stored(house: House, provider: ScriptedProvider) -> None:
    text = '{"mood": ["calm", "caf\\u00e9", "\\ud800"]} \ud800\0'
    lines = [answered("a", text=text), result_line("b", "errored", error="half a pair: \ud800")]
    ended(house, provider, "ab", lines, error="and \udfff here")
    assert house.rows("SELECT custom_id, answer_text, mood, error FROM palette_tags ORDER BY 1") == [
        ("a", '{"mood": ["calm", "caf\\u00e9", "\\ud800"]} ?\0', ["calm", "café"], None),
        ("b", None, None, "half a pair: ?"),
    ]
    assert house.rows("SELECT error FROM batches") == [("and ? here",)]


def test_one_bad_batch_keeps_no_other_back(house: House, provider: ScriptedProvider) -> None:
    ids = [send(house, provider, i).batch_id for i in "abcd"]
    provider.end_all()
    provider.held["openai-2"].breaks_off = True
    provider.end("openai-3", [answered("c")])
    running = send(house, provider, "e").batch_id

    def reader(batch: BatchRecord) -> TagReader:
        return BrokenReader() if batch.batch_id == ids[2] else TagReader()

    done = collect_batches(
        ["no-such-batch", *ids, running], provider.connect, house.warehouse, house.store, reader, house.clock
    )
    assert [one.batch.batch_id for one in done.collected] == [ids[0], ids[3]]
    assert done.waiting == (running,)
    troubles = dict(done.troubles)
    assert set(troubles) == {"no-such-batch", ids[1], ids[2]}
    assert "grabient status" in troubles["no-such-batch"] and troubles[ids[1]] == "The results broke off."
    assert "KeyError" in troubles[ids[2]] and "test_collect.py" in troubles[ids[2]]
    assert fates(house) == {"a": "succeeded", "b": None, "c": None, "d": "succeeded", "e": None}
    counted = dict(house.rows("SELECT batch_id, collect_attempts FROM batches"))
    assert counted == {ids[0]: 0, ids[1]: 1, ids[2]: 1, ids[3]: 0, running: 0}
    polled = poll_batches(open_in(house), provider.connect, house.warehouse, house.clock)
    record(polled, house.warehouse, house.clock())
    kept = "SELECT error, error_kind FROM batches WHERE batch_id = ?"
    assert house.rows(kept, ids[1]) == [("The results broke off.", "ResultsError")], "a good poll does not forget it"
    collect_batches(ids, provider.connect, house.warehouse, house.store, reader, house.clock)
    assert house.rows("SELECT collect_attempts FROM batches WHERE batch_id = ?", ids[1]) == [(2,)]
    provider.held["openai-2"].breaks_off = False
    collect_batches(ids, provider.connect, house.warehouse, house.store, reader, house.clock)
    assert house.rows(kept, ids[1]) == [(None, None)]


def open_in(house: House) -> list[BatchRecord]:
    with house.warehouse.read() as connection:
        return open_batches(connection)


QUEUE_FULL: dict[str, Any] = {"outcome": "failed", "error_code": "token_limit_exceeded"}


def test_what_a_person_stopped_is_not_put_off(house: House, provider: ScriptedProvider) -> None:
    """The queue had no room for it, and the provider said so when it was already to be stopped."""
    batch = send(house, provider, "a", "b")
    house.write("UPDATE batches SET cancel_asked_at = ?", house.clock())
    provider.end("openai-1", [], **QUEUE_FULL)
    done = collect(house, provider, replace(batch, cancel_asked_at=house.clock()))
    assert done is not None and done.fates == {"errored": 2}
    assert house.rows("SELECT status, retry_at FROM batches") == [("collected", None)]
    assert house.rows("SELECT count(*) FROM palette_tags WHERE error IS NOT NULL") == [(2,)], "final"


def test_what_was_closed_meanwhile_is_not_put_off(house: House, provider: ScriptedProvider) -> None:
    batch = send(house, provider, "a")
    provider.end("openai-1", [], **QUEUE_FULL)
    provider.before_poll = lambda _: house.write("UPDATE batches SET status = 'cancelled'")
    assert collect(house, provider, batch) is None
    assert house.rows("SELECT status, retry_at FROM batches") == [("cancelled", None)]


def test_of_two_that_fetch_the_same_the_archive_keeps_what_the_ledger_names(
    house: House, provider: ScriptedProvider
) -> None:
    batch = send(house, provider, "a", "b")
    provider.end("openai-1", error="All of it.")
    assert collect(house, provider, batch) is not None
    provider.end("openai-1", [], error="Broken off.")
    late = fetch_batch(batch, provider.connection(), house.warehouse, house.store, house.clock, as_it_is=True)
    assert late is not None and late.lines == []
    with house.warehouse.read() as connection:
        [kept] = batches_of(connection, [batch.batch_id])
    assert archived_results(house.store, kept) == [answered("a"), answered("b")]
    state = archived_state(house.store, kept)
    assert state is not None and state.error == "All of it."
