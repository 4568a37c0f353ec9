"""Tagging wave by wave, from asking to consensus, answered in the words of the emulated models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.refinement.asking import ask_for_refinement
from grabient_assets.groups.tagging.coded import read_values
from grabient_assets.groups.tagging.collection import (
    complete_palettes,
    palettes_to_complete,
    palettes_without_answer,
)
from grabient_assets.groups.tagging.later_waves import went_on
from grabient_assets.groups.tagging.purpose import taggers
from grabient_assets.groups.tagging.skills import SkillRecord, read_skills, record_skills, skills
from grabient_assets.groups.tagging.tallying import tally_again
from grabient_assets.groups.tagging.wave_audit import (
    AuditCount,
    Tally,
    audit_counts,
    audit_figures,
    audit_sentences,
    begin_audits,
    end_audits,
    failing_plans,
    is_audited,
)
from grabient_assets.groups.tagging.wave_judging import certain_palettes
from grabient_assets.groups.tagging.waves import (
    WaveCount,
    WaveState,
    settled_sentence,
    under_way_sentence,
    wave_counts,
    wave_states,
    wave_words,
)
from grabient_assets.headless.failures import ask_again
from grabient_assets.headless.run_goal import make_goal
from grabient_assets.ledger.asks import AskTerms, SubjectVersion, stop_asks
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.settings import PROVIDERS, load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.groups.tagging.wave_house import TruthfulHouse, WaveHouse
from grabient_assets_tests.warehouse.results import NOON

FIRST = {"claude-haiku-5-5", "gpt-4o-mini", "openai/gpt-oss-20b", "gemini-2.5-flash-lite"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[WaveHouse]:
    yield WaveHouse(tmp_path, 12)


def test_certain_palettes_settle_and_the_others_go_on(house: WaveHouse) -> None:
    house.ask()
    assert set(house.by_model()) == FIRST and set(house.by_model().values()) == {12}
    bad = house.palettes[3].subject
    house.answer([bad])
    assert len(palettes_to_complete(house.house.warehouse, PROVIDERS)) == 12, "the sensor sees that they can be judged"
    done = house.complete()
    second = {row[0] for row in house.house.rows("SELECT seed FROM tagging_waves WHERE wave = 2")}
    assert bad in second, "nobody said anything about it"
    assert 1 < len(second) < 6
    assert {one.seed for one in done.consensus} == {p.subject for p in house.palettes} - second
    assert set(house.by_model().values()) == {len(second)} and len(house.by_model()) == 6
    assert not FIRST & set(house.by_model())
    assert palettes_to_complete(house.house.warehouse, PROVIDERS) == []
    assert {one.models for one in done.consensus} <= {3, 4}
    house.to_the_end()
    assert sum(house.waves().values()) == 12 and None not in {reason for _, reason in house.waves()}
    assert house.house.rows("SELECT count(*) FROM tag_consensus") == [(12,)]


def test_asking_again_costs_nothing_and_asking_in_full_exactly_the_rest(house: WaveHouse) -> None:
    house.ask()
    sent = sum(house.to_the_end())
    house.ask()
    assert house.due() == [] and None not in {reason for _, reason in house.waves()}
    house.ask_in_full()
    assert len(house.due()) == 12 * 10 * 2 - sent
    house.to_the_end()
    house.ask(analyses=2)
    house.ask(analyses=1)
    assert house.due() == [], "everything is there"


def test_a_run_takes_up_what_is_under_way_and_leaves_what_is_settled(house: WaveHouse) -> None:
    settings = load_settings({"GRABIENT_MODE": "emulator", "GRABIENT_DATA_DIR": str(house.folder)})

    def needing(analyses: int, *, adaptive: bool) -> int:
        today = house.house.clock().date()
        wish = make_goal(house.house.warehouse, settings, "v1", analyses, "consensus", today=today, adaptive=adaptive)
        return len(wish.needing)

    house.ask()
    house.answer()
    house.complete()
    under_way = house.waves()[2, None]
    assert needing(2, adaptive=True) == under_way > 0
    house.to_the_end()
    assert needing(2, adaptive=True) == 0 and needing(2, adaptive=False) == 12
    to_the_last = house.waves()[3, "last wave"]
    assert needing(3, adaptive=True) == to_the_last, "the certain ones are certain, however often one might ask"


def test_a_refinement_that_waits_takes_the_terms_of_the_next_adaptive_ask(house: WaveHouse) -> None:
    house.ask(cap=SpendingCap("first", Decimal(1)))
    house.to_the_end()
    ask_for_refinement(house.palettes, "emulator", house.house.warehouse, house.house.clock(), AskTerms(cap_id="first"))
    terms = "SELECT DISTINCT cap_id, allow_unpriced FROM asks WHERE purpose = 'refinement' AND state = 'open'"
    house.ask(refine=False, cap=SpendingCap("tags alone", Decimal(1)))
    assert house.house.rows(terms) == [("first", False)]
    house.ask(cap=SpendingCap("second", Decimal(1)), allow_unpriced=True)
    assert house.house.rows(terms) == [("second", True)]


def test_in_the_middle_of_a_wave_a_full_ask_takes_over(house: WaveHouse) -> None:
    house.ask()
    house.answer()
    house.ask_in_full(1)
    assert set(house.waves()) == {(1, "asked in full")}
    assert len(house.due()) == 12 * 6
    assert house.complete().tagged == ()
    house.answer()
    assert {one.models for one in house.complete().consensus} <= {9, 10}


def test_answers_that_are_there_are_used_wave_after_wave(house: WaveHouse) -> None:
    house.ask_in_full()
    house.to_the_end()
    house.house.write("DELETE FROM tag_consensus")
    house.ask()
    assert house.due() == []
    assert len(house.complete().consensus) == 12
    assert None not in {reason for _, reason in house.waves()}


def test_a_kill_at_any_moment_of_judging_changes_nothing(house: WaveHouse) -> None:
    house.ask()
    house.answer()
    moments = 0
    while True:
        left = [moments]

        def clock(left: list[int] = left) -> datetime:
            """Ends the process when it is read so many times."""
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return house.house.clock.wind(seconds=1)

        try:
            complete_palettes(house.house.warehouse, PROVIDERS, clock)
            break
        except KeyboardInterrupt:
            moments += 1
            assert house.house.rows("SELECT count(*) FROM asks") in ([(4 * 12,)], [(4 * 12 + len(house.due()),)])
    assert moments > 3
    first = house.by_model()
    house.complete()
    assert house.by_model() == first and len(first) == 6


def test_a_stopped_provider_holds_nobody_up(house: WaveHouse) -> None:
    house.ask()
    with house.house.warehouse.write() as connection:
        stop_asks(connection, "tagging", "groq", None, "no such plan", house.house.clock())
    house.answer()
    house.complete()
    assert house.waves()[1, "certain"] > 0 and set(house.waves()) > {(2, None)}
    with house.house.warehouse.write() as connection:
        stop_asks(connection, "tagging", "groq", None, "no such plan", house.house.clock())
    house.to_the_end()
    assert None not in {reason for _, reason in house.waves()}
    assert house.house.rows("SELECT count(*) FROM tag_consensus") == [(12,)]
    assert house.house.rows("SELECT DISTINCT state FROM asks WHERE provider = 'groq'") == [("stopped",)]


def test_one_voice_of_four_is_too_few_however_sure_it_is(house: WaveHouse) -> None:
    """It would be kept from refinement, so it goes on."""
    models = [[one.provider, one.id] for one in taggers(PROVIDERS)]
    with house.house.warehouse.write() as connection:
        for name, values in CATEGORICAL_VALUES.items():
            size = len(values)
            rates = {
                "models": models,
                "prevalence": [1 / size] * size,
                "confusion": (np.stack([np.full((size, size), 1e-6) + np.eye(size)] * len(models))).tolist(),
            }
            record_skills(connection, [SkillRecord("v1", name, "full", json.dumps(rates), 1000, house.house.clock())])
    house.ask()
    house.answer()
    lonely = house.palettes[4].subject
    house.house.write(
        "UPDATE palette_tags SET error = 'of no use' WHERE seed = $1 AND model <> 'claude-haiku-5-5'", lonely
    )
    house.complete()
    assert lonely in {one.subject for _, one in house.due()}
    with house.house.warehouse.read() as connection:
        stored = read_skills(skills(connection, ["v1"]))
        rates = {field: stored["v1", field, "full"] for field in CATEGORICAL_VALUES}
        assert certain_palettes(read_values(connection, "v1", [lonely]), rates) == {lonely}


def test_a_palette_that_nobody_answers_comes_to_the_end_and_is_known(house: WaveHouse) -> None:
    bad = house.palettes[0]
    house.ask(palettes=[bad])
    rounds: list[int] = []
    while house.due():
        rounds.append(house.answer([bad.subject]))
        house.complete()
    assert rounds == [4, 6, 10] and house.waves() == {(3, "last wave"): 1}
    with house.house.warehouse.read() as connection:
        assert [one.partition for one in palettes_without_answer(connection, PROVIDERS)] == [bad]


def test_a_wave_that_was_cancelled_whole_waits_for_a_retry(house: WaveHouse) -> None:
    cancelled = {p.subject for p in house.palettes[:2]}
    house.ask()
    house.answer(cancelled, fate="cancelled")
    house.complete()
    assert house.waves()[1, "cancelled"] == 2
    assert not {one.subject for _, one in house.due()} & cancelled, "not followed by a dearer one"
    house.to_the_end()
    house.ask()
    assert house.due() == [], "only a retry asks again"
    environment = {"GRABIENT_MODE": "emulator", "GRABIENT_DATA_DIR": str(house.folder)}
    ask_again(house.house.warehouse, load_settings(environment), None, house.house.clock.wind(seconds=1))
    assert {one.subject for _, one in house.due()} >= cancelled
    house.to_the_end()
    assert {reason for _, reason in house.waves()} <= {"certain", "last wave"}


def test_a_model_that_is_shut_down_between_two_waves_is_stopped_and_nobody_waits(house: WaveHouse) -> None:
    bad = house.palettes[0]
    house.ask(palettes=[bad])
    for _ in range(2):
        house.answer([bad.subject])
        house.house.clock.wind(days=30)
        house.complete()
    stopped = house.house.rows("SELECT model, reason FROM asks WHERE state = 'stopped'")
    assert stopped == [
        ("gpt-4o-mini", "Model gpt-4o-mini of openai was shut down on 2027-01-14; use gpt-6-luna instead.")
    ]
    assert len(house.by_model()) == 9
    house.to_the_end()
    assert house.waves() == {(3, "last wave"): 1}


def test_reading_again_builds_no_consensus_of_a_wave_that_is_under_way(house: WaveHouse) -> None:
    house.ask()
    house.answer()
    with house.house.warehouse.write() as connection:
        assert tally_again(connection, house.palettes, PROVIDERS) == 0


def test_provider_by_provider_it_is_the_same_wave(house: WaveHouse) -> None:
    for name in PROVIDERS:
        house.ask([name])
        assert house.complete().tagged == ()
    assert set(house.by_model()) == FIRST
    house.answer()
    house.complete()
    assert house.waves()[1, "certain"] > 0


def test_a_panel_of_one_provider_is_asked_at_once_then_more_often(house: WaveHouse) -> None:
    house.ask(["openai"], ["openai"], analyses=3)
    assert len(house.by_model()) == 3
    house.answer()
    house.complete(["openai"])
    assert house.waves()[2, None] and set(house.by_model().values()) == {2 * house.waves()[2, None]}


def test_how_far_it_is_in_words() -> None:
    counts = [
        WaveCount("v1", 1, 3, "certain", 7),
        WaveCount("v1", 2, 3, None, 2),
        WaveCount("v2", 2, 2, "last wave", 1),
    ]
    assert under_way_sentence(counts) == "Tagged adaptively: 2 palettes in wave 2 of 3 (v1)."
    assert settled_sentence(counts) == (
        "Settled adaptively: 7 after wave 1 of 3 (v1, certain), 1 after wave 2 of 2 (v2, last wave)."
    )
    assert under_way_sentence(counts[:1]) == settled_sentence(counts[1:2]) == ""
    assert (wave_words(WaveState(1, 3, None)), wave_words(WaveState(2, 3, "certain"))) == (
        "1 of 3",
        "2 of 3, settled: certain",
    )


def test_the_share_that_went_on_is_believed_from_twenty_palettes_on() -> None:
    def counts(certain: int, full: int = 0) -> list[WaveCount]:
        return [
            WaveCount("v1", 1, 3, "certain", certain),
            WaveCount("v1", 1, 3, None, 50),
            WaveCount("v1", 1, 3, "asked in full", full),
            WaveCount("v1", 2, 3, "certain", 4),
            WaveCount("v1", 3, 3, "last wave", 1),
        ]

    assert went_on(counts(15), 1) == went_on(counts(15, 90), 1) == 5 / 20
    assert went_on(counts(14), 1) is None and went_on(counts(15), 2) is None


# the audit of wave one ----------------------------------------------------------------------------------------------

MANY = 200


def audit(house: WaveHouse) -> list[AuditCount]:
    with house.house.warehouse.read() as connection:
        return audit_counts(connection, "v1")


def test_a_tenth_of_all_palettes_is_audited_and_always_the_same() -> None:
    chosen = [seed for seed in range(20_000) if is_audited(SubjectVersion("v1", f"seed {seed}"))]
    assert 0.09 < len(chosen) / 20_000 < 0.11
    assert chosen[:3] == [3, 4, 26]
    assert chosen != [seed for seed in range(20_000) if is_audited(SubjectVersion("v2", f"seed {seed}"))]


def test_certain_palettes_wait_for_the_audit_and_settle_when_nothing_turns(tmp_path: Path) -> None:
    house = TruthfulHouse(tmp_path, MANY)
    house.ask()
    house.answer()
    assert house.complete().tagged == ()
    chosen = {row[0] for row in house.house.rows("SELECT seed FROM wave_audits")}
    assert chosen == {p.subject for p in house.palettes if is_audited(p)} and 10 <= len(chosen) < MANY / 5
    assert house.waves() == {(1, None): MANY - len(chosen), (2, None): len(chosen)}
    assert set(house.by_model().values()) == {len(chosen)} and not FIRST & set(house.by_model())
    with house.house.warehouse.read() as connection:
        counts = wave_counts(connection, "v1")
    assert under_way_sentence(counts) == (
        f"Tagged adaptively: {MANY - len(chosen)} certain after wave 1 of 3, waiting for its audit (v1), "
        f"{len(chosen)} palettes in wave 2 of 3 (v1)."
    )
    assert settled_sentence(counts) == ""
    assert went_on(counts, 1) == len(chosen) / MANY, "who waits stays, for all that is known"
    assert house.complete().tagged == () and palettes_to_complete(house.house.warehouse, PROVIDERS) == []
    house.answer()
    assert len(house.complete().consensus) == MANY
    assert house.waves() == {(1, "certain"): MANY - len(chosen), (2, "certain"): len(chosen)}
    assert [(one.field, one.values, one.turned) for one in audit(house)] == [
        (field, len(chosen), 0) for field in CATEGORICAL_VALUES
    ]
    [sentence] = audit_sentences(audit(house))
    assert sentence.startswith(f"Audit of wave one (v1): {len(chosen)} certain palettes were asked about again, 0 of ")
    assert "no palette is called certain" not in sentence
    with house.house.warehouse.read() as connection:
        [state] = wave_states(connection, [SubjectVersion("v1", min(chosen))]).values()
    assert wave_words(state).endswith("was asked on for the audit: none of its values turned")


def test_where_too_many_values_turn_no_palette_is_certain_any_more(tmp_path: Path) -> None:
    """The models of wave one agree on what is wrong; no agreement among them shows it."""
    house = TruthfulHouse(tmp_path, MANY, frozenset(FIRST))
    house.ask()
    house.answer()
    house.complete()
    chosen = house.house.rows("SELECT count(*) FROM wave_audits")[0][0]
    house.answer()
    house.complete()
    turned = {one.field: one.turned for one in audit(house)}
    assert turned["contrast"] > chosen / 5 and sum(turned.values()) == turned["contrast"]
    assert (1, "certain") not in house.waves() and (1, None) not in house.waves()
    [sentence] = audit_sentences(audit(house))
    assert sentence.endswith("Too many in contrast: no palette is called certain after wave one now.")
    house.to_the_end()
    wrong = "SELECT count(*) FROM tag_consensus c JOIN palettes p USING (seed) WHERE c.contrast <> p.contrast"
    assert house.house.rows(wrong) == [(0,)]
    assert list(failing_plans(audit_figures(audit(house))).values()) == [["contrast"]]


def test_who_is_audited_again_starts_anew(tmp_path: Path) -> None:
    """With other models there is another plan; what the earlier audit found says nothing of it."""
    palette, values = SubjectVersion("v1", "seed"), ("warm", "low", "dark", "muted")
    with Warehouse(tmp_path / "grabient.duckdb").write() as connection:
        begin_audits(connection, {palette: ("first", Tally(4, values))}, NOON)
        end_audits(connection, {palette: Tally(10, ("cool", *values[1:]))}, NOON)
        assert [one.turned for one in audit_counts(connection)] == [1, 0, 0, 0]
        begin_audits(connection, {palette: ("second", Tally(3, values))}, NOON)
        assert audit_counts(connection) == [], "it is under way"
        end_audits(connection, {palette: Tally(10, values)}, NOON)
        assert [(one.plan_id, one.values, one.turned) for one in audit_counts(connection)] == [("second", 1, 0)] * 4


def test_nobody_waits_for_an_audit_that_money_keeps_back(tmp_path: Path) -> None:
    house = TruthfulHouse(tmp_path, MANY)
    house.ask()
    house.answer()
    house.complete()
    waiting = house.waves()[1, None]
    house.house.write(
        "INSERT INTO budget_holds BY NAME SELECT 'tagging' AS purpose, 'groq' AS provider, 'a' AS model, 'v1' AS "
        "prompt_version, 1 AS requests, '' AS reason, now() AS held_at"
    )
    assert len(house.complete().consensus) == waiting == house.waves()[1, "certain"]
