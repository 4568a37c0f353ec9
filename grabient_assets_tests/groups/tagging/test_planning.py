"""The plan says what sending does: counts, batches and bytes, and why each request is missing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.tagging.planning import plan_tagging
from grabient_assets.groups.tagging.purpose import TAGGING, taggers
from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.due import due_targets
from grabient_assets.ledger.estimates import measured_tokens
from grabient_assets.ledger.plan import REASONS, TargetPlan
from grabient_assets.ledger.planning import PlannedModel, Sending, plan_due
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.providers.connect import request_line
from grabient_assets.providers.contract import Spec
from grabient_assets.registry.model import BatchLimits, Model
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.ledger.house import House, palette, twins
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider

MINI, LUNA, NEW_LUNA = "gpt-4o-mini", "gpt-5.6-luna", "gpt-6-luna"
WIDE = BatchLimits(50_000, 200_000_000)


@dataclass
class RealLines(ScriptedProvider):
    """Writes the request lines that the real provider is sent."""

    def request_line(self, spec: Spec, model: Model) -> bytes:
        return request_line(spec, model)


@dataclass
class Panel:
    """One provider's models over a house."""

    house: House
    name: str = "openai"
    limits: BatchLimits = WIDE
    provider: RealLines = field(init=False)

    def __post_init__(self) -> None:
        self.provider = RealLines(name=self.name, limits=self.limits, clock=self.house.clock)

    def due(self) -> list[tuple[str, TargetPlan, Sending]]:
        """What the submitting run says of each model."""
        with self.house.warehouse.read() as connection:
            targets = due_targets(connection, TAGGING, self.name)
            found = plan_due(connection, TAGGING, self.provider.connection(), targets, self.house.clock().date())
        return [(one.model.id, replace(one.counts, lines=()), one.sending) for one in found]

    def plan(self, asked: list[SubjectVersion], analyses: int = 1, others: tuple[str, ...] = ()) -> list[PlannedModel]:
        """The plan if these palettes were asked for."""
        with self.house.warehouse.read() as connection:
            return plan_tagging(
                connection,
                taggers([self.name]),
                "v1",
                [p.subject for p in asked],
                analyses,
                "emulator",
                self.house.clock().date(),
                measured_tokens(connection),
                others,
                {self.name: self.limits},
            )

    def mini(self, asked: list[SubjectVersion], analyses: int = 1) -> PlannedModel:
        """The plan of gpt-4o-mini."""
        return next(one for one in self.plan(asked, analyses) if one.model.id == MINI)

    def ask(self, asked: list[SubjectVersion], analyses: int = 1, **more: bool) -> None:
        self.house.ask(asked, analyses, providers=(self.name,), **more)

    def send(self) -> dict[str, tuple[int, int, int]]:
        """Send what is due; by model the requests, batches and bytes that the provider was given."""
        before = set(self.provider.held)
        submit_due(
            TAGGING,
            Submission(self.provider.connection(), PURPOSES, self.house.warehouse, self.house.store, self.house.clock),
        )
        found: dict[str, tuple[int, int, int]] = {}
        for key, held in self.provider.held.items():
            if key in before:
                continue
            requests, batches, size = found.get(held.file.model.id, (0, 0, 0))
            size += sum(len(line) + 1 for line in held.file.lines)
            found[held.file.model.id] = (requests + len(held.file.lines), batches + 1, size)
        return found

    def collect(self) -> None:
        """End what runs, and collect it."""
        self.house.clock.wind(seconds=1)
        self.provider.end_all()
        ids = [row[0] for row in self.house.rows("SELECT batch_id FROM batches WHERE status = 'submitted'")]
        provider, house = self.provider, self.house
        collect_batches(ids, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)

    def why(self, asked: list[SubjectVersion], analyses: int = 1) -> dict[str, int]:
        """Why requests to gpt-4o-mini are missing."""
        return {reason: n for reason, n in self.mini(asked, analyses).counts.missing.items() if n}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_is_planned_is_what_is_sent(house: House, name: str) -> None:
    """Requests, batches and every byte, with limits that cut, equal colours, and a part that is there already."""
    panel = Panel(house, name, BatchLimits(7, 60_000))
    chosen = house.load(*(palette(n) for n in range(1, 10)), *twins())
    panel.ask(chosen[:3])
    panel.send()
    panel.collect()
    panel.ask(chosen[3:5])
    panel.send()
    planned = panel.plan(chosen, 2)
    for one in planned:
        counts = one.counts
        assert (counts.cached, counts.in_flight, counts.failed, counts.equal) == (3, 2, 0, 2)
        assert counts.missing["more_analyses"] == 5 and counts.missing["new_subject"] == 10
        assert one.sending.requests == 15 and one.cannot is None
        assert one.sending.batches > 2 and one.sending.split_by
    panel.ask(chosen, 2)
    as_planned = [(p.model.id, replace(p.counts, lines=()), p.sending) for p in planned]
    assert panel.due() == as_planned, "the submitting run says the same"
    sent = panel.send()
    assert sent == {p.model.id: (p.sending.requests, p.sending.batches, p.sending.bytes) for p in planned}


