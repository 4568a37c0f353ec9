"""An explanation adds up to what is stored: the votes, palette by palette, and the probabilities, bit by bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from math import log2

import numpy as np
import pytest

from grabient_assets.consensus.expectation import ErrorRates
from grabient_assets.groups.calibration.measuring import report_on
from grabient_assets.groups.palettes.tables import PaletteRecord
from grabient_assets.groups.refinement.explaining import Explanation, Stored, explain, read_about
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, Answer
from grabient_assets.groups.tagging.consensus import ModelAnswer, build_consensus
from grabient_assets.groups.tagging.estimating import estimates_of
from grabient_assets.groups.tagging.explanation import Evidence, FieldExplanation, explain_fields
from grabient_assets.groups.tagging.skills import Skills
from grabient_assets.groups.tagging.tallying import tally
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.groups.answered import AT, all_palettes, answered_warehouse

FIELDS = (*CATEGORICAL_FIELDS, *LIST_FIELDS)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    warehouse = answered_warehouse(tmp_path_factory.mktemp("answered") / "grabient.duckdb")
    tally(warehouse, all_palettes(warehouse), AT, "majority")
    report_on(warehouse, "v1", AT)
    yield warehouse


def stored_about(house: Warehouse, *seeds: str) -> list[Stored]:
    with house.read() as connection:
        return [read_about(connection, seed, "v1") for seed in seeds]


def field_of(explanation: Explanation, name: str) -> FieldExplanation:
    (found,) = [field for field in explanation.fields if field.field == name]
    return found


@pytest.fixture(scope="module")
def explained(house: Warehouse) -> list[Explanation]:
    """All palettes."""
    return [explain(stored) for stored in stored_about(house, *(one.subject for one in all_palettes(house)))]


def test_the_rows_shown_give_the_stored_votes_of_every_field_of_every_palette(explained: list[Explanation]) -> None:
    assert len(explained) == 63
    for found in explained:
        assert found.stored.consensus is not None
        votes = json.loads(found.stored.consensus.votes)
        assert found.adds_up and not found.rates_moved and [field.field for field in found.fields] == list(FIELDS)
        for field in found.fields:
            recomputed = {v.value: sum(who.votes for who in v.said_by) for v in field.values}
            counted = {value: models for value, models in recomputed.items() if models}
            assert counted == {vote["value"]: vote["models"] for vote in votes[field.field]}, field.field
            assert all(v.models == recomputed[v.value] for v in field.values)
            assert {v.value for v in field.values if v.contradicted and v.models} == {
                vote["value"] for vote in votes[field.field] if vote.get("contradicted")
            }
            voted = {(w.provider, w.model, value) for w in field.weights for value in w.votes_for}
            assert voted == {(o.provider, o.model, v.value) for v in field.values for o in v.said_by if o.votes}
        for name in CATEGORICAL_FIELDS:
            assert field_of(found, name).result[0] == getattr(found.stored.consensus, name)


def test_bits_add_up_to_the_stored_probabilities(explained: list[Explanation]) -> None:
    """log2(p / q) of result and rival, and log2(p / (1 - p)) of a tag, as far as four decimals tell."""
    compared = 0
    for field in (field for found in explained for field in found.fields):
        probability = {v.value: v.probability or 0.0 for v in field.values}
        if field.field in CATEGORICAL_FIELDS:
            assert field.prior is not None and field.rival is not None
            p, q = probability[field.result[0]], probability.get(field.rival, 0.0)
            if q > 0.01:
                bits = field.prior + sum(w.bits or 0 for w in field.weights)
                assert bits == pytest.approx(log2(p / q), abs=0.03)
                compared += 1
            continue
        for value in field.values:
            if value.probability is None:
                assert value.contradicted
            elif 0.01 < value.probability < 0.99:
                assert value.bits == pytest.approx(log2(value.probability / (1 - value.probability)), abs=0.03)
                compared += 1
    assert compared > 300


def test_what_the_models_are_good_for_is_the_stored_report(house: Warehouse) -> None:
    (stored,) = stored_about(house, all_palettes(house)[0].subject)
    rows = {(row.provider, row.model): row for row in stored.measured if row.field == "temperature"}
    weights = field_of(explain(stored), "temperature").weights
    assert len(weights) == 10 and all(rows[w.provider, w.model] == w.measured for w in weights)


def test_an_answer_that_came_later_is_said_and_the_stored_consensus_stays(house: Warehouse) -> None:
    (stored,) = stored_about(house, all_palettes(house)[0].subject)
    fewer = explain(replace(stored, answers=stored.answers[2:]))
    assert not fewer.adds_up
    before, after = field_of(explain(stored), "temperature"), field_of(fewer, "temperature")
    assert [v.models for v in after.values if v.models] == [v.models for v in before.values if v.models]
    assert len(after.weights) == len(before.weights) - 1


def test_rates_that_were_fitted_again_are_said_and_both_probabilities_shown(house: Warehouse) -> None:
    (stored,) = stored_about(house, all_palettes(house)[5].subject)
    turned = [json.loads(one.parameters) for one in stored.skills]
    skills = [
        replace(one, parameters=json.dumps({**rates, "confusion": rates["confusion"][::-1]}))
        for one, rates in zip(stored.skills, turned, strict=True)
    ]
    found = explain(replace(stored, skills=tuple(skills)))
    assert found.rates_moved and found.adds_up
    mood = field_of(found, "mood")
    assert [v.probability for v in mood.values] == [v.probability for v in field_of(explain(stored), "mood").values]
    assert [v.probability for v in mood.values] != [v.probability_now for v in mood.values]
    # Older rows have no probabilities, and a version that was never fitted has no rates.
    assert stored.consensus is not None
    bare = explain(replace(stored, skills=(), consensus=replace(stored.consensus, estimates=None, method=None)))
    assert bare.adds_up and bare.rates_from is None
    assert {v.probability for field in bare.fields for v in field.values} == {None}
    assert {w.bits for field in bare.fields for w in field.weights} == {None}


def test_spellings_meet_and_colours_that_are_not_there_are_marked(house: Warehouse) -> None:
    """a and b write one word in two ways, b twice of two times; `red` is no colour of blues; c names mist in one of
    its three answers only, which is no vote."""
    blues = ((10, 20, 80), *[(40, 80, 200)] * 10)
    palette = replace(palette_of(house), rgb=blues, harmonies=("monochromatic",), clear_cut=(), temperature="cool")
    panel = [
        ModelAnswer("groq", "a", 0, Answer(mood=("cosy",), dominant_colors=("red",))),
        ModelAnswer("groq", "b", 0, Answer(mood=("cozy",), temperature="warm")),
        ModelAnswer("groq", "b", 1, Answer(mood=("cozy", "red"), temperature="cool")),
        *(ModelAnswer("groq", "c", index, Answer(mood=("misty",) if index == 1 else ("cosy",))) for index in range(3)),
    ]
    fields = explain_fields(Evidence(palette, panel, build_consensus(panel, palette.rgb), {}, {}, {}, {}))
    temperature, mood, colours, harmony = (
        next(f for f in fields if f.field == name) for name in ("temperature", "mood", "dominant_colors", "harmony")
    )
    assert (harmony.computed, harmony.clear_cut) == (("monochromatic",), True)
    assert temperature.computed == ("cool",) and temperature.clear_cut is False
    assert [(v.value, v.models, v.support) for v in temperature.values] == [("warm", 1, 0.5), ("cool", 0, 0.5)]
    assert temperature.rival is None
    cosy, red, misty = mood.values
    assert (cosy.value, cosy.models, cosy.spellings) == ("cosy", 3, ("cozy",))
    assert [(who.model, who.analyses, who.votes) for who in cosy.said_by] == [
        ("a", (0,), True),
        ("b", (0, 1), True),
        ("c", (0, 2), True),
    ]
    assert (red.value, red.models, red.contradicted) == ("red", 1, True)
    assert (misty.value, misty.models, misty.said_by[0].votes) == ("misty", 0, False)
    assert mood.result == ("cosy",) and mood.computed is None
    assert colours.result == () and colours.values[0].contradicted


def test_tags_that_nobody_votes_for_have_their_probability_and_imagined_colours_none(house: Warehouse) -> None:
    palette = replace(palette_of(house), rgb=((10, 20, 80), *[(40, 80, 200)] * 10))
    said = (Answer(mood=("sun-sets", "crimson"), dominant_colors=("yellow", "navy")), *[Answer(mood=("calm",))] * 2)
    panel = [ModelAnswer("groq", "a", index, answer) for index, answer in enumerate(said)]
    rates = Skills((("groq", "a"),), ErrorRates(np.full(2, 0.5), np.asarray([[[0.8, 0.2], [0.1, 0.9]]])))
    votes = build_consensus(panel, palette.rgb)
    tags = ("mood", "dominant_colors")
    [estimates] = estimates_of([(panel, votes)], {(field, "full"): rates for field in tags}, "full")
    assert [one["value"] for one in estimates["mood"]] == ["calm", "sunset"]
    assert [one["value"] for one in estimates["dominant_colors"]] == ["navy"]
    fields = explain_fields(Evidence(palette, panel, votes, estimates, estimates, {}, {}))
    mood, colours = (next(f for f in fields if f.field == name) for name in tags)
    found = {v.value: (v.models, v.probability is None, v.contradicted) for v in (*mood.values, *colours.values)}
    assert found == {
        "calm": (1, False, False),
        "sun-sets": (0, False, False),
        "crimson": (0, True, True),
        "navy": (0, False, False),
        "yellow": (0, True, True),
    }
    assert all(v.probability == v.probability_now for v in (*mood.values, *colours.values))


def palette_of(house: Warehouse) -> PaletteRecord:
    return stored_about(house, all_palettes(house)[0].subject)[0].palette
