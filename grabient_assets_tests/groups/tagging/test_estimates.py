from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from grabient_assets.consensus.expectation import ErrorRates
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.answers import LIST_FIELDS, Answer
from grabient_assets.groups.tagging.consensus import ModelAnswer, build_consensus, consensus_for_prompt
from grabient_assets.groups.tagging.estimating import estimates_of, mean_entropies
from grabient_assets.groups.tagging.skills import Skills, read_skills, record_skills, skills
from grabient_assets.groups.tagging.tag_consensus import consensus
from grabient_assets.groups.tagging.tags import answers
from grabient_assets.groups.tagging.tallying import consensus_digest, stored_consensus, tally, tally_again
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.groups.answered import AT, all_palettes, answered_warehouse

GOOD, BAD = ("groq", "good"), ("groq", "bad")
WORDS = ["calm", "cosy", "bold", "dreamy", "fresh"]
BLUES = ((10, 20, 80), (20, 40, 120))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    warehouse = answered_warehouse(tmp_path_factory.mktemp("answered") / "grabient.duckdb")
    tally(warehouse, all_palettes(warehouse), AT, "majority")
    yield warehouse


def said(model: tuple[str, str], answer: Answer) -> ModelAnswer:
    return ModelAnswer(*model, 0, answer)


def turned_round(parameters: str) -> str:
    """Every model with the rates of another."""
    rates = json.loads(parameters)
    return json.dumps({**rates, "confusion": rates["confusion"][::-1]})


def test_probabilities_by_hand() -> None:
    """Saturation, equal prevalence: `good` is right in 8 of 10, `bad` says anything. (.8, .1, .1) / 3 each: 0.8."""
    confusion = np.stack([np.full((3, 3), 0.1) + np.eye(3) * 0.7, np.full((3, 3), 1 / 3)])
    rates = {("saturation", "full"): Skills((BAD, GOOD), ErrorRates(np.full(3, 1 / 3), confusion[::-1]))}
    panel = [said(GOOD, Answer(saturation="muted")), said(BAD, Answer(saturation="vibrant"))]
    [found] = estimates_of([(panel, build_consensus(panel))], rates, "full")
    assert found["saturation"] == [
        {"value": "muted", "probability": 0.8},
        {"value": "vibrant", "probability": 0.1},
        {"value": "mixed", "probability": 0.1},
    ]
    assert found["mood"] == found["temperature"] == []
    # A model that was never measured counts as the mean of the others: 0.5667 right, 0.2167 each otherwise.
    fresh = [said(("groq", "new"), Answer(saturation="muted"))]
    [found] = estimates_of([(fresh, build_consensus(fresh))], rates, "full")
    assert found["saturation"][0]["probability"] == 0.5667


def test_tags_meet_in_the_estimates_and_colours_that_are_not_there_have_none() -> None:
    """Present is said of a true tag by 0.9, of a wrong one by 0.2, half of the candidates are true: 0.9 / 1.1."""
    rates = {
        ("mood", "full"): Skills((GOOD,), ErrorRates(np.full(2, 0.5), np.asarray([[[0.8, 0.2], [0.1, 0.9]]]))),
    }
    panel = [said(GOOD, Answer(mood=("cosy", "cozy", "crimson")))]
    assert estimates_of([(panel, build_consensus(panel, BLUES))], rates, "one-coin")[0]["mood"] == [
        {"value": "cosy", "probability": 0.8182}
    ]


def test_a_palette_has_the_same_probabilities_alone_and_beside_others() -> None:
    """Other models, other tags, an answer without a usable word: nothing of a palette shows in another."""
    rng = np.random.default_rng(7)
    models = [("groq", f"m{number}") for number in range(4)]
    confusion = rng.dirichlet(np.ones(3), size=(4, 3))
    yes_no = rng.dirichlet(np.ones(2), size=(4, 2))
    rates = {
        ("saturation", "full"): Skills(tuple(models), ErrorRates(np.full(3, 1 / 3), confusion)),
        ("mood", "full"): Skills(tuple(models), ErrorRates(np.full(2, 0.5), yes_no)),
    }
    dice = random.Random(7)
    palettes = []
    for number in range(12):
        chosen = dice.sample(models, number % 5)
        panel = [
            said(one, Answer(saturation=dice.choice(["muted", "vibrant", None]), mood=tuple(dice.sample(WORDS, 2))))
            for one in [*chosen, *chosen[:1]]
        ]
        palettes.append((panel, build_consensus(panel)))
    together = estimates_of(palettes, rates, "full")
    assert together == [estimates_of([one], rates, "full")[0] for one in palettes]
    assert any(found["mood"] for found in together) and not all(found["mood"] for found in together)


def test_entropy_is_the_mean_of_the_fields_that_have_votes() -> None:
    """Temperature 1:1 is one bit, contrast 2:0 none."""
    panel = [
        said(GOOD, Answer(temperature="warm", contrast="low")),
        said(BAD, Answer(temperature="cool", contrast="low")),
    ]
    assert mean_entropies([panel, [said(GOOD, Answer(mood=("calm",)))], []]) == [0.5, None, None]