def test_what_is_due_is_planned_for_the_run_that_sends_it(house: House) -> None:
    panel = Panel(house)
    panel.ask(house.load(palette(1), palette(2)), 3)
    with house.warehouse.read() as connection:
        due = due_targets(connection, TAGGING, "openai")
        found = plan_due(connection, TAGGING, panel.provider.connection(), due, house.clock().date())
        some = plan_due(connection, TAGGING, panel.provider.connection(), due[1:], house.clock().date())
    assert [(p.model.id, p.sending) for p in some] == [(p.model.id, p.sending) for p in found[1:]]
    whys = [(one.model.id, {why: n for why, n in one.counts.missing.items() if n}) for one in found]
    assert whys == [(model, {"new_subject": 6}) for model in (MINI, LUNA, NEW_LUNA)]
    assert panel.send() == {p.model.id: (6, 1, p.sending.bytes) for p in found}
    with house.warehouse.read() as connection:
        assert due_targets(connection, TAGGING, "openai") == []


def test_caps_go_in_batches_of_their_own_and_what_waits_for_money_is_not_planned(house: House) -> None:
    panel = Panel(house)
    one, other = house.load(palette(1), palette(2))
    panel.ask([one, other], 2)
    house.write("INSERT INTO spending_caps VALUES ('cap', 100, now())")
    house.write("UPDATE asks SET cap_id = 'cap' WHERE subject = $1", other.subject)
    with house.warehouse.read() as connection:
        due, today = due_targets(connection, TAGGING, "openai"), house.clock().date()
        found = plan_due(connection, TAGGING, panel.provider.connection(), due, today)
        held = plan_due(connection, TAGGING, panel.provider.connection(), [d for d in due if d.cap_id is None], today)
    assert [(p.sending.requests, p.sending.batches) for p in found] == [(4, 2)] * 3
    assert [(p.sending.requests, p.sending.batches) for p in held] == [(2, 1)] * 3
    assert panel.send() == {p.model.id: (4, 2, p.sending.bytes) for p in found}


def test_what_was_asked_for_before_goes_out_with_the_chosen_ones(house: House) -> None:
    panel = Panel(house)
    one, other = house.load(palette(1), palette(2))
    panel.ask([other], 2)
    planned = panel.mini([one])
    assert (sum(planned.counts.missing.values()), planned.counts.also_due, planned.sending.requests) == (1, 2, 3)
    panel.ask([one])
    assert panel.send()[MINI][0] == 3


def test_new_palettes_and_new_models(house: House) -> None:
    panel = Panel(house)
    chosen = house.load(palette(1), palette(2))
    assert panel.why(chosen, 3) == {"new_subject": 6}
    panel.ask(chosen[:1])
    house.write("DELETE FROM asks WHERE model = $1", MINI)
    assert panel.why(chosen) == {"new_model": 1, "new_subject": 1}


def test_asked_and_not_sent_yet_and_more_of_it(house: House) -> None:
    panel = Panel(house)
    chosen = house.load(palette(1))
    panel.ask(chosen, 2)
    assert panel.why(chosen, 5) == {"waiting": 2, "more_analyses": 3}
    assert panel.why(chosen, 1) == {"waiting": 2}, "what was asked for stays asked for"


def test_a_changed_prompt(house: House) -> None:
    panel = Panel(house)
    chosen = house.load(palette(1))
    panel.ask(chosen)
    panel.send()
    panel.collect()
    assert panel.why(chosen) == {}
    house.write("UPDATE asks SET request_digest = 'another wording'")
    house.write("UPDATE palette_tags SET custom_id = 'another wording-00'")
    assert panel.why(chosen) == {"changed_prompt": 1}
    house.write("UPDATE asks SET prompt_version = 'v0'")
    house.write("UPDATE palette_tags SET prompt_version = 'v0'")
    assert panel.why(chosen) == {"changed_prompt": 1}


def test_an_answer_under_another_version_of_the_same_wording_is_cached(house: House) -> None:
    panel = Panel(house)
    chosen = house.load(palette(1))
    panel.ask(chosen)
    panel.send()
    panel.collect()
    for table in ("asks", "palette_tags"):
        house.write(f"UPDATE {table} SET prompt_version = 'v0'")
    planned = panel.mini(chosen, 2)
    assert (planned.counts.cached, planned.sending.requests) == (1, 1)
    panel.ask(chosen, 2)
    assert panel.send()[MINI][0] == 1


