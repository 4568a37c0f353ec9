"""The waves in the tables: begun once, never lost, and in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import TagRecord, complete_tagging, record_tags
from grabient_assets.groups.tagging.wave_plans import WaveMember, WavePlan, plan_in_use, record_plan
from grabient_assets.groups.tagging.waves import (
    Reason,
    WaveCount,
    WaveState,
    answered_enough,
    ended_waves,
    go_on,
    reopen_cancelled,
    settle,
    settle_in_full,
    start_waves,
    wave_counts,
    wave_states,
)
from grabient_assets.ledger.asks import AskTarget, AskTerms, SubjectVersion, record_asks, stop_asks
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.ledger.house import START
from grabient_assets_tests.warehouse.results import palette

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

A, B = SubjectVersion("v1", "a"), SubjectVersion("v1", "b")
EVERYBODY = ("google", "groq", "openai")
CHEAP, DEAR, OTHER = (
    WaveMember("groq", "cheap", "d1", 1),
    WaveMember("openai", "dear", "d2", 1),
    WaveMember("google", "other", "d3", 1),
)
LAST = tuple(WaveMember(one.provider, one.model, one.request_digest, 3) for one in (OTHER, CHEAP, DEAR))
PLAN = WavePlan("p1", "v1", "panel", 3, "cheapest", ((CHEAP,), (OTHER, DEAR), LAST))


class Waves:
    """The tables, and the moves of the pipeline, each in a transaction of its own."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self.now = START
        with warehouse.write() as connection:
            palette(connection, A.subject)
            palette(connection, B.subject)

    def start(self, *palettes: SubjectVersion, plan: WavePlan = PLAN, providers: Sequence[str] = EVERYBODY, **more):
        self.now += timedelta(seconds=1)
        with self.warehouse.write() as connection:
            record_plan(connection, plan, self.now)
            retry, terms = more.pop("retry", False), AskTerms(**{"chained": True, **more})
            start_waves(connection, TAGGING, plan, palettes, providers, terms, self.now, retry=retry)

    def ended(self, providers: Sequence[str] = EVERYBODY):
        with self.warehouse.read() as connection:
            return ended_waves(connection, providers)

    def on(self, providers: Sequence[str] = EVERYBODY) -> None:
        with self.warehouse.write() as connection:
            go_on(connection, TAGGING, ended_waves(connection, providers), providers, self.now)

    def settled(self, reason: Reason = "certain") -> None:
        with self.warehouse.write() as connection:
            settle(connection, ended_waves(connection, EVERYBODY), reason, self.now)

    def close(self) -> None:
        self.write("UPDATE asks SET state = 'closed' WHERE state = 'open'")

    def write(self, query: str) -> None:
        with self.warehouse.write() as connection:
            connection.execute(query)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.warehouse.read() as connection:
            return connection.execute(query).fetchall()

    @property
    def asks(self) -> list[tuple[object, ...]]:
        """Model, analyses, state."""
        return self.rows("SELECT model, analyses, state FROM asks ORDER BY subject, model")

    def states(self, *palettes: SubjectVersion) -> list[WaveState]:
        with self.warehouse.read() as connection:
            found = wave_states(connection, palettes)
        return [found[palette] for palette in palettes]

    def usable(self, *palettes: SubjectVersion, error: str | None = None, fate: str = "succeeded") -> None:
        with self.warehouse.write() as connection:
            record_tags(
                connection,
                [TagRecord(p.subject, "v1", "groq", "cheap", 0, p.subject, fate, START, error=error) for p in palettes],
            )

    def complete(self) -> set[str]:
        with self.warehouse.read() as connection:
            return {one.partition.subject for one in complete_tagging(connection, EVERYBODY)}


@pytest.fixture
def waves(tmp_path: Path) -> Iterator[Waves]:
    yield Waves(Warehouse(tmp_path / "grabient.duckdb"))


def test_each_wave_asks_its_models_once(waves: Waves) -> None:
    waves.start(A)
    waves.start(A)
    assert waves.asks == [("cheap", 1, "open")] and waves.ended() == []
    waves.close()
    waves.on()
    assert waves.asks == [("cheap", 1, "closed"), ("dear", 1, "open"), ("other", 1, "open")]
    assert waves.states(A) == [WaveState(2, 3, None)]
    waves.on()
    assert waves.states(A) == [WaveState(2, 3, None)], "what is open has not ended"
    waves.close()
    waves.on()
    assert waves.asks == [("cheap", 3, "open"), ("dear", 3, "open"), ("other", 3, "open")]
    assert [one.last for one in waves.ended()] == []
    waves.close()
    assert [(one.wave, one.last) for one in waves.ended()] == [(3, True)]


