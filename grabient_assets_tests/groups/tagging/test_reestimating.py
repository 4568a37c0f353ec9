"""Probabilities follow the rates of the newest report; what a refinement was asked with does not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from grabient_assets.groups.calibration.measuring import report_on
from grabient_assets.groups.refinement.explaining import explain, read_about
from grabient_assets.groups.refinement.refined import RefinedRecord, record_refined
from grabient_assets.groups.tagging.model_reports import settled_without_report
from grabient_assets.groups.tagging.skills import record_skills, skills
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord, consensus
from grabient_assets.groups.tagging.tallying import stored_consensus, tally
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.groups.answered import AT, all_palettes, answered_warehouse

LATER = AT + timedelta(hours=1)


def records_of(house: Warehouse) -> dict[str, ConsensusRecord]:
    with house.read() as connection:
        return {one.seed: one for one in consensus(connection, all_palettes(house))}


def mislead(house: Warehouse) -> None:
    """Every model with the rates of another."""
    with house.write() as connection:
        found = skills(connection, ["v1"])
        turned = [{**(was := json.loads(one.parameters)), "confusion": was["confusion"][::-1]} for one in found]
        record_skills(
            connection, [replace(one, parameters=json.dumps(new)) for one, new in zip(found, turned, strict=True)]
        )


def test_a_palette_tallied_first_follows_the_rates_of_all(tmp_path: Path) -> None:
    """One palette is there, and rates are fitted on it; then 62 more. They do not rest on those rates, and after the
    report neither does the first."""
    house = answered_warehouse(tmp_path / "grabient.duckdb")
    first, *others = all_palettes(house)
    with house.write() as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM palette_tags WHERE seed <> $1", [first.subject])
        connection.execute("DELETE FROM palette_tags WHERE seed <> $1", [first.subject])
    (alone,) = tally(house, [first], AT, "majority")
    with house.write() as connection:
        assert {one.palettes for one in skills(connection, ["v1"])} == {1}
        connection.execute("INSERT INTO palette_tags SELECT * FROM kept")
    tally(house, others, AT, "majority")
    with house.read() as connection:
        assert {one.palettes for one in skills(connection, ["v1"])} == {63}
        assert not explain(read_about(connection, others[0].subject, "v1")).rates_moved
        assert explain(read_about(connection, first.subject, "v1")).rates_moved
    report_on(house, "v1", LATER)
    after = records_of(house)
    with house.read() as connection:
        moved = [seed for seed in after if explain(read_about(connection, seed, "v1")).rates_moved]
        assert moved == [] and settled_without_report(connection) == [], "which is no reason for another report"
    assert after[first.subject] == replace(alone, estimates=after[first.subject].estimates)
    assert alone.estimates != after[first.subject].estimates


@pytest.mark.parametrize("method", ["majority", "one-coin", "full"])
def test_what_a_refinement_was_asked_with_stays(tmp_path: Path, method: str) -> None:
    house = answered_warehouse(tmp_path / "grabient.duckdb", analyses=1)
    chosen = all_palettes(house)
    tally(house, chosen, AT, "majority")
    mislead(house)
    with house.write() as connection:
        connection.execute("DELETE FROM tag_consensus")
    tally(house, chosen, AT, method)  # pyright: ignore[reportArgumentType]
    before = records_of(house)
    refined = chosen[7]
    with house.write() as connection:
        record_refined(connection, [_refined(refined, before[refined.subject].digest)])
    report_on(house, "v1", LATER)
    after = records_of(house)
    digests = {seed for seed in before if before[seed].digest != after[seed].digest}
    estimates = {seed for seed in before if before[seed].estimates != after[seed].estimates}
    assert {seed: one.created_at for seed, one in after.items()} == {
        seed: one.created_at for seed, one in before.items()
    }
    if method == "majority":
        assert digests == set() and refined.subject in estimates and len(estimates) > 60
        return
    assert after[refined.subject] == before[refined.subject]
    assert len(estimates) > 55 and digests and digests <= estimates
    for record in after.values():
        best = {field: found[0]["value"] for field, found in json.loads(record.estimates or "").items() if found}
        if record.seed != refined.subject:
            assert (record.contrast, stored_consensus(record).top("contrast")) == (best["contrast"], best["contrast"])


def test_a_palette_with_answers_that_are_not_counted_yet_is_left_to_its_tally(tmp_path: Path) -> None:
    house = answered_warehouse(tmp_path / "grabient.duckdb", analyses=1)
    chosen = all_palettes(house)
    tally(house, chosen, AT, "majority")
    with house.write() as connection:
        connection.execute(
            "UPDATE tag_consensus SET answers = answers - 1, estimates = '{}' WHERE seed = $1", [chosen[0].subject]
        )
        connection.execute("UPDATE tag_consensus SET estimates = '{}' WHERE seed = $1", [chosen[1].subject])
    report_on(house, "v1", LATER)
    after = records_of(house)
    assert after[chosen[0].subject].estimates == "{}" and after[chosen[1].subject].estimates != "{}"


def _refined(partition: SubjectVersion, digest: str) -> RefinedRecord:
    return RefinedRecord(partition.subject, "v1", "v1", "claude-opus", "custom", "succeeded", digest, AT)
