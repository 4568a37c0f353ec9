"""What is seen in the tables and in Dagster's runs, as events with names and sentences."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.errors import StoreError
from grabient_assets.groups.notices.events import seen_events
from grabient_assets.groups.notices.sensors import failed_runs
from grabient_assets.groups.notices.webhook import Event
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.request_sizes import keep_request_sizes
from grabient_assets.resources.runs import WORK_TAG
from grabient_assets.settings import PROVIDERS
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.warehouse.results import (
    NOON,
    answer,
    asked,
    asked_of_all,
    batch,
    consensus,
    insert,
    palette,
    refined,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LATER = NOON + timedelta(hours=30)


def seen(connection: DuckDBPyConnection, now: object = LATER, failed: tuple[Event, ...] = ()) -> dict[str, Event]:
    assert isinstance(now, type(NOON))
    return {event.key: event for event in seen_events(connection, None, PROVIDERS, failed, now)}


def test_a_version_that_is_finished_and_the_day_it_took(tmp_path: Path) -> None:
    with Warehouse(tmp_path / "grabient.duckdb").write() as connection:
        assert seen(connection) == {}
        palette(connection, "one")
        asked_of_all(connection, "one")
        for provider in PROVIDERS:
            answer(connection, "one", provider=provider)
        consensus(connection, "one", answers=4)
        batch(connection, "b", [("one", "succeeded", 0.25, "reported")])
        refined(connection, "one", created_at=NOON + timedelta(hours=1))
        found = seen(connection)
        assert list(found) == ["finished:v1:1:1:2026-11-20T13:00:00.000000", "day:2026-11-20"]
        finished, day = found.values()
        assert finished.sentence == ("Nothing of v1 is open any more: 1 palette asked about, 1 tagged, 1 refined.")
        assert finished.counts == {"prompt_version": "v1", "asked": 1, "tagged": 1, "refined": 1, "withheld": 0}
        assert day.sentence == (
            "2026-11-20 (UTC): 1 palette tagged, 1 refined, 0 unusable answers, 0 failed runs, 0.2500 USD for what was "
            "sent. Now 0 over budget, 0 stuck, 0 withheld."
        )
        assert (day.counts["cost_usd"], day.counts["refined"]) == ("0.2500000000", 1)
        assert list(seen(connection, NOON)) == ["finished:v1:1:1:2026-11-20T13:00:00.000000"], "the day is not over"
        assert list(seen(connection, LATER + timedelta(days=1)))[1:] == [], "nothing happened on the day after"

        asked(connection, "one", "open", "another")
        assert list(seen(connection)) == ["day:2026-11-20"], "something is open again"
        connection.execute("UPDATE asks SET state = 'closed'")
        batch(connection, "open", [("one", None, None, None)], status="submitted", at=LATER)
        assert list(seen(connection)) == ["day:2026-11-20"]


def test_what_is_stuck_withheld_and_without_money(tmp_path: Path) -> None:
    with Warehouse(tmp_path / "grabient.duckdb").write() as connection:
        palette(connection, "mute")
        asked_of_all(connection, "mute")
        answer(connection, "mute", error="refused: I do not look at colours")
        batch(connection, "late", [("mute", None, None, None)], status="submitted", submitted_at=NOON)
        insert(
            connection,
            "budget_holds",
            purpose="tagging",
            provider="openai",
            model="gpt-4o-mini",
            prompt_version="v1",
            cap_id=None,
            requests=3,
            request_usd="0.001",
            needed_usd="0.003",
            reason="Over budget: 3 requests wait.",
            held_at=NOON,
        )
        asked(connection, "mute", "open", "gpt-4o-mini", provider="openai")
        insert(connection, "spending_caps", cap_id="c", usd="0.0000000001", made_at=NOON)
        connection.execute("UPDATE budget_holds SET cap_id = 'c'")
        connection.execute("UPDATE asks SET cap_id = 'c' WHERE state = 'open'")
        found = seen(connection)
        assert [event.kind for event in found.values()] == ["stuck", "day"], "what is set aside may come free"
        assert found["stuck:late:submitted"].sentence.startswith("Batch late (openai m, 1 request")
        connection.execute("UPDATE batches SET status = 'collected'")
        keep_request_sizes(connection, PURPOSES, PROVIDERS, LATER.date())
        (over,) = [event for event in seen(connection).values() if event.kind == "over_budget"]
        assert over.key == "over-budget:2026-11:tagging:openai:gpt-4o-mini:v1:c"
        assert over.sentence.startswith("Over budget: 1 palette waits. To finish it is expected to cost 0.")
        assert over.sentence.endswith("It goes out when you ask again with --max-usd 0.0006 or more.")
        assert "Now 1 over budget, 0 stuck, 0 withheld." in seen(connection)["day:2026-11-20"].sentence
        connection.execute("UPDATE spending_caps SET usd = 1000")
        assert [event.kind for event in seen(connection).values()] == ["day"], "there is money"
        connection.execute("UPDATE asks SET state = 'closed'")
        (withheld,) = [event for event in seen(connection).values() if event.kind == "withheld"]
        assert withheld.key == "withheld:v1:mute:0"
        assert "1 palette kept" in withheld.sentence
        assert "Now 0 over budget, 0 stuck, 1 withheld." in seen(connection)["day:2026-11-20"].sentence


@dg.op
def full() -> None:
    raise StoreError("Object x cannot be written. Free the disk.")


@dg.op
def private() -> None:
    raise KeyError("what the model said")


@dg.op
def refused() -> None:
    raise dg.Failure("2 palettes could not be refined.")


def test_a_failed_run_says_what_is_meant_for_people() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for op, tags in ((full, {WORK_TAG: "w"}), (full, {WORK_TAG: "w"}), (private, {}), (refused, {})):
            job = dg.GraphDefinition("of_" + op.name, node_defs=[op]).to_job()
            job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
        found = failed_runs(instance, NOON + timedelta(days=9999))
        assert found == []
        events = {event.key: event for event in failed_runs(instance, run_time(instance))}
    said = {event.sentence.partition(") failed: ")[2] for event in events.values()}
    assert said == {
        "Object x cannot be written. Free the disk.",
        "it met KeyError, and Dagster's log of the run says where.",
        "2 palettes could not be refined.",
    }
    assert len(events) == 3 and "failed:w" in events, "attempts at the same work are told once"


def run_time(instance: dg.DagsterInstance) -> datetime:
    return instance.get_run_records(limit=1)[0].update_timestamp
