"""Requests that a provider never takes: no batch of theirs is open, and somebody must hear of them all the same."""

from __future__ import annotations

from pathlib import Path

from grabient_assets.asking.checks import overdue_finding
from grabient_assets.errors import ProviderBusyError
from grabient_assets.headless.status_document import status_document
from grabient_assets.ledger.overdue import PutOff, put_off, put_off_too_long
from grabient_assets.providers.contract import BatchFile
from grabient_assets.settings import load_settings
from grabient_assets.thresholds import PUT_OFF_AT_MOST
from grabient_assets_tests.ledger.house import START, House, palette
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider, nothing
from grabient_assets_tests.ledger.sending import send


def full(_: BatchFile) -> None:
    raise ProviderBusyError("openai", "The queue is full.")


def idle(house: House) -> list[PutOff]:
    with house.warehouse.read() as connection:
        return put_off(connection)


def test_after_a_day_it_is_flagged_until_a_batch_is_accepted(
    house: House, provider: ScriptedProvider, tmp_path: Path
) -> None:
    house.ask(house.load(palette(1)))
    assert idle(house) == []
    provider.before_submit = full
    for _ in range(3):
        send(house, provider, "a")
        house.clock.wind(hours=13)
    [found] = idle(house)
    assert found == PutOff("tagging", "openai", "gpt-4o-mini", START, 3, "The queue is full.")
    said = put_off_too_long(found, house.clock()) or ""
    assert said.startswith("openai has taken no batch for gpt-4o-mini (tagging) for 39 hours, in 3 tries. Last: The q")
    assert put_off_too_long(found, START + PUT_OFF_AT_MOST) is None

    assert overdue_finding("tagging", [], [found], house.clock()).examples == [said]
    assert overdue_finding("refinement", [], [found], house.clock()).found == 0
    settings = load_settings({"GRABIENT_DATA_DIR": str(tmp_path)})
    house.write("UPDATE batches SET sent_after = now() - (TIMESTAMPTZ '2026-11-22 03:00:00+00' - sent_after)")
    [shown] = status_document(house.warehouse, settings)["put_off"]
    assert shown == said
    house.write("UPDATE batches SET sent_after = TIMESTAMPTZ '2026-11-20 12:00:00+00'")

    house.write("UPDATE asks SET state = 'stopped'")
    assert idle(house) == [], "nothing is wanted"
    house.write("UPDATE asks SET state = 'open'")
    provider.before_submit = nothing
    assert send(house, provider, "a")
    assert idle(house) == []


def test_a_single_try_long_ago_is_no_day_of_trying(house: House, provider: ScriptedProvider) -> None:
    house.ask(house.load(palette(1)))
    provider.before_submit = full
    send(house, provider, "a")
    house.clock.wind(days=3)
    [found] = idle(house)
    assert found.times == 1 and put_off_too_long(found, house.clock()) is None
