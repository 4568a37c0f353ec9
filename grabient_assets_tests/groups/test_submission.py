"""Sending what is due: what cannot be sent keeps nothing else back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets.errors import RequestRejectedError, SettingsError
from grabient_assets.groups.palettes.tables import ImageRecord, record_images
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.refinement.asking import ask_for_chained, ask_for_refinement
from grabient_assets.groups.refinement.purpose import REFINEMENT, refiner
from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.headless.failures import ask_again
from grabient_assets.headless.run_goal import make_goal, record_goal
from grabient_assets.ledger.asks import AskTerms
from grabient_assets.ledger.due import due_requests
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.send import Sent
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.prompting.released import load_released
from grabient_assets.providers.contract import Spec
from grabient_assets.registry.model import Model
from grabient_assets.settings import PROVIDERS, SHIPPED_PROMPTS, Settings, load_settings
from grabient_assets_tests.ledger.house import House, palette
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider


class Choosy(ScriptedProvider):
    """Cannot write a request for one of its models."""

    def request_line(self, spec: Spec, model: Model) -> bytes:
        if model.id == "gpt-4o-mini":
            raise RequestRejectedError(self.name, "This model takes no schema.")
        return super().request_line(spec, model)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_model_that_cannot_take_the_request_keeps_no_other_back(house: House) -> None:
    house.ask(house.load(palette(1)))
    provider = Choosy(clock=house.clock)
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert (sent.complaints, sent.closed) == (("This model takes no schema.",), False)
    assert sorted(s.batch.model for s in sent.batches) == ["gpt-5.6-luna", "gpt-6-luna"]
    found = house.rows("SELECT model, state, reason FROM asks ORDER BY 1")
    assert found[0] == ("gpt-4o-mini", "stopped", "This model takes no schema.")
    assert {row[1] for row in found[1:]} == {"open"}


def test_a_picture_that_is_lost_keeps_no_other_palette_back(house: House) -> None:
    chosen = house.load(palette(1), palette(2))
    house.ask(chosen, providers=["google"])
    google = ScriptedProvider(name="google", clock=house.clock)
    sent = submit_due(TAGGING, Submission(google.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    google.end_all()
    ids = [s.batch.batch_id for s in sent.batches]
    collect_batches(ids, google.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    complete_palettes(house.warehouse, ["google"], house.clock)
    pictures = [
        ImageRecord(p.subject, f"images/{n}.png", None, "s", 1, 1, 3, "s", "local", house.clock())
        for n, p in enumerate(chosen)
    ]
    with house.warehouse.write() as connection:
        record_images(connection, pictures)
    house.store.put("images/1.png", b"png", "image/png")
    ask_for_refinement(chosen, "emulator", house.warehouse, house.clock())
    anthropic = ScriptedProvider(name=refiner().provider, clock=house.clock, labels=False)
    sent = submit_due(
        REFINEMENT, Submission(anthropic.connection(), PURPOSES, house.warehouse, house.store, house.clock)
    )
    assert len(sent.complaints) == 1 and "Object images/0.png is not below" in sent.complaints[0]
    assert house.rows(
        "SELECT subject FROM batch_requests r JOIN batches b USING (batch_id) WHERE purpose = 'refinement'"
    ) == [(chosen[1].subject,)]
    assert b"3 bytes" in anthropic.held["anthropic-1"].file.lines[0]


def test_what_was_asked_in_the_other_mode_is_never_sent(house: House) -> None:
    house.ask(house.load(palette(1)))  # asked of the emulator
    provider = ScriptedProvider(clock=house.clock)
    live = replace(provider.connection(), answers_from="live")
    sent = submit_due(TAGGING, Submission(live, PURPOSES, house.warehouse, house.store, house.clock))
    assert (sent.batches, provider.held) == ((), {})
    assert house.rows("SELECT DISTINCT state FROM asks") == [("stopped",)]
    assert "asked in another mode" in sent.complaints[0]


def test_what_was_asked_under_a_prompt_that_reads_otherwise_now_is_not_sent(house: House) -> None:
    house.ask(house.load(palette(1)))
    with house.warehouse.write() as connection:
        connection.execute("UPDATE asks SET request_digest = 'edited' WHERE model = 'gpt-4o-mini'")
    provider = ScriptedProvider(clock=house.clock)
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert sorted(s.batch.model for s in sent.batches) == ["gpt-5.6-luna", "gpt-6-luna"]
    assert house.rows("SELECT state FROM asks WHERE model = 'gpt-4o-mini'") == [("stopped",)]


def test_a_prompt_version_that_is_gone_keeps_no_other_back(house: House) -> None:
    house.ask(house.load(palette(1)))
    with house.warehouse.write() as connection:
        connection.execute("UPDATE asks SET prompt_version = 'v0' WHERE model = 'gpt-4o-mini'")
    provider = ScriptedProvider(clock=house.clock)
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert len(sent.batches) == 2
    there = ", ".join(load_released(SHIPPED_PROMPTS))
    assert sent.complaints == (f"There is no prompt version 'v0'; there is {there}.",)
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
        assert submit_due(TAGGING, Submission(connection_, PURPOSES, house.warehouse, house.store, house.clock)).batches
        wish = TaggingAsk(chosen, ("openai",), 2, asked)
        with pytest.raises(SettingsError, match=f"holds answers from {other} mode, and {asked} answers must not mix"):
            ask_for_tags(wish, house.warehouse, house.clock())
        with pytest.raises(SettingsError, match=f".grabient-{asked}"):
            ask_for_refinement(chosen, asked, house.warehouse, house.clock())
        assert {row[0] for row in house.rows("SELECT purpose FROM asks")} == {"tagging"}


class Overtaken(ScriptedProvider):
    """While it writes its first line, another process sends the same requests and collects the answers."""

    house: House
    other: ScriptedProvider | None = None

    def request_line(self, spec: Spec, model: Model) -> bytes:
        if self.other is None:
            house, self.other = self.house, ScriptedProvider(clock=self.clock)
            house.clock.wind(seconds=1)
            sent = submit_due(
                TAGGING, Submission(self.other.connection(), PURPOSES, house.warehouse, house.store, house.clock)
            )
            self.other.end_all()
            ids = [s.batch.batch_id for s in sent.batches]
            collect_batches(ids, self.other.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
        return super().request_line(spec, model)


def test_what_another_process_sent_and_collected_meanwhile_is_not_sent_again(house: House) -> None:
    house.ask(house.load(palette(1)))
    provider = Overtaken(clock=house.clock)
    provider.house = house
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert (sent.batches, provider.held) == ((), {})
    assert provider.other is not None and len(provider.other.sent) == 3
    assert house.rows("SELECT count(*), count(DISTINCT custom_id) FROM batch_requests") == [(3, 3)]
    assert house.rows("SELECT count(*) FROM palette_tags WHERE error IS NULL") == [(3,)]


JULY = datetime(2026, 7, 1, 12, tzinfo=UTC)  # gpt-4o-mini has a price on this day, the lunas have none
LUNAS = ["gpt-5.6-luna", "gpt-6-luna"]


def states(house: House) -> dict[str, set[str]]:
    """Model -> the states of its asks."""
    found: dict[str, set[str]] = {}
    for model, state in house.rows("SELECT model, state FROM asks"):
        found.setdefault(model, set()).add(state)
    return found


def test_what_has_no_batch_price_is_not_sent(house: House) -> None:
    house.clock.now = JULY
    house.ask(house.load(palette(1)))
    provider = ScriptedProvider(clock=house.clock)
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert [s.batch.model for s in sent.batches] == ["gpt-4o-mini"]
    assert [one.file.model.id for one in provider.held.values()] == ["gpt-4o-mini"]
    assert len(sent.complaints) == 2
    for complaint, model in zip(sent.complaints, LUNAS, strict=True):
        assert complaint.startswith(f"No price of {model} (openai) is known for 2026-07-01; the first one starts on")
        assert complaint.endswith("Add an entry to registry/data/openai.toml, or ask with --allow-unpriced.")
    assert states(house) == {"gpt-4o-mini": {"open"}, LUNAS[0]: {"stopped"}, LUNAS[1]: {"stopped"}}


def test_what_is_allowed_at_any_price_is_sent_later_by_whoever_sends(house: House) -> None:
    """The permission stands with the ask, so a sensor's run has it, and palettes asked without it do not."""
    house.clock.now = JULY
    one, other = house.load(palette(1), palette(2))
    house.ask([one], allow_unpriced=True)
    house.ask([other])
    provider = ScriptedProvider(clock=house.clock)
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    counts = {s.batch.model: s.batch.request_count for s in sent.batches}
    assert counts == {"gpt-4o-mini": 2, LUNAS[0]: 1, LUNAS[1]: 1}, "a known price is one batch for both"
    assert house.rows(
        "SELECT DISTINCT subject FROM batch_requests JOIN batches USING (batch_id) WHERE model LIKE '%luna'"
    ) == [(one.subject,)]
    assert house.rows("SELECT DISTINCT subject, state FROM asks WHERE model LIKE '%luna' ORDER BY state") == [
        (one.subject, "open"),
        (other.subject, "stopped"),
    ]
    provider.end_all()
    ids = [s.batch.batch_id for s in sent.batches]
    collect_batches(ids, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    costs = dict(house.rows("SELECT model, cost_usd FROM batches"))
    assert costs["gpt-4o-mini"] > 0 and costs[LUNAS[0]] is costs[LUNAS[1]] is None, "unknown is not nothing"
    house.ask([other], allow_unpriced=True)
    again = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert {s.batch.model: s.batch.request_count for s in again.batches} == {LUNAS[0]: 1, LUNAS[1]: 1}


def test_the_price_of_the_day_it_was_sent_holds_whatever_comes_after(house: House) -> None:
    """gpt-6-luna has a price from 2026-10-14 on: what was sent the day before does not get it when it is collected."""
    house.clock.now = datetime(2026, 10, 13, 23, tzinfo=UTC)
    chosen = house.load(palette(1), palette(2))
    costs: list[dict[str, Decimal | None]] = []
    for partition in chosen:
        house.ask([partition], allow_unpriced=True)
        provider = ScriptedProvider(clock=house.clock)
        sent = submit_due(
            TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock)
        )
        house.clock.wind(days=2)
        provider.end_all()
        ids = [s.batch.batch_id for s in sent.batches]
        collect_batches(ids, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
        costs.append(dict(house.rows("SELECT batch_id, cost_usd FROM batches WHERE model = 'gpt-6-luna'")))
    (before,) = costs[0]
    assert costs[0] == {before: None}
    after = costs[1].pop(next(batch for batch in costs[1] if batch != before))
    assert costs[1] == {before: None} and after is not None and after > 0


def test_the_cap_goes_over_to_the_refinement_that_follows(house: House) -> None:
    chosen = house.load(palette(1), palette(2))
    house.ask(chosen[:1], cap=SpendingCap("mine", Decimal(1)))
    house.ask(chosen[1:])
    provider = ScriptedProvider(clock=house.clock)
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert [(s.batch.model, s.batch.cap_id, s.batch.request_count) for s in sent.batches] == [
        (model, cap, 1) for model in ("gpt-4o-mini", *LUNAS) for cap in (None, "mine")
    ]
    provider.end_all()
    ids = [s.batch.batch_id for s in sent.batches]
    collect_batches(ids, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    complete_palettes(house.warehouse, ["openai"], house.clock)
    assert ask_for_chained(house.warehouse, ["openai"], "emulator", house.clock()) == ()
    found = house.rows("SELECT subject, cap_id FROM asks WHERE purpose = 'refinement'")
    assert dict(found) == {chosen[0].subject: "mine", chosen[1].subject: None}


def test_the_permission_goes_over_to_the_refinement_that_follows(house: House) -> None:
    chosen = house.load(palette(1), palette(2))
    house.ask(chosen[:1], allow_unpriced=True)
    house.ask(chosen[1:])
    provider = ScriptedProvider(clock=house.clock)
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    provider.end_all()
    ids = [s.batch.batch_id for s in sent.batches]
    collect_batches(ids, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    complete_palettes(house.warehouse, ["openai"], house.clock)
    assert ask_for_chained(house.warehouse, ["openai"], "emulator", house.clock()) == ()
    found = dict(house.rows("SELECT subject, allow_unpriced FROM asks WHERE purpose = 'refinement'"))
    assert found == {chosen[0].subject: True, chosen[1].subject: False}


def test_a_model_that_is_shut_down_is_refused_when_it_is_asked(house: House) -> None:
    house.clock.now = datetime(2027, 1, 14, 12, tzinfo=UTC)
    house.ask(house.load(palette(1)))
    assert states(house) == {"gpt-4o-mini": {"stopped"}, LUNAS[0]: {"open"}, LUNAS[1]: {"open"}}
    assert house.rows("SELECT reason FROM asks WHERE state = 'stopped'") == [
        ("Model gpt-4o-mini of openai was shut down on 2027-01-14; use gpt-6-luna instead.",)
    ]
    provider = ScriptedProvider(clock=house.clock)
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert sorted(s.batch.model for s in sent.batches) == LUNAS and sent.complaints == ()


def test_a_model_that_is_shut_down_after_it_was_asked_is_not_sent_anything(house: House) -> None:
    house.clock.now = datetime(2027, 1, 13, 12, tzinfo=UTC)
    house.ask(house.load(palette(1)))
    house.clock.wind(days=1)
    provider = ScriptedProvider(clock=house.clock)
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert sorted(s.batch.model for s in sent.batches) == LUNAS
    assert sent.complaints == ("Model gpt-4o-mini of openai was shut down on 2027-01-14; use gpt-6-luna instead.",)


def test_a_refiner_that_is_shut_down_is_refused_when_it_is_asked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRABIENT_REFINER", "claude-opus-4-5-20251101")
    (chosen,) = house.load(palette(1))
    ask_for_refinement([chosen], "emulator", house.warehouse, datetime(2025, 10, 1, tzinfo=UTC))
    assert house.rows("SELECT state, reason FROM asks") == [
        ("stopped", "Model claude-opus-4-5-20251101 of anthropic is not available before 2025-11-01.")
    ]


def test_who_refines_is_a_setting_and_what_is_asked_of_another_stays_with_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, now = "claude-opus-4-5-20251101", "claude-opus-5-5"
    first, second, third = house.load(palette(1), palette(2), palette(3))
    monkeypatch.setenv("GRABIENT_REFINER", old)
    ask_for_refinement([first, second], "emulator", house.warehouse, house.clock())
    house.write("UPDATE asks SET state = 'closed' WHERE subject = ?", second.subject)
    monkeypatch.delenv("GRABIENT_REFINER")
    house.clock.wind(seconds=1)
    ask_for_refinement([first, second, third], "emulator", house.warehouse, house.clock())
    asked = house.rows("SELECT subject, model, state FROM asks WHERE purpose = 'refinement' ORDER BY ALL")
    assert asked == sorted([(first.subject, old, "open"), (second.subject, now, "open"), (third.subject, now, "open")])
    monkeypatch.setenv("GRABIENT_REFINER", "claude-haiku-5-5")
    with pytest.raises(SettingsError, match=f"'claude-haiku-5-5', which refines nothing; choose {old} or"):
        ask_for_refinement([first], "emulator", house.warehouse, house.clock())


def test_a_model_that_is_shut_down_makes_no_palette_need_work(house: House) -> None:
    """All that is missing is the answer of gpt-4o-mini: that is work the day before it ends, and none from then on."""
    chosen = house.load(palette(1))
    for name in PROVIDERS:
        house.ask(chosen, providers=[name])
        house.write("DELETE FROM asks WHERE model = 'gpt-4o-mini'")
        provider = ScriptedProvider(name=name, clock=house.clock)
        sent = submit_due(
            TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock)
        )
        provider.end_all()
        ids = [s.batch.batch_id for s in sent.batches]
        collect_batches(ids, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    settings = load_settings({"GRABIENT_DATA_DIR": str(house.folder)})

    def needing(today: date) -> tuple[str, ...]:
        return make_goal(house.warehouse, settings, "v1", 1, "tags", today=today).needing

    assert needing(date(2027, 1, 13)) == (chosen[0].subject,)
    assert needing(date(2027, 1, 14)) == ()


class Refining:
    """Palettes that openai's models tag and the refiner refines, run by run, each on its own terms."""

    def __init__(self, house: House, count: int) -> None:
        self.house = house
        self.chosen = house.load(*(palette(n) for n in range(1, count + 1)))
        pictures = [
            ImageRecord(p.subject, f"images/{n}.png", None, "s", 1, 1, 3, "s", "local", house.clock())
            for n, p in enumerate(self.chosen)
        ]
        with house.warehouse.write() as connection:
            record_images(connection, pictures)
        for one in pictures:
            house.store.put(one.object_key, b"png", "image/png")
        self.refiner = ScriptedProvider(name=refiner().provider, clock=house.clock, labels=False)

    @property
    def settings(self) -> Settings:
        return load_settings({"GRABIENT_DATA_DIR": str(self.house.folder)})

    def run(self, max_usd: str | None = None) -> tuple[str, ...]:
        """What `grabient run` records; the palettes that need work."""
        now = self.house.clock.wind(seconds=1)
        today, cap = now.date(), None if max_usd is None else Decimal(max_usd)
        wish = make_goal(self.house.warehouse, self.settings, "v1", 1, "refined", today=today, providers=["openai"])
        record_goal(wish, self.house.warehouse, self.settings, now, max_usd=cap)
        return wish.needing

    def tag(self) -> None:
        """Send what is due, and collect it."""
        house, provider = self.house, ScriptedProvider(clock=self.house.clock)
        sent = submit_due(
            TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock)
        )
        provider.end_all()
        ids = [s.batch.batch_id for s in sent.batches]
        collect_batches(ids, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
        complete_palettes(house.warehouse, ["openai"], house.clock)

    def refine(self, month: str | None = None) -> Sent:
        """What the sensor's run sends, out of a month's budget of so much."""
        house = self.house
        ask_for_chained(house.warehouse, ["openai"], "emulator", house.clock())
        connection = replace(self.refiner.connection(), budget_usd=None if month is None else Decimal(month))
        return submit_due(REFINEMENT, Submission(connection, PURPOSES, house.warehouse, house.store, house.clock))

    def lower_caps(self, usd: str) -> None:
        """As if the answers so far had been dearer by the difference."""
        self.house.write("UPDATE spending_caps SET usd = $1", Decimal(usd))

    def retry(self) -> None:
        ask_again(self.house.warehouse, self.settings, None, self.house.clock.wind(seconds=1))

    def caps(self, purpose: str) -> list[Decimal | None]:
        """The caps of the open asks, in dollars."""
        found = self.house.rows(
            "SELECT usd FROM asks LEFT JOIN spending_caps USING (cap_id) "
            "WHERE state = 'open' AND purpose = $1 ORDER BY asks.subject",
            purpose,
        )
        return [row[0] for row in found]


@pytest.mark.parametrize("later", [None, "5"])
def test_a_refinement_that_a_cap_held_goes_out_on_the_terms_of_the_next_run(house: House, later: str | None) -> None:
    story = Refining(house, 2)
    story.run("0.2")
    story.tag()
    story.lower_caps("0.03")
    (held,) = story.refine().held
    assert held.startswith("Over budget: 2 palettes wait.") and "of the 0.03 USD that it was asked with" in held
    assert story.run(later) == tuple(p.subject for p in story.chosen), "their refinement is all they lack"
    sent = story.refine()
    assert [(s.batch.request_count, s.error) for s in sent.batches] == [(2, None)] and sent.held == ()
    expected = None if later is None else Decimal(later)
    assert story.caps("refinement") == [expected] * 2
    paid_by = "SELECT usd FROM batches LEFT JOIN spending_caps USING (cap_id) WHERE purpose = 'refinement'"
    assert house.rows(paid_by) == [(expected,)]


def test_a_refinement_that_the_month_held_stays_within_the_cap_of_the_next_run(house: House) -> None:
    story = Refining(house, 2)
    story.run()
    story.tag()
    (held,) = story.refine(month="0.001").held
    assert "of the 0.0010 USD of" in held
    kept_back = story.chosen[:1]
    ask_for_refinement(kept_back, "emulator", house.warehouse, house.clock(), AskTerms(despite_checks=True))
    house.ask(story.chosen, refine=False, cap=SpendingCap("tags alone", Decimal(7)))
    assert story.caps("refinement") == [None, None], "who asks for tags alone says nothing about it"
    assert len(story.run("0.002")) == 2
    sent = story.refine()
    assert sent.batches == () and len(sent.held) == 1 and "of the 0.0020 USD that it was asked with" in sent.held[0]
    found = dict(house.rows("SELECT subject, despite_checks FROM asks WHERE purpose = 'refinement' AND state = 'open'"))
    assert found == {p.subject: p in kept_back for p in story.chosen}


def test_a_failed_tag_that_is_asked_again_under_a_cap_is_taken_up_by_the_next_run(house: House) -> None:
    story = Refining(house, 1)
    story.run("0.2")
    story.tag()
    assert len(story.refine().batches) == 1
    house.write("UPDATE palette_tags SET error = 'no JSON' WHERE model = 'gpt-4o-mini'")
    _fail_refinement(house)
    assert story.run() == (), "a failure is an answer"
    house.write("DELETE FROM asks WHERE purpose = 'refinement'")
    story.retry()
    assert story.caps("tagging") == [Decimal("0.2")], "on the terms on which it was asked for"
    assert story.run("5") == (story.chosen[0].subject,)
    assert story.caps("tagging") == [Decimal(5)]
    with house.warehouse.read() as connection:
        assert [one.model for one in due_requests(connection, TAGGING, "openai")] == ["gpt-4o-mini"]


def test_a_failed_refinement_that_is_asked_again_under_a_cap_is_taken_up_by_the_next_run(house: House) -> None:
    story = Refining(house, 1)
    story.run("0.2")
    story.tag()
    story.lower_caps("0.03")
    assert len(story.refine().held) == 1
    _fail_refinement(house)
    assert story.run() == (), "a failure is an answer"
    story.retry()
    assert len(story.refine().held) == 1 and story.caps("refinement") == [Decimal("0.03")]
    assert story.run("5") == (story.chosen[0].subject,)
    assert story.caps("refinement") == [Decimal(5)] and len(story.refine().batches) == 1


def _fail_refinement(house: House) -> None:
    """The refiner has answered, and what it said is of no use."""
    house.write(
        """
        INSERT INTO palette_tag_refined BY NAME
        SELECT subject AS seed, prompt_version, prompt_version AS source_prompt_version, model,
               stem || '-00' AS custom_id, 'invalid' AS fate, basis AS consensus_digest, 'no JSON' AS error,
               $1::TIMESTAMPTZ AS created_at
        FROM asks WHERE purpose = 'refinement'
        """,
        house.clock(),
    )
    house.write("UPDATE asks SET state = 'closed' WHERE purpose = 'refinement'")
