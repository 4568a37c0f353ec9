"""Sending what is due: what cannot be sent keeps nothing else back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from grabient_assets.batching.round import collect_batches
from grabient_assets.errors import RequestRejectedError, SettingsError
from grabient_assets.groups.refinement.asking import ask_for_refinement, refiner
from grabient_assets.groups.refinement.submission import submit_due_refinements
from grabient_assets.groups.tagging.asking import TaggingWish, ask_for_tags
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.reading import TagReader
from grabient_assets.groups.tagging.submission import submit_due_tagging
from grabient_assets.providers.contract import RequestSpec
from grabient_assets.registry.model import Model
from grabient_assets.warehouse.palettes import ImageRecord, record_images
from grabient_assets_tests.batching.house import House, palette
from grabient_assets_tests.batching.scripted_provider import ScriptedProvider


class Choosy(ScriptedProvider):
    """Cannot write a request for one of its models."""

    def request_line(self, spec: RequestSpec, model: Model) -> bytes:
        if model.id == "gpt-4o-mini":
            raise RequestRejectedError(self.name, "This model takes no schema.")
        return super().request_line(spec, model)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_model_that_cannot_take_the_request_keeps_no_other_back(house: House) -> None:
    house.ask(house.load(palette(1)))
    provider = Choosy(clock=house.clock)
    sent = submit_due_tagging(provider.connection(), house.warehouse, house.store, house.clock)
    assert (sent.complaints, sent.closed) == (("This model takes no schema.",), False)
    assert sorted(s.batch.model for s in sent.batches) == ["gpt-5.6-luna", "gpt-6-luna"]
    found = house.rows("SELECT model, state, reason FROM asks ORDER BY 1")
    assert found[0] == ("gpt-4o-mini", "stopped", "This model takes no schema.")
    assert {row[1] for row in found[1:]} == {"open"}


def test_a_picture_that_is_lost_keeps_no_other_palette_back(house: House) -> None:
    chosen = house.load(palette(1), palette(2))
    house.ask(chosen, providers=["google"])
    google = ScriptedProvider(name="google", clock=house.clock)
    sent = submit_due_tagging(google.connection(), house.warehouse, house.store, house.clock)
    google.end_all()
    ids = [s.batch.batch_id for s in sent.batches]
    collect_batches(ids, google.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    complete_palettes(house.warehouse, ["google"], house.clock)
    pictures = [
        ImageRecord(p.seed, f"images/{n}.png", None, "s", 1, 1, 3, "s", "local", house.clock())
        for n, p in enumerate(chosen)
    ]
    with house.warehouse.write() as connection:
        record_images(connection, pictures)
    house.store.put("images/1.png", b"png", "image/png")
    ask_for_refinement(chosen, "emulator", house.warehouse, house.clock())
    anthropic = ScriptedProvider(name=refiner().provider, clock=house.clock, labels=False)
    sent = submit_due_refinements(anthropic.connection(), house.warehouse, house.store, house.clock, by_url=False)
    assert len(sent.complaints) == 1 and "Object images/0.png is not below" in sent.complaints[0]
    assert house.rows(
        "SELECT seed FROM batch_requests r JOIN batches b USING (batch_id) WHERE purpose = 'refinement'"
    ) == [(chosen[1].seed,)]
    assert b"3 bytes" in anthropic.held["anthropic-1"].file.lines[0]


def test_what_was_asked_in_the_other_mode_is_never_sent(house: House) -> None:
    house.ask(house.load(palette(1)))  # asked of the emulator
    provider = ScriptedProvider(clock=house.clock)
    live = replace(provider.connection(), answers_from="live")
    sent = submit_due_tagging(live, house.warehouse, house.store, house.clock)
    assert (sent.batches, provider.held) == ((), {})
    assert house.rows("SELECT DISTINCT state FROM asks") == [("stopped",)]
    assert "asked in another mode" in sent.complaints[0]


def test_what_was_asked_under_a_prompt_that_reads_otherwise_now_is_not_sent(house: House) -> None:
    house.ask(house.load(palette(1)))
    with house.warehouse.write() as connection:
        connection.execute("UPDATE asks SET request_digest = 'edited' WHERE model = 'gpt-4o-mini'")
    provider = ScriptedProvider(clock=house.clock)
    sent = submit_due_tagging(provider.connection(), house.warehouse, house.store, house.clock)
    assert sorted(s.batch.model for s in sent.batches) == ["gpt-5.6-luna", "gpt-6-luna"]
    assert house.rows("SELECT state FROM asks WHERE model = 'gpt-4o-mini'") == [("stopped",)]


def test_a_prompt_version_that_is_gone_keeps_no_other_back(house: House) -> None:
    house.ask(house.load(palette(1)))
    with house.warehouse.write() as connection:
        connection.execute("UPDATE asks SET prompt_version = 'v0' WHERE model = 'gpt-4o-mini'")
    provider = ScriptedProvider(clock=house.clock)
    sent = submit_due_tagging(provider.connection(), house.warehouse, house.store, house.clock)
    assert len(sent.batches) == 2
    assert sent.complaints == ("There is no prompt version 'v0' in prompts; known are: v1.",)
    assert house.rows("SELECT state, reason FROM asks WHERE prompt_version = 'v0'") == [("stopped", sent.complaints[0])]


def test_a_folder_with_emulated_answers_takes_no_live_ones_and_the_other_way_round(house: House) -> None:
    chosen = house.load(palette(1))
    for account, asked, other in (("emulator", "live", "emulator"), ("a1b2c3", "emulator", "live")):
        with house.warehouse.write() as connection:
            for table in ("batches", "batch_requests", "asks"):
                connection.execute(f"DELETE FROM {table}")
        house.ask(chosen)
        provider = ScriptedProvider(clock=house.clock)
        connection_ = replace(provider.connection(), account=account)
        assert submit_due_tagging(connection_, house.warehouse, house.store, house.clock).batches
        wish = TaggingWish(chosen, ("openai",), 2, asked)
        with pytest.raises(SettingsError, match=f"holds answers from {other} mode, and {asked} answers must not mix"):
            ask_for_tags(wish, house.warehouse, house.clock())
        with pytest.raises(SettingsError, match=f".grabient-{asked}"):
            ask_for_refinement(chosen, asked, house.warehouse, house.clock())
        assert {row[0] for row in house.rows("SELECT purpose FROM asks")} == {"tagging"}


class Overtaken(ScriptedProvider):
    """While it writes its first line, another process sends the same requests and collects the answers."""

    house: House
    other: ScriptedProvider | None = None

    def request_line(self, spec: RequestSpec, model: Model) -> bytes:
        if self.other is None:
            house, self.other = self.house, ScriptedProvider(clock=self.clock)
            house.clock.wind(seconds=1)
            sent = submit_due_tagging(self.other.connection(), house.warehouse, house.store, house.clock)
            self.other.end_all()
            ids = [s.batch.batch_id for s in sent.batches]
            collect_batches(ids, self.other.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
        return super().request_line(spec, model)


def test_what_another_process_sent_and_collected_meanwhile_is_not_sent_again(house: House) -> None:
    house.ask(house.load(palette(1)))
    provider = Overtaken(clock=house.clock)
    provider.house = house
    sent = submit_due_tagging(provider.connection(), house.warehouse, house.store, house.clock)
    assert (sent.batches, provider.held) == ((), {})
    assert provider.other is not None and len(provider.other.sent) == 3
    assert house.rows("SELECT count(*), count(DISTINCT custom_id) FROM batch_requests") == [(3, 3)]
    assert house.rows("SELECT count(*) FROM palette_tags WHERE error IS NULL") == [(3,)]