def test_a_model_of_two_minds_is_torn_whatever_the_panel_says(tmp_path: Path) -> None:
    """One says warm, one says warm and cool: 1.5 to 0.5 votes are 0.8113 bits. By the majority, which the torn model
    follows, it would be 2 to 0 and none."""
    panel = [
        said(GOOD, Answer(temperature="warm")),
        said(BAD, Answer(temperature="warm")),
        ModelAnswer(*BAD, 1, Answer(temperature="cool")),
    ]
    assert mean_entropies([panel]) == [pytest.approx(0.8113, abs=5e-5)]
    warehouse = answered_warehouse(tmp_path / "grabient.duckdb")
    torn = tally(warehouse, all_palettes(warehouse), AT, "majority")
    once = answered_warehouse(tmp_path / "once.duckdb", analyses=1)
    alone = tally(once, all_palettes(once), AT, "majority")
    assert fmean(one.entropy or 0.0 for one in torn) == pytest.approx(
        fmean(one.entropy or 0.0 for one in alone), abs=0.05
    )


def test_every_palette_has_its_estimates(house: Warehouse) -> None:
    with house.read() as connection:
        records = consensus(connection, all_palettes(house))
        stored = skills(connection, ["v1"])
    assert len(records) == 63 and {one.method for one in records} == {"majority"}
    assert {(one.field, one.method) for one in stored} == {
        *((field, method) for field in CATEGORICAL_VALUES for method in ("one-coin", "full")),
        *((field, "full") for field in LIST_FIELDS),
    }
    assert {one.palettes for one in stored} == {63}
    (shared,) = {one.correlation for one in stored}
    assert shared is not None and 0.1 < shared < 0.35, "of ten models, two to five votes"
    seed = all_palettes(house)[0].subject
    with house.read() as connection:
        [given] = answers(connection, [SubjectVersion("v1", seed)]).values()
    rates = {(field, how): one for (_, field, how), one in read_skills(stored).items()}
    plain = {key: replace(one, correlation=0.0) for key, one in rates.items()}
    (found,), (undiscounted,) = (estimates_of([(given, build_consensus(given))], one, "full") for one in (rates, plain))
    kept = next(json.loads(one.estimates or "") for one in records if one.seed == seed)
    assert all(kept[field] == found[field] for field in CATEGORICAL_VALUES) and found["mood"] != undiscounted["mood"]
    for record in records:
        estimates = json.loads(record.estimates or "")
        for field, values in CATEGORICAL_VALUES.items():
            assert {one["value"] for one in estimates[field]} == set(values)
            assert sum(one["probability"] for one in estimates[field]) == pytest.approx(1, abs=3e-4)
        for found in estimates.values():
            chances = [one["probability"] for one in found]
            assert chances == sorted(chances, reverse=True)
        assert record.entropy is not None and 0 <= record.entropy <= 2


def test_other_rates_change_neither_what_stands_nor_what_is_refined(house: Warehouse) -> None:
    """Not by tallying once more, not by reading everything again, whatever ranks the values."""
    chosen = all_palettes(house)
    with house.read() as connection:
        before, rates = consensus(connection, chosen), skills(connection, ["v1"])
    turned = [
        replace(
            one, parameters=json.dumps({**(was := json.loads(one.parameters)), "confusion": was["confusion"][::-1]})
        )
        for one in rates
    ]
    with house.write() as connection:
        record_skills(connection, turned)
    assert tally(house, chosen, AT, "majority") == before
    full = tally(house, chosen, AT, "full")
    with house.write() as connection:
        record_skills(connection, rates)
    assert tally(house, chosen, AT, "full") == full
    with house.write() as connection:
        assert tally_again(connection, chosen, ["nobody"]) == len(chosen)  # back to the majority of the settings
        record_skills(connection, turned)
        assert tally_again(connection, chosen, ["nobody"]) == 0
        assert [one.digest for one in consensus(connection, chosen)] == [one.digest for one in before]
        record_skills(connection, rates)


def test_the_setting_ranks_what_the_refiner_reads(house: Warehouse) -> None:
    chosen = all_palettes(house)[:20]
    for record in tally(house, chosen, AT, "full"):
        estimates, read = json.loads(record.estimates or ""), consensus_for_prompt(stored_consensus(record))
        assert record.digest == consensus_digest(stored_consensus(record))
        for field, words in read.items():
            if field != "models":
                chance = {one["value"]: one["probability"] for one in estimates[field]}
                assert [chance[word] for word in words] == sorted((chance[word] for word in words), reverse=True)
        assert record.saturation == next(iter(read["saturation"]))
    assert {one.method for one in tally(house, chosen, AT, "majority")} == {"majority"}


def test_a_version_without_answers_has_no_rates(tmp_path: Path) -> None:
    assert tally(Warehouse(tmp_path / "grabient.duckdb"), [], AT, "full") == []
