"""What a report says of the emulated panel, whose error rates are declared, and of small panels by hand."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from grabient_assets.consensus.gold import ABSENT, AMBIGUOUS, PRESENT
from grabient_assets.consensus.panel import Judgement
from grabient_assets.emulator.answers.personality import personality_of
from grabient_assets.gradient.harmony import HARMONIES, detect_harmonies
from grabient_assets.gradient.vectorized import clear_harmonies
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.calibration.assets import model_reports
from grabient_assets.groups.calibration.figures import accuracy_chart, votes
from grabient_assets.groups.calibration.findings import lost_accuracy, low_agreement
from grabient_assets.groups.calibration.measuring import report_on
from grabient_assets.groups.calibration.reports import report_metadata
from grabient_assets.groups.calibration.sentences import Loss, who_could_go
from grabient_assets.groups.palettes.loading import load_palettes
from grabient_assets.groups.palettes.palette_file import SAMPLES, read_palette_file
from grabient_assets.groups.palettes.tables import palettes
from grabient_assets.groups.tagging.coded import read_version
from grabient_assets.groups.tagging.model_reports import Report, report_of, settled_without_report
from grabient_assets.groups.tagging.skills import skills
from grabient_assets.groups.tagging.tags import TagRecord, record_tags
from grabient_assets.groups.tagging.tallying import tally
from grabient_assets.resources.warehouse import WarehouseResource
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.groups.answered import AT, COST, all_palettes, answered_warehouse, audit_wave_one


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    yield answered_warehouse(tmp_path_factory.mktemp("answered") / "grabient.duckdb")


@pytest.fixture(scope="module")
def report(house: Warehouse) -> Report:
    found = report_on(house, "v1", AT)
    assert found is not None
    return found


def test_the_declared_error_rates_lie_in_the_intervals(report: Report) -> None:
    """Forty intervals of 95 %: of so many about two miss, and more than five once in a hundred times."""
    missed: list[str] = []
    for row in report.models:
        if row.field in CATEGORICAL_VALUES:
            declared = 1 - personality_of(row.model).errors[row.field]
            assert row.accuracy_low is not None and row.accuracy_high is not None
            if not row.accuracy_low <= declared <= row.accuracy_high:
                missed.append(f"{row.model} {row.field}: {declared} not in {row.accuracy_low}-{row.accuracy_high}")
    assert len(missed) <= 5, missed


def test_every_model_and_field_has_its_row(report: Report) -> None:
    assert len(report.models) == 10 * 10 and len(report.fields) == 10
    assert all(row.answers == 126 and 115 < row.usable <= 126 for row in report.models)
    measured = {row.field for row in report.models if row.gold}
    assert measured == {*CATEGORICAL_VALUES, "dominant_colors", "harmony"}
    for row in report.models:
        if row.field == "saturation":
            by_value = json.loads(row.by_value or "")
            # Sensitivity of a value is measured on its own palettes: together they are all of them.
            trials = sum(one["sensitivity"][3] for one in by_value.values() if one["sensitivity"])
            assert set(by_value) == {"vibrant", "muted", "mixed"} and trials == row.gold


def test_only_clear_cut_harmonies_are_gold(house: Warehouse) -> None:
    with house.read() as connection:
        version = read_version(connection, "v1")
    coded, rgb = version.tags("harmony"), version.colours
    assert coded.gold is not None
    of, left_out = coded.annotations.candidates, 0
    for item, tag, gold in zip(of.item.tolist(), of.value.tolist(), coded.gold.tolist(), strict=True):
        word, computed = coded.words[tag], detect_harmonies([(r, g, b) for r, g, b in rgb[item].tolist()])
        clear = clear_harmonies(rgb[item : item + 1])[0, HARMONIES.index(word)] if word in HARMONIES else -1
        left_out += word in HARMONIES and clear < 0
        assert gold == {1: PRESENT, 0: ABSENT, -1: AMBIGUOUS}[int(clear)]
        assert gold == AMBIGUOUS or (word in computed) == (gold == PRESENT)
    assert 0 < left_out < 0.2 * len(coded.gold)


def test_relatives_err_together_and_the_panel_is_worth_less_than_its_members(report: Report) -> None:
    models = [tuple(model) for model in json.loads(report.panel.models)]
    matrix = json.loads(report.panel.correlation)
    family = [personality_of(model).family for _, model in models]
    pairs = [(one, other) for one in range(10) for other in range(one)]
    known = [(one, other) for one, other in pairs if matrix[one][other] is not None]
    kin = [matrix[one][other] for one, other in known if family[one] == family[other]]
    strangers = [matrix[one][other] for one, other in known if family[one] != family[other]]
    assert sum(kin) / len(kin) > 0.2 > 0.18 > sum(strangers) / len(strangers)
    panel = report.panel
    assert panel.effective_votes and panel.effective_votes_low and panel.effective_votes_high
    assert 1 < panel.effective_votes_low < panel.effective_votes < panel.effective_votes_high <= 10
    assert 2 < panel.effective_votes < 9 and panel.effective_votes_reason is None
    assert panel.pairs == len(known) > 30
    assert votes(panel).endswith(f"known from {panel.pairs} of 45 pairs of models")
    assert report.panel.cost_usd == COST * 1260
    worth = Decimal(panel.effective_votes)
    assert panel.usd_per_effective_vote == pytest.approx(panel.cost_usd / worth)
    assert [one["saved_usd"] for one in json.loads(report.panel.without)] == ["0.1260000000"] * 10
    assert " could go. That saves " in report.panel.sentence


def test_what_is_stored_is_the_report_and_the_rates_are_fitted_again(house: Warehouse, report: Report) -> None:
    with house.read() as connection:
        stored = report_of(connection, "v1")
        assert len(skills(connection, ["v1"])) == 4 * 2 + 6
        assert report_of(connection, "v2") is None
    assert stored is not None and stored.panel == report.panel
    assert set(stored.models) == set(report.models) and set(stored.fields) == set(report.fields)


def test_a_report_is_due_when_a_consensus_is_newer_and_nothing_is_open(house: Warehouse, report: Report) -> None:
    def due() -> list[str]:
        with house.read() as connection:
            return [version for version, _ in settled_without_report(connection)]

    later = AT + timedelta(hours=1)
    assert due() == []
    tally(house, all_palettes(house)[:1], later, "majority")
    assert due() == ["v1"]
    with house.write() as connection:
        connection.execute(
            """
            INSERT INTO asks BY NAME SELECT 'tagging' AS purpose, seed AS subject, palette_key AS subject_key,
                'v1' AS prompt_version, 'groq' AS provider, 'm' AS model,
                'd' AS request_digest, 1 AS analyses, false AS chained, 'open' AS state, now() AS asked_at
            FROM palettes LIMIT 1
            """
        )
    assert due() == []
    with house.write() as connection:
        connection.execute("UPDATE asks SET state = 'closed'")
    assert due() == ["v1"]
    # The clock may stand before the consensus; the report is of what it has seen all the same.
    again = report_on(house, "v1", AT)
    assert due() == [] and again is not None and again.panel.reported_at >= later


def test_metadata_shows_tables_and_pictures(report: Report) -> None:
    found = report_metadata(report)
    shown = {name: str(value.value) for name, value in found.items()}
    assert shown["accuracy"].count("\n") == 11 and "gpt\\-4o" not in shown["accuracy"]
    assert shown["chart"].startswith("![accuracy per model and field](data:image/svg+xml;base64,")
    assert shown["correlation of errors"].startswith("![10 models](data:image/svg+xml;base64,")
    assert sum(map(len, shown.values())) < 60_000
    names = next(iter(shown["values of saturation"].splitlines()))
    assert [cell.strip() for cell in names.split("|")][2:-1] == ["mean of the values", "vibrant", "muted", "mixed"]
    row = next(one for one in report.models if one.field == "saturation")
    assert f"{row.sensitivity:.0%}" in shown["values of saturation"].splitlines()[2]


def test_the_chart_tells_a_spammer_from_an_adversary(report: Report) -> None:
    """25 % and 5 % have places of their own, from 0 at 190 to 100 % at 390."""
    row = next(one for one in report.models if one.field == "saturation")
    poor = [replace(row, accuracy=share, accuracy_low=share, accuracy_high=share) for share in (0.25, 0.05, 1.0)]
    drawn = _svg_of(accuracy_chart([replace(one, model=f"m{n}") for n, one in enumerate(poor)]))
    assert re.findall(r'<circle cx="([\d.]+)"', drawn) == ["240.0", "200.0", "390.0"]
    assert ">0 %<" in drawn and ">50 %<" in drawn and ">100 %<" in drawn


def test_a_panel_by_hand(tmp_path: Path) -> None:
    """Two models, one answer each, on the palettes whose saturation is clear-cut. `right` always says what is true,
    `wrong` says `mixed`; so `wrong` is right exactly where `mixed` is."""
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    load_palettes(warehouse, read_palette_file(SAMPLES), "samples", AT)
    with warehouse.write() as connection:
        clear = [one for one in palettes(connection) if "saturation" in one.clear_cut]
        rows = [
            TagRecord(
                *(one.seed, "v1", "groq", model, 0, f"{one.seed}-{model}"),
                *("succeeded", AT),
                saturation=one.saturation if model == "right" else "mixed",
                cost_usd=Decimal(cost),
            )
            for one in clear
            for model, cost in (("right", "0.01"), ("wrong", "0.03"))
        ]
        failed = TagRecord(clear[0].seed, "v1", "openai", "silent", 0, "c", "refused", AT, error="no", cost_usd=COST)
        record_tags(connection, [*rows, failed])
    found = report_on(warehouse, "v1", AT)
    assert found is not None
    rate = {(row.model, row.field): row for row in found.models}
    mixed = sum(one.saturation == "mixed" for one in clear)
    assert (rate["right", "saturation"].accuracy, rate["right", "saturation"].gold) == (1.0, len(clear))
    assert rate["wrong", "saturation"].accuracy == pytest.approx(mixed / len(clear))
    assert json.loads(rate["wrong", "saturation"].by_value or "")["vibrant"]["specificity"][0] == 1.0
    # `wrong` finds one value of three always and two never; it says `mixed` wherever it is not, and nothing else.
    row = rate["wrong", "saturation"]
    assert (row.sensitivity, row.specificity) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert row.sensitivity_low is not None and row.sensitivity_high is not None and row.specificity_low is not None
    assert row.sensitivity_low < 1 / 3 < row.sensitivity_high
    assert (row.blank, rate["wrong", "contrast"].blank) == (0, len(clear))
    assert rate["wrong", "contrast"].accuracy is None and rate["wrong", "contrast"].sensitivity == 0.0
    assert (rate["silent", "saturation"].usable, rate["silent", "saturation"].gold) == (0, 0)
    assert rate["right", "contrast"].accuracy is None
    assert found.panel.cost_usd == Decimal("0.04") * len(clear)
    # One of both was never wrong: nothing tells whether they err together, and no vote is claimed.
    assert (found.panel.effective_votes, found.panel.usd_per_effective_vote, found.panel.pairs) == (None, None, 0)
    assert votes(found.panel).startswith("No two models were wrong at least 3 times each")
    assert json.loads(found.panel.correlation) == [[1.0, None], [None, 1.0]]
    assert {one["votes"] for one in json.loads(found.panel.without)} == {1.0}
    shown = report_metadata(found)
    assert "effective votes" not in shown and "–" in _svg_of(str(shown["correlation of errors"].value))
    with warehouse.read() as connection:
        assert report_of(connection, "v1") is not None
    entropy = next(one.entropy for one in found.fields if one.field == "saturation")
    assert entropy == pytest.approx((len(clear) - mixed) / len(clear))  # a bit wherever they differ


def test_what_few_pairs_show_is_not_said_of_all(tmp_path: Path) -> None:
    """Two of four models are never wrong: one pair of six is known, and the report says why there is no figure."""
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    load_palettes(warehouse, read_palette_file(SAMPLES), "samples", AT)
    with warehouse.write() as connection:
        clear = [one for one in palettes(connection) if "saturation" in one.clear_cut]
        rows = [
            TagRecord(
                *(one.seed, "v1", "groq", model, 0, f"{one.seed}-{model}"),
                *("succeeded", AT),
                saturation="mixed" if model.startswith("wrong") else one.saturation,
                cost_usd=COST,
            )
            for one in clear
            for model in ("right", "true", "wrong", "wrong too")
        ]
        record_tags(connection, rows)
    found = report_on(warehouse, "v1", AT)
    assert found is not None and found.panel.pairs == 1
    panel = found.panel
    known = (panel.effective_votes, panel.effective_votes_low, panel.effective_votes_high, panel.usd_per_effective_vote)
    assert known == (None, None, None, None)
    assert votes(panel).startswith("Whether two models err together is known of 1 of 6 pairs only")
    assert "effective votes" not in report_metadata(found)
    one_less = {one["model"]: one["votes"] for one in json.loads(panel.without)}
    assert set(one_less.values()) == {None}, one_less


def test_a_model_that_got_worse_under_the_next_prompt_version_is_found(tmp_path: Path) -> None:
    """From answers to the finding: `falls` is right on all clear-cut palettes under v1 and on every second under v2,
    `stays` on nine of ten under both."""
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    load_palettes(warehouse, read_palette_file(SAMPLES), "samples", AT)
    with warehouse.write() as connection:
        clear = [one for one in palettes(connection) if "saturation" in one.clear_cut]
        wrong = {"vibrant": "muted", "muted": "mixed", "mixed": "vibrant"}
        rows = [
            TagRecord(
                *(one.seed, version, "groq", model, 0, f"{one.seed}-{model}-{version}", "succeeded", AT),
                saturation=wrong[one.saturation] if number % every == 0 else one.saturation,
            )
            for version, falls in (("v1", 1_000), ("v2", 2))
            for model, every in (("falls", falls), ("stays", 10))
            for number, one in enumerate(clear, 1)
        ]
        record_tags(connection, rows)
    before, now = report_on(warehouse, "v1", AT), report_on(warehouse, "v2", AT)
    assert before is not None and now is not None
    found, half = lost_accuracy(now, before), (len(clear) + 1) // 2
    assert found.found == 1 and found.figures["comparisons"] == 2
    assert found.examples[0].startswith(f"groq falls, saturation: {half / len(clear):.0%} (")
    assert found.examples[0].endswith(f" of {len(clear)} under v2, 100% (88-100) of {len(clear)} under v1.")
    assert found.figures["largest fall"] == pytest.approx(1 - half / len(clear))


def test_models_that_guess_twice_agree_no_more_than_by_chance(tmp_path: Path) -> None:
    """Ten models, two analyses each, and any word at all: alpha is 0 within its interval. Counted by votes that follow
    the panel where a model is torn it was 0.24, and low agreement passed the check."""
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    load_palettes(warehouse, read_palette_file(SAMPLES), "samples", AT)
    dice = random.Random(5)
    with warehouse.write() as connection:
        rows = [
            TagRecord(
                *(one.seed, "v1", "groq", f"m{model}", index, f"{one.seed}-{model}-{index}", "succeeded", AT),
                temperature=dice.choice(CATEGORICAL_VALUES["temperature"]),
                contrast=dice.choice(CATEGORICAL_VALUES["contrast"]),
                brightness=dice.choice(CATEGORICAL_VALUES["brightness"]),
                saturation=dice.choice(CATEGORICAL_VALUES["saturation"]),
            )
            for one in palettes(connection)
            for model in range(10)
            for index in range(2)
        ]
        record_tags(connection, rows)
    found = report_on(warehouse, "v1", AT)
    assert found is not None
    fields = [one for one in found.fields if one.field in CATEGORICAL_VALUES]
    assert [one.alpha for one in fields] == pytest.approx([0.0] * 4, abs=0.03)
    assert low_agreement(found).found == 4


def _svg_of(markdown: str) -> str:
    """The picture behind a `data:` URI, as text."""
    return base64.b64decode(markdown.partition("base64,")[2].rstrip(")")).decode()


def test_no_usable_answer_no_report(tmp_path: Path) -> None:
    assert report_on(Warehouse(tmp_path / "grabient.duckdb"), "v1", AT) is None


def test_the_sentence() -> None:
    names, dollars = ["a x", "b y", "c z"], Decimal("3.00")
    small, large = Judgement(1, 252, 0, 120), Judgement(6, 252, 0, 120)
    steps = [Loss(1, 0.01, 0.0, Decimal("1.00"), 1.9, small), Loss(0, 0.05, 0.0, Decimal("2.00"), 1.0, small)]
    assert who_could_go(names, dollars, steps) == (
        "b y could go. That saves 1.0000 of 3.0000 dollars (33%); 1.9 effective votes are left. On the half of the "
        "palettes by which they were not chosen it changes 1 of 252 values of the categorical consensus, so at most "
        "2.2% (with 95 % confidence; tags are not counted), and accuracy on gold by +0.0 points of 120 values."
    )
    never = Loss(1, 0.0, 0.0, dollars, None, Judgement(0, 252, 1, 100))
    assert "changes 0 of 252 values of the categorical consensus, so at most 1.5%" in who_could_go(
        names, dollars, [never]
    )
    assert "not known. On the half" in who_could_go(names, dollars, [never])
    assert "by +1.0 points of 100 values" in who_could_go(names, dollars, [never])
    blind = Judgement(2, 252, 0, 0)
    unknown = [
        Loss(1, 0.01, None, Decimal("1.00"), 1.9, blind),
        Loss(0, 0.02, None, Decimal("2.00"), 1.0, blind),
    ]
    assert who_could_go(names, dollars, unknown).startswith("b y and a x could go. That saves 2.0000")
    assert "to accuracy is not known" in who_could_go(names, dollars, unknown)
    for step in (
        Loss(1, 0.03, 0.0, dollars, 1.9, small),
        Loss(1, 0.0, -0.01, dollars, 1.9, small),
        Loss(1, 0.0, 0.0, Decimal(0), 2, small),
        Loss(1, 0.0, 0.0, dollars, 1.9, large),
        Loss(1, 0.0, 0.0, dollars, 1.9, Judgement(0, 252, -1, 120)),
    ):
        assert who_could_go(names, dollars, [step]).startswith("No model could go: ")
    alone = Loss(1, 0.0, 0.0, dollars, 1.9, Judgement(0, 0, 0, 0))
    assert who_could_go(names, dollars, [alone]).startswith("Too few palettes to say who could go")
    assert who_could_go(["a x"], dollars, []) == "One model alone is no panel; nobody could go."


def test_the_materialization_says_what_the_audit_of_wave_one_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(tmp_path))
    warehouse = answered_warehouse(tmp_path / "grabient.duckdb", analyses=1)
    found: list[str | None] = []
    for turned in (None, 0, 5):
        if turned is not None:
            audit_wave_one(warehouse, turned)
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("prompt_versions", ["v1"])
            assets = [model_reports, dg.AssetSpec("tag_consensus")]
            resources = {"warehouse": WarehouseResource()}
            done = dg.materialize(
                assets, selection=[model_reports], partition_key="v1", instance=instance, resources=resources
            )
            (made,) = done.asset_materializations_for_node("model_reports")
        said = made.metadata.get("audit of wave one")
        found.append(str(said.value) if said else None)
    none, calm, lost = found
    assert none is None and calm is not None and lost is not None
    assert "0 of 80 values turned (0.0 %, 95 %: 0.0 to 4.6 %)." in calm and "yes" not in calm
    assert "Too many in contrast: no palette is called certain after wave one now." in lost
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lost.splitlines()]
    assert [row[:2] + row[3:] for row in rows if row[0] in ("all", "contrast", "brightness")] == [
        ["all", "5/80", "yes"],
        ["contrast", "5/20", "yes"],
        ["brightness", "0/20"],
    ]