def test_a_process_that_is_killed_neither_loses_the_wave_nor_asks_twice(waves: Waves) -> None:
    waves.start(A, B)
    waves.close()
    before = waves.asks
    with pytest.raises(KeyboardInterrupt), waves.warehouse.write() as connection:
        go_on(connection, TAGGING, ended_waves(connection, EVERYBODY), EVERYBODY, START)
        raise KeyboardInterrupt  # after both statements, before the commit
    assert waves.asks == before and waves.states(A, B) == [WaveState(1, 3, None)] * 2
    ended = waves.ended()
    waves.on()
    assert len(waves.asks) == 6
    waves.close()
    after = waves.asks
    with waves.warehouse.write() as connection:  # a process that had judged the same, and comes late
        late = waves.now + timedelta(seconds=1)
        go_on(connection, TAGGING, ended, EVERYBODY, late)
        settle(connection, ended, "certain", late)
    assert waves.asks == after and waves.states(A, B) == [WaveState(2, 3, None)] * 2


def test_only_a_settled_palette_is_complete_and_who_has_no_part_counts_as_asked(waves: Waves) -> None:
    waves.start(A, B)
    waves.close()
    assert waves.complete() == set()
    with waves.warehouse.write() as connection:
        settle(connection, [one for one in ended_waves(connection, EVERYBODY) if one.partition == A], "certain", START)
    assert waves.complete() == {"a"}
    waves.write("UPDATE asks SET state = 'open' WHERE subject = 'a'")
    assert waves.complete() == set(), "it is asked again"


def test_a_wave_waits_until_every_provider_was_asked(waves: Waves) -> None:
    waves.start(A, providers=["openai"])
    assert waves.asks == [] and waves.ended() == []
    waves.start(A, providers=["groq"])
    waves.close()
    assert waves.asks == [("cheap", 1, "closed")] and waves.ended() == []
    assert len(waves.ended(["groq", "openai"])) == 1
    waves.start(A, providers=["google"])
    assert len(waves.ended()) == 1


def test_the_terms_go_on_with_the_palette_and_the_last_ones_count(waves: Waves) -> None:
    waves.start(A, cap_id="first")
    waves.start(A, cap_id="second", allow_unpriced=True, chained=False)
    waves.close()
    waves.on()
    assert waves.rows("SELECT DISTINCT cap_id, allow_unpriced, chained FROM asks") == [("second", True, False)]


def test_what_was_stopped_is_not_asked_again_by_the_next_wave_but_by_a_person(waves: Waves) -> None:
    waves.start(A)
    with waves.warehouse.write() as connection:
        stop_asks(connection, "tagging", "groq", "cheap", "gone", START)
    assert len(waves.ended()) == 1, "nobody waits for it"
    waves.on()
    waves.close()
    waves.on()
    assert waves.asks == [("cheap", 1, "stopped"), ("dear", 3, "open"), ("other", 3, "open")]
    waves.start(A)
    assert waves.asks[0] == ("cheap", 3, "open")


def test_who_cannot_be_asked_any_more_is_left_out_of_the_next_wave(waves: Waves) -> None:
    waves.start(A)
    waves.close()
    waves.on(["groq", "google"])
    assert waves.asks == [("cheap", 1, "closed"), ("other", 1, "open")]


def test_asking_in_full_ends_the_waves(waves: Waves) -> None:
    waves.start(A, B)
    with waves.warehouse.write() as connection:
        settle_in_full(connection, [A], START)
    assert waves.states(A, B) == [WaveState(1, 3, "asked in full"), WaveState(1, 3, None)]
    waves.close()
    assert waves.complete() == {"a"} and [one.partition for one in waves.ended()] == [B]


def enough(waves: Waves, digests: Sequence[str] = ("d1", "d2"), analyses: int = 3) -> set[str]:
    with waves.warehouse.read() as connection:
        return answered_enough(connection, "v1", digests, analyses)


def test_what_is_settled_is_asked_nothing_more_of_the_same_models(waves: Waves) -> None:
    waves.start(A, cap_id="old")
    waves.close()
    waves.settled()
    assert enough(waves) == set(), "nothing usable came"
    waves.usable(A)
    assert enough(waves) == enough(waves, ["d3"]) == enough(waves, analyses=20) == {"a"}
    assert enough(waves, ["d1", "new"]) == set()
    waves.write("UPDATE asks SET state = 'open'")
    assert enough(waves) == set(), "asked again, it takes the terms of the next ask"
    waves.close()
    waves.start(A, cap_id="new")
    assert waves.states(A) == [WaveState(1, 3, "certain")]
    assert waves.rows("SELECT state, cap_id FROM asks") == [("closed", "new")], "what follows is paid by the new cap"
    fresh = WaveMember("groq", "cheap", "d9", 1)
    waves.start(A, plan=WavePlan("p2", "v1", "other panel", 3, "cheapest", ((fresh,), (OTHER, DEAR))))
    assert waves.states(A) == [WaveState(1, 2, None)]
    assert waves.rows("SELECT request_digest, state FROM asks") == [("d9", "open")]