def test_failures_are_not_missing_until_they_are_asked_again(house: House) -> None:
    panel = Panel(house)
    chosen = house.load(palette(1))
    panel.ask(chosen)
    panel.send()
    panel.collect()
    house.write("UPDATE palette_tags SET error = 'no JSON', fate = 'invalid'")
    house.write("UPDATE batch_requests SET fate = 'invalid'")
    planned = panel.mini(chosen)
    assert (planned.counts.failed, planned.counts.cached, planned.sending.requests) == (1, 0, 0)
    house.clock.wind(seconds=5)
    panel.ask(chosen, retry_failed=True)
    assert panel.why(chosen) == {"retried": 1}
    assert panel.send()[MINI][0] == 1


def test_expired_and_put_off_before(house: House) -> None:
    panel = Panel(house)
    chosen = house.load(palette(1), palette(2))
    panel.ask(chosen)
    panel.send()
    house.write("UPDATE batches SET status = 'collected'")
    house.write("UPDATE batch_requests SET fate = 'expired'")
    assert panel.why(chosen) == {"unanswered": 2}
    house.write("UPDATE batches SET status = 'deferred'")
    assert panel.why(chosen) == {"put_off": 2}


def test_what_was_stopped_says_why(house: House) -> None:
    panel = Panel(house)
    chosen = house.load(palette(1))
    panel.ask(chosen, 2)
    house.write("UPDATE asks SET state = 'stopped', reason = 'The key was refused.' WHERE model = $1", MINI)
    planned = panel.mini(chosen, 2)
    assert planned.counts.missing["stopped"] == 2 and planned.counts.stopped == {"The key was refused.": 2}
    with house.warehouse.read() as connection:
        due = due_targets(connection, TAGGING, "openai")
    assert [one.model for one in due] == [LUNA, NEW_LUNA]


def test_chosen_palettes_that_lack_nothing_are_counted_as_cached(house: House) -> None:
    panel = Panel(house)
    one, other = house.load(palette(1), palette(2))
    panel.ask([one])
    panel.send()
    panel.collect()
    found = {p.model.id: p for p in panel.plan([other], 1, (one.subject,))}
    assert (found[MINI].counts.cached, found[MINI].sending.requests, found[MINI].counts.equal) == (1, 1, 0)


def test_a_model_that_is_shut_down_or_unpriced_cannot_be_sent(house: House) -> None:
    panel = Panel(house)
    chosen = house.load(palette(1))
    house.clock.now = house.clock.now.replace(year=2027, month=1, day=14)
    assert panel.mini(chosen).cannot == (
        "Model gpt-4o-mini of openai was shut down on 2027-01-14; use gpt-6-luna instead."
    )
    house.clock.now = house.clock.now.replace(year=2026, month=7, day=1)
    found = {p.model.id: p for p in panel.plan(chosen)}
    assert found[MINI].cannot is None and found[MINI].sending.usd is not None
    why = found[LUNA].cannot or ""
    assert found[LUNA].sending.usd is None and why.startswith("No price of gpt-5.6-luna (openai) is known")


def test_dollars_by_hand_before_and_after_there_are_answers(house: House) -> None:
    """Assumed: a byte is a quarter of a token, and an answer without thinking has 250. Measured: 1000 and 200."""
    panel = Panel(house)
    chosen = house.load(*(palette(n) for n in range(1, 11)))
    first = panel.mini(chosen).sending
    line = first.bytes // 10 - 1
    assert abs(first.input_tokens / 10 - line / 4) <= 1 and first.output_tokens == 2500
    assert first.usd is not None and first.basis == {"assumed"}
    dollars = (first.input_tokens * 0.075 + 2500 * 0.30) / 1e6
    assert float(first.usd.expected) == pytest.approx(dollars)
    panel.ask(chosen[:5])
    panel.send()
    panel.collect()
    house.write("UPDATE batch_requests SET input_tokens = 1000, output_tokens = 200")
    later = panel.mini(chosen).sending
    assert (later.requests, later.input_tokens, later.output_tokens, later.basis) == (5, 5000, 1000, {"measured"})
    assert later.usd is not None
    assert float(later.usd.expected) == pytest.approx((5000 * 0.075 + 1000 * 0.30) / 1e6)
    assert later.usd.low <= later.usd.expected <= later.usd.high


def test_every_reason_has_its_test() -> None:
    tests = [Path(__file__), Path(__file__).parents[2] / "warehouse" / "test_refinement_plan.py"]
    told = " ".join(test.read_text(encoding="utf-8") for test in tests)
    assert [reason for reason in REASONS if f'"{reason}"' not in told] == []
