"""Who is asked first: by measured skill, shared errors and price, or by price alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from grabient_assets.groups.calibration.measuring import report_on
from grabient_assets.groups.tagging.model_reports import report_of
from grabient_assets.groups.tagging.purpose import TAGGING, taggers
from grabient_assets.groups.tagging.wave_choice import Candidate, Figures, figures_of, first_wave, plan_waves
from grabient_assets.groups.tagging.wave_plans import record_plan
from grabient_assets.groups.tagging.waves import start_waves
from grabient_assets.ledger.asks import AskTerms, SubjectVersion
from grabient_assets.registry.model import Model
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.groups.answered import AT, answered_warehouse
from grabient_assets_tests.ledger.house import START, House

EXAMPLE = taggers(PROVIDERS)[0]


def candidate(name: str, family: str, price: str | None) -> Candidate:
    """A model of this family, a request to which costs so much."""
    model: Model = replace(EXAMPLE, provider="groq", id=name, family=family)
    return Candidate(model, f"digest of {name}", None if price is None else Decimal(price))


PANEL = [
    candidate("a1", "a", "1"),
    candidate("a2", "a", "2"),
    candidate("b1", "b", "3"),
    candidate("b2", "b", "9"),
    candidate("c1", "c", "4"),
    candidate("d1", "d", "5"),
    candidate("e1", "e", "6"),
    candidate("f1", "f", None),
]


def names(chosen: frozenset[tuple[str, str]]) -> list[str]:
    return sorted(name for _, name in chosen)


def figures(*accuracy: float, alike: tuple[int, ...] = ()) -> Figures:
    """So good are the first models of PANEL; those of `alike` make the same mistakes."""
    correlation = np.eye(len(accuracy))
    for one in alike:
        correlation[one, list(alike)] = 1.0
    keys = tuple(one.key for one in PANEL[: len(accuracy)])
    return Figures(keys, np.array(accuracy), correlation, 0.28)


def test_without_figures_the_cheapest_of_each_of_the_cheapest_families() -> None:
    assert first_wave(PANEL, None) == (frozenset(PANEL[n].key for n in (0, 2, 4, 5)), "cheapest")


def test_few_families_are_filled_up_with_the_cheapest_others() -> None:
    assert names(first_wave(PANEL[:4], None)[0]) == ["a1", "a2", "b1"]
    assert names(first_wave(PANEL[:2], None)[0]) == ["a1", "a2"]


def test_an_unknown_price_comes_last() -> None:
    assert names(first_wave([PANEL[7], PANEL[0], PANEL[2]], None)[0]) == ["a1", "b1", "f1"]
    assert "f1" not in names(first_wave(PANEL, None)[0])


def test_good_models_that_err_apart_are_chosen_within_a_quarter_of_the_price() -> None:
    """Thirty dollars together, so 7.50 for wave one: three of a1, a2, b1 and c1."""
    skilled = figures(0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9)
    assert (names(first_wave(PANEL, skilled)[0]), first_wave(PANEL, skilled)[1]) == (["a1", "a2", "b1"], "measured")
    alike = figures(0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, alike=(0, 1))
    assert names(first_wave(PANEL, alike)[0]) == ["a1", "a2", "b1"], "a1, b1 and c1 are dearer than that"
    wide = [*PANEL, candidate("g1", "g", "4")]
    assert names(first_wave(wide, alike)[0]) == ["a1", "b1", "c1"], "34 dollars: 8.50"
    assert names(first_wave(wide, figures(0.9, 0.5, 0.9, 0.9, 0.9))[0]) == ["a1", "b1", "c1"]


def test_what_is_not_known_is_not_taken_for_independence() -> None:
    """a1 and a2 are relatives that were never wrong, so nobody knows whether they err together: as much as any two that
    were measured. b1 and c1 share most mistakes; without them a1 and a2 are one model."""
    wide = [*PANEL, candidate("g1", "g", "4")]
    skilled = figures(0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9)
    assert names(first_wave(wide, skilled)[0]) == ["a1", "a2", "b1"]
    unknown = skilled.correlation.copy()
    unknown[:2, :] = unknown[:, :2] = np.nan
    unknown[2, 4] = unknown[4, 2] = 0.1
    np.fill_diagonal(unknown, 1.0)
    unknown[5, 6] = unknown[6, 5] = 0.9
    assert names(first_wave(wide, replace(skilled, correlation=unknown))[0]) == ["a1", "b1", "c1"]
    ignorant = np.where(np.eye(7) == 1, 1.0, np.nan)
    assert names(first_wave(wide, replace(skilled, correlation=ignorant))[0]) == ["a1", "b1", "c1"]


def test_too_few_measured_or_all_too_dear_is_as_if_nothing_were_measured() -> None:
    assert first_wave(PANEL, figures(0.9, 0.9))[1] == "cheapest"
    dear = [replace(one, usd=Decimal(1)) for one in PANEL[:5]]
    assert first_wave(dear, figures(0.9, 0.9, 0.9, 0.9, 0.9))[1] == "cheapest", "three of five are more than a quarter"


@pytest.mark.parametrize(("analyses", "sizes"), [(1, [4, 4]), (3, [4, 4, 8])])
def test_the_waves_are_the_first_the_others_and_everybody(tmp_path, analyses: int, sizes: list[int]) -> None:
    house = House(tmp_path)
    with house.warehouse.write() as connection:
        plan = plan_waves(connection, "v1", PANEL, analyses)
        assert [len(wave) for wave in plan.waves] == sizes
        assert {one.analyses for wave in plan.waves[:2] for one in wave} == {1}
        assert {one.analyses for wave in plan.waves[2:] for one in wave} <= {analyses}
        assert plan_waves(connection, "v1", PANEL[::-1], analyses) == plan, "the order of the models says nothing"
        assert [len(w) for w in plan_waves(connection, "v1", PANEL[:3], analyses).waves] == [3, 3][: 1 + (analyses > 1)]


def test_who_comes_first_stays_while_palettes_are_under_way(tmp_path) -> None:
    house = House(tmp_path)
    dearer = [replace(one, usd=Decimal(20)) if one.model.id == "a1" else one for one in PANEL]
    with house.warehouse.write() as connection:
        plan = plan_waves(connection, "v1", PANEL, 2)
        record_plan(connection, plan, START)
        assert plan_waves(connection, "v1", dearer, 2) != plan
        terms = AskTerms(chained=True)
        start_waves(connection, TAGGING, plan, [SubjectVersion("v1", "s")], ["groq"], terms, START)
        assert plan_waves(connection, "v1", dearer, 2) == plan
        more = plan_waves(connection, "v1", dearer, 5)
        assert more.waves[:2] == plan.waves[:2] and {one.analyses for one in more.waves[2]} == {5}
        assert plan_waves(connection, "v2", dearer, 2).waves != plan.waves


def test_the_figures_are_those_of_the_stored_report(tmp_path) -> None:
    warehouse = answered_warehouse(tmp_path / "grabient.duckdb")
    with warehouse.read() as connection:
        assert figures_of(connection, "v1") is None
    report_on(warehouse, "v1", AT)
    with warehouse.read() as connection:
        found, stored = figures_of(connection, "v1"), report_of(connection, "v1")
    assert found is not None and stored is not None
    assert len(found.models) == 10 and found.correlation.shape == (10, 10)
    assert found.chance == pytest.approx((1 / 4 + 1 / 3 + 1 / 4 + 1 / 3) / 4)
    measured: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for row in stored.models:
        if row.accuracy is not None:
            measured.setdefault((row.provider, row.model), []).append((row.accuracy, row.gold))
    for model, accuracy in zip(found.models, found.accuracy, strict=True):
        rates = measured[model]
        assert accuracy == pytest.approx(sum(rate for rate, _ in rates) / len(rates), abs=0.12)