def test_more_analyses_take_up_only_those_that_came_to_the_end(waves: Waves) -> None:
    waves.start(A, B)
    waves.usable(A, B)
    waves.close()
    with waves.warehouse.write() as connection:
        one, other = ended_waves(connection, EVERYBODY)
        settle(connection, [one], "certain", START)
        settle(connection, [other], "last wave", START)
    assert enough(waves) == {"a", "b"} and enough(waves, analyses=4) == {"a"}
    wider = tuple(WaveMember(one.provider, one.model, one.request_digest, 4) for one in LAST)
    waves.start(A, B, plan=WavePlan("p4", "v1", "panel", 4, "cheapest", (*PLAN.waves[:2], wider)))
    assert waves.states(A, B) == [WaveState(1, 3, "certain"), WaveState(1, 3, None)]


def test_a_retry_asks_again_up_to_the_wave_that_was_reached(waves: Waves) -> None:
    waves.start(A)
    waves.close()
    waves.on()
    waves.usable(A)
    waves.close()
    waves.settled()
    waves.start(A, retry=True)
    assert waves.asks == [("cheap", 1, "open"), ("dear", 1, "open"), ("other", 1, "open")]
    assert waves.rows("SELECT count(retry_from) FROM asks") == [(3,)] and waves.states(A) == [WaveState(2, 3, None)]


def test_a_wave_that_a_person_cancelled_whole_is_known(waves: Waves) -> None:
    waves.start(A, B)
    waves.usable(A, error="cancelled", fate="cancelled")
    waves.usable(B, error="rubbish", fate="invalid")
    waves.close()
    assert [(one.partition, one.cancelled) for one in waves.ended()] == [(A, True), (B, False)]
    waves.settled("cancelled")
    assert enough(waves) == set()
    with waves.warehouse.write() as connection:
        reopen_cancelled(connection, [A])
    assert waves.states(A, B) == [WaveState(1, 3, None), WaveState(1, 3, "cancelled")]


def test_the_plan_in_use_is_read_as_it_was_written(waves: Waves) -> None:
    def used(connection: DuckDBPyConnection) -> list[WavePlan | None]:
        return [plan_in_use(connection, "v1", "panel"), plan_in_use(connection, "v1", "x")]

    with waves.warehouse.write() as connection:
        record_plan(connection, PLAN, START)
        assert used(connection) == [None, None]
    waves.start(A)
    with waves.warehouse.read() as connection:
        assert used(connection) == [PLAN, None]


def test_the_counts(waves: Waves) -> None:
    waves.start(A, B)
    waves.close()
    with waves.warehouse.write() as connection:
        settle(connection, ended_waves(connection, EVERYBODY)[:1], "certain", START)
        go_on(connection, TAGGING, ended_waves(connection, EVERYBODY), EVERYBODY, START)
    with waves.warehouse.read() as connection:
        both = [WaveCount("v1", 1, 3, "certain", 1), WaveCount("v1", 2, 3, None, 1)]
        assert wave_counts(connection) == wave_counts(connection, "v1") == both
        assert wave_counts(connection, "v1", ["b"]) == both[1:] and wave_counts(connection, "v2") == []


def test_the_accounts_know_the_wave_of_every_request(waves: Waves) -> None:
    """A request belongs to the first wave that covers it, unless it was sent before or beyond the waves."""
    waves.start(A)
    waves.close()
    waves.on()
    batches = [("early", "cheap", "groq", -60), ("one", "cheap", "groq", 60), ("two", "dear", "openai", 60)]
    with waves.warehouse.write() as connection:
        record_asks(connection, TAGGING, [A], [AskTarget("groq", "cheap", "d1")], 3, START)
        for name, model, provider, seconds in batches:
            connection.execute(
                """
                INSERT INTO batches BY NAME SELECT $1 AS batch_id, 'tagging' AS purpose, $2 AS provider, $3 AS model,
                    'v1' AS prompt_version, 'd' AS prompt_digest, 'collected' AS status, 1 AS request_count,
                    1 AS succeeded, 0 AS failed, '' AS bodies_sha256, 'emulator' AS account, $4 AS intended_at,
                    0 AS collect_attempts
                """,
                [name, provider, model, waves.now + timedelta(seconds=seconds)],
            )
        connection.execute(
            """
            INSERT INTO batch_requests (batch_id, custom_id, subject, analysis_index, fate, cost_usd) VALUES
            ('early', '1', 'a', 0, 'succeeded', 1), ('one', '2', 'a', 0, 'succeeded', 2),
            ('one', '3', 'a', 1, 'succeeded', 4), ('two', '4', 'a', 0, 'invalid', 8)
            """
        )
    found = waves.rows("SELECT wave, requests, usable, cost_usd::INTEGER FROM cost_by_wave ORDER BY 1")
    assert found == [("full", 2, 2, 5), ("wave 1", 1, 1, 2), ("wave 2", 1, 0, 8)]
