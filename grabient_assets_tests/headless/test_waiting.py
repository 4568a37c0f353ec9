"""Whom a run waits for, since when, why and until when: the sentences, and when they are said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets.cli.progress import QUIET_SECONDS, ProgressLines
from grabient_assets.headless.status import Progress, ProviderProgress
from grabient_assets.headless.waiting import NOTHING_UNDER_WAY, Waiting, Waits, left_under_way
from grabient_assets.ledger.backoff import record_pauses
from grabient_assets.resources.runs import GAVE_UP
from grabient_assets.settings import Settings, load_settings
from grabient_assets_tests.ledger.house import START, House, palette
from grabient_assets_tests.pipeline.place import settings_of

BATCH = """
INSERT INTO batches (batch_id, purpose, provider, model, prompt_version, prompt_digest, status, request_count,
    succeeded, failed, bodies_sha256, account, intended_at, submitted_at, collect_attempts, error, retry_at)
VALUES ($1, 'tagging', $2, $3, 'v1', 'd', $4, 24, 0, 0, '', 'emulator', $5, $5, 0, $6, $7)
"""
MODEL = "gpt-5.6-luna"
FAULT = "While asking for batch b, openai answered 500: request req_{}. Try again later."


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in settings_of(tmp_path).items():
        monkeypatch.setenv(name, value)
    return load_settings()


def add(house: House, name: str, provider: str, status: str, error: str | None = None, minutes: int = 0) -> None:
    """A batch of 24 requests that was sent at twelve; what was put off is due again after so many minutes."""
    retry_at = START + timedelta(minutes=minutes) if minutes else None
    house.write(BATCH, name, provider, MODEL, status, START, error, retry_at)


def sentences(house: House, waits: Waits, minutes: float, sensors: dict[str, str] | None = None) -> list[str]:
    now = START + timedelta(minutes=minutes)
    with house.warehouse.read() as connection:
        return [one.sentence for one in waits.now(connection, sensors or {}, now, now + timedelta(seconds=30))]


def test_every_kind_of_wait_in_a_sentence(house: House, settings: Settings) -> None:
    waits = Waits(settings)
    assert sentences(house, waits, 0) == []
    add(house, "one", "openai", "submitted")
    add(house, "two", "openai", "submitted")
    fine = f"Waiting: 2 batches of 48 requests ({MODEL}) open at openai since 12:00:00 UTC."
    assert sentences(house, waits, 60) == [f"{fine} Next look at 13:00:30 UTC."]

    house.write("UPDATE batches SET error = ? WHERE batch_id = 'one'", FAULT.format("1a"))
    first, later = FAULT.format("1a"), FAULT.format("2b")
    assert sentences(house, waits, 61) == [f"{fine} Trouble since 13:01:00 UTC: {first} Next look at 13:01:30 UTC."]
    house.write("UPDATE batches SET error = ? WHERE batch_id = 'one'", later)
    [said] = sentences(house, waits, 70)
    assert said == f"{fine} Trouble since 13:01:00 UTC: {later} Next look at 13:10:30 UTC.", "the same trouble goes on"
    house.write("UPDATE batches SET error = NULL")
    assert sentences(house, waits, 71) == [f"{fine} Next look at 13:11:30 UTC."]

    with house.warehouse.write() as connection:
        record_pauses(connection, {"openai": START + timedelta(minutes=100)})
    [said] = sentences(house, waits, 72)
    assert said == f"{fine} Trouble since 13:12:00 UTC: openai asked for time. Next look at 13:40:00 UTC."


def test_a_provider_that_takes_nothing_and_a_create_call_without_an_answer(house: House, settings: Settings) -> None:
    house.ask(house.load(palette(1)))
    [(model,)] = house.rows("SELECT DISTINCT model FROM asks LIMIT 1")
    house.write(BATCH, "off", "openai", model, "deferred", START, "openai answered 429.", START + timedelta(minutes=9))
    add(house, "unseen", "groq", "intended")
    groq, openai = sentences(house, Waits(settings), 1)
    assert groq.startswith(
        f"Waiting: 1 batch of 24 requests ({MODEL}; sent without an answer, to be looked for first) open "
        "at groq since 12:00:00 UTC."
    )
    assert openai == (
        f"Waiting: openai has taken no batch for {model} since 12:00:00 UTC; the next try is at 12:09:00 UTC. "
        "The last reason: openai answered 429. Next look at 12:01:30 UTC."
    )


def test_trouble_that_the_first_look_finds_may_be_older(house: House, settings: Settings) -> None:
    add(house, "one", "openai", "submitted", FAULT.format("1a"))
    waits, restarted = Waits(settings), Waits(settings)
    assert "UTC. Trouble at least since 12:01:00 UTC: While asking" in sentences(house, waits, 1)[0]
    assert "UTC. Trouble at least since 12:01:00 UTC: While asking" in sentences(house, waits, 5)[0]
    add(house, "two", "groq", "submitted", "groq answered 500.")
    assert "UTC. Trouble since 12:06:00 UTC: groq answered 500." in sentences(house, waits, 6)[0]
    assert "UTC. Trouble at least since 12:07:00 UTC: groq answered 500." in sentences(house, restarted, 7)[0]
    assert "UTC. Trouble at least since 2026-11-20 12:01 UTC: While" in sentences(house, waits, 60 * 24)[1]


def test_work_that_is_held_and_runs_of_other_people(house: House, settings: Settings) -> None:
    held = f"{GAVE_UP}, the latest is 1234; it says why. The next try is at 12:15 UTC."
    sensors = {
        "tagging_due": held,
        "tagging_completed": held,
        "refinement_due": "Waiting for run 1 (x), so that what it asks for goes out together.",
        "batches_ended": "No batch is open.",
    }
    assert [one.split(" Next")[0] for one in sentences(house, Waits(settings), 0, sensors)] == [
        held,
        sensors["refinement_due"],
    ]


def test_the_last_words_say_what_goes_on_and_how_to_stop_it(house: House, settings: Settings) -> None:
    assert left_under_way(settings) == NOTHING_UNDER_WAY
    add(house, "done", "openai", "collected")
    assert left_under_way(settings) == NOTHING_UNDER_WAY
    add(house, "one", "openai", "submitted")
    assert left_under_way(settings) == (
        f"Stopped. Still under way: 1 batch of 24 requests ({MODEL}) at openai. They go on there and are paid for. "
        "`grabient run` collects them; `grabient cancel one` stops it."
    )
    house.write("UPDATE batches SET cancel_asked_at = now() WHERE batch_id = 'one'")
    add(house, "two", "groq", "intended")
    said = left_under_way(settings)
    assert f"1 batch of 24 requests ({MODEL}; sent without an answer" in said
    assert f"1 batch of 24 requests ({MODEL}; to be cancelled) at openai" in said
    assert said.endswith("`grabient cancel two` stops it."), "not the one that is being cancelled"


def test_said_on_change_and_then_at_growing_distances(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = ProgressLines(lambda: now)
    fine = Waiting("openai", "2 batches", None, "Waiting: 2 batches.")
    bad = Waiting("openai", "2 batches 500", "500", "Waiting: 2 batches. Trouble.")

    def said(at: float, waiting: Waiting) -> bool:
        nonlocal now
        now = at
        lines.waits([waiting])
        return bool(capsys.readouterr().err)

    lines(None, Progress(1, 0, (), 0, 0, Decimal(0)))
    capsys.readouterr()
    assert not said(QUIET_SECONDS - 1, fine), "an emulated batch ends before anybody wonders"
    times = [at for at in range(10, 4000, 5) if said(at, fine)]
    assert times == [10, 70, 190, 430, 910, 1810, 2710, 3610]
    assert said(4001, bad) and not said(4030, bad) and said(4061, bad), "trouble at once, then after a minute"
    assert said(4062, fine), "and when it is over"
    lines.waits([])
    assert said(4063, fine), "another wait of the same kind"


def test_trouble_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ProgressLines(lambda: 0.0)
    lines.waits([Waiting("groq", "gone", "Unreachable.", "Waiting: groq. Unreachable.")])
    assert capsys.readouterr().err == "[   0.0 s] Waiting: groq. Unreachable.\n"


def test_a_wait_of_another_day_has_its_date(house: House, settings: Settings) -> None:
    add(house, "old", "openai", "submitted")
    [said] = sentences(house, Waits(settings), 60 * 24)
    assert "since 2026-11-20 12:00 UTC" in said and datetime(2026, 11, 21, tzinfo=UTC).strftime("%d") not in said


def test_counts_of_one_and_of_thousands(capsys: pytest.CaptureFixture[str]) -> None:
    providers = (ProviderProgress("groq", 1, 1, 0), ProviderProgress("openai", 24_000, 12_000, 1_500))
    ProgressLines(lambda: 0.0)(None, Progress(1_200, 1_200, providers, 0, 0, Decimal(0)))
    said = [line.partition("] ")[2] for line in capsys.readouterr().err.splitlines()]
    assert said[:3] == [
        "pictures: 1,200 of 1,200",
        "groq: 1 of 1 request sent, 0 answered",
        "openai: 12,000 of 24,000 requests sent, 1,500 answered",
    ]
