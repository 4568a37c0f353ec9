"""Two prompt versions compared on what both have answered, with every figure worked out by hand."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.calibration.prompt_comparison import (
    Comparison,
    Share,
    Split,
    Wording,
    compare,
    refinement_pairs,
    tagging_pairs,
)
from grabient_assets.groups.calibration.prompt_words import Words, words_side_by_side
from grabient_assets.groups.refinement.refined import RefinedRecord, record_refined
from grabient_assets.groups.tagging.tag_consensus import ConsensusRecord, record_consensus
from grabient_assets.groups.tagging.tags import TagRecord, record_tags
from grabient_assets.groups.tagging.tallying import tally
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord, insert_intent
from grabient_assets.ledger.prompts import prompt_uses
from grabient_assets_tests.ledger.house import House, palette

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LISTS = ("mood", "style", "associations")
V1, V2 = Wording("v1", "digest-1"), Wording("v2", "digest-2")


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Three palettes: the first two plainly warm, of the third nothing is clear-cut."""
    house = House(tmp_path)
    house.load(palette(1), palette(2), palette(3))
    house.write("UPDATE palettes SET temperature = 'warm', contrast = 'high', clear_cut = ['temperature']")
    house.write("UPDATE palettes SET clear_cut = [] WHERE seed = $1", seed(3))
    house.write("UPDATE palettes SET clear_cut = ['temperature', 'contrast'] WHERE seed = $1", seed(2))
    return house


def seed(number: int) -> str:
    return palette(number).canonical


def send(house: House, wording: Wording, purpose: str = "tagging", account: str = "emulator", **more: object) -> str:
    """A batch of this wording in the ledger; its id."""
    name = f"{purpose}-{wording.digest}-{account}"
    batch = BatchRecord(
        name, purpose, "openai", "m", wording.prompt_version, wording.digest, "collected", 2, "-", account, NOW,
        provider_batch_id=name, submitted_at=NOW, succeeded=2, cost_usd=Decimal("0.5"),
    )  # fmt: skip
    with house.warehouse.write() as connection:
        insert_intent(connection, replace(batch, **more), [])
    return name


def tag(number: int, version: str, batch: str, model: str, index: int = 0, **said: object) -> TagRecord:
    plain = {"input_tokens": 1000, "output_tokens": 100, "cost_usd": Decimal("0.001"), "fate": "succeeded"}
    fields = {**plain, "created_at": NOW, **said}
    return TagRecord(seed(number), version, "openai", model, index, "c", batch_id=batch, **fields)


def store(house: House, *records: TagRecord) -> None:
    with house.warehouse.write() as connection:
        record_tags(connection, records)


def compared(house: House, first: Wording, second: Wording, purpose: str = "tagging") -> Comparison | None:
    read = tagging_pairs if purpose == "tagging" else refinement_pairs
    with house.warehouse.read() as connection:
        pairs = read(connection, first, second)
    return None if pairs is None else compare(pairs)


def test_figures_by_hand(house: House) -> None:
    one, two = send(house, V1), send(house, V2)
    store(
        house,
        # palette 1: a says warm then cool then warm (votes warm), b cool
        tag(1, "v1", one, "a", 0, temperature="warm", contrast="high"),
        tag(1, "v1", one, "a", 1, temperature="cool", contrast="high"),
        tag(1, "v1", one, "a", 2, temperature="warm", contrast="high"),
        tag(1, "v1", one, "b", 0, temperature="cool", contrast="low"),
        # palette 2: both warm; b does not name a contrast
        tag(2, "v1", one, "a", 0, temperature="warm", contrast="high"),
        tag(2, "v1", one, "b", 0, temperature="warm"),
        tag(1, "v2", two, "a", 0, temperature="warm", contrast="high", input_tokens=2000, cost_usd=Decimal("0.003")),
        tag(1, "v2", two, "b", 0, temperature="warm", contrast="high", cost_usd=Decimal(0)),
        tag(2, "v2", two, "a", 0, temperature="cool", contrast="high", output_tokens=50, cost_usd=None),
        tag(2, "v2", two, "b", 0, temperature="warm", contrast="high"),
        tag(2, "v2", two, "b", 1, error="no JSON", fate="invalid"),
        # not compared: c only under v2, palette 3 only under v1, a failure under v1
        tag(1, "v2", two, "c", 0, temperature="neutral", contrast="low"),
        tag(3, "v1", one, "a", 0, temperature="neutral", contrast="low"),
        tag(2, "v1", one, "c", 0, error="refused", fate="refused"),
        tag(2, "v2", two, "c", 0, temperature="neutral"),
    )
    found = compared(house, V1, V2)
    assert found is not None and (found.palettes, found.models) == (2, 2)
    first, second = found.first, found.second
    # v1 temperature: palette 1 one of two for the winner, palette 2 two of two. contrast: one of two (the other says
    # low), one of two (the other says nothing).
    assert first.agreement["temperature"] == Share(0.75, 2) and first.agreement["contrast"] == Share(0.5, 2)
    assert second.agreement["temperature"] == Share(0.75, 2) and second.agreement["contrast"] == Share(1.0, 2)
    assert first.agreement["brightness"] == Share(0.0, 2), "nobody named one"
    # temperature is clear-cut on both palettes: v1 4 of 6 answers are right, v2 3 of 4. contrast only on the second:
    # v1 1 of 2 (naming none is no right answer), v2 2 of 2.
    assert first.accuracy == {"temperature": Share(4 / 6, 6), "contrast": Share(0.5, 2)}
    assert second.accuracy == {"temperature": Share(0.75, 4), "contrast": Share(1.0, 2)}
    assert first.model_accuracy == {"openai a": Share(0.8, 5), "openai b": Share(1 / 3, 3)}
    assert second.model_accuracy == {"openai a": Share(2 / 3, 3), "openai b": Share(1.0, 3)}
    assert (first.answers, first.input_tokens, first.output_tokens) == (6, 1000, 100)
    assert (second.answers, second.input_tokens, second.output_tokens) == (4, 1250, 87.5)
    # v2 paid 0.003 and 0.001; the shared answer was free, the price of the third is not known.
    assert (first.usd_per_answer, second.usd_per_answer) == (Decimal("0.001"), Decimal("0.002"))
    # Ended under both: palette 1 a, b; palette 2 a, b, c.
    assert (first.unusable, second.unusable) == (Share(1 / 7, 7), Share(1 / 6, 6))
    # Per palette: temperature 2 of 4 right -> 2 of 2, then 2 of 2 -> 1 of 2; contrast 1 of 2 -> 2 of 2; failures
    # 0 of 4 -> 0 of 2, then 1 of 3 -> 1 of 4; agreement on contrast rises on both palettes.
    splits = {name: (split.rises, split.falls) for name, split in found.splits.items()}
    assert splits["accuracy temperature"] == (1, 1) and splits["accuracy contrast"] == (1, 0)
    assert splits["accuracy brightness"] == (0, 0), "on no palette clear-cut"
    assert splits["unusable"] == (0, 1) and splits["agreement contrast"] == (2, 0)
    assert splits["agreement temperature"] == (1, 1)
    assert splits["input_tokens"] == (1, 0) and splits["output_tokens"] == (0, 1)
    assert found.shared == 4, "the answers of this test all have one custom_id"


def test_another_wording_of_the_same_version_is_not_compared(house: House) -> None:
    one, two, edited = send(house, V1), send(house, V2), send(house, Wording("v2", "edited"))
    store(
        house,
        tag(1, "v1", one, "a", temperature="warm"),
        tag(1, "v2", edited, "a", temperature="cool"),
        tag(2, "v1", one, "a", temperature="warm"),
        tag(2, "v2", two, "a", temperature="warm"),
    )
    found = compared(house, V1, V2)
    assert found is not None and found.palettes == 1
    assert found.second.accuracy["temperature"] == Share(1.0, 1)
    assert compared(house, V1, Wording("v3", "x")) is None


def test_agreement_is_that_of_the_consensus(house: House) -> None:
    """Four models of two minds each, on three palettes: votes are counted as in groups/tagging/consensus.py."""
    one, two = send(house, V1), send(house, V2)
    records: list[TagRecord] = []
    for version, batch in (("v1", one), ("v2", two)):
        for number in (1, 2, 3):
            for model in "abcd":
                for index in range(4):
                    chance = hashlib.sha256(f"{version}{number}{model}{index}".encode()).digest()
                    said = {
                        field: [*values, None][chance[place] % (len(values) + 1)]
                        for place, (field, values) in enumerate(CATEGORICAL_VALUES.items())
                    }
                    records.append(tag(number, version, batch, model, index, mood=("calm",), **said))
    store(house, *records)
    tally(house.warehouse, [SubjectVersion(v, seed(n)) for v in ("v1", "v2") for n in (1, 2, 3)], NOW)
    expected: dict[str, dict[str, list[float]]] = {"v1": {}, "v2": {}}
    for version, votes in house.rows("SELECT prompt_version, votes FROM tag_consensus"):
        for field in CATEGORICAL_VALUES:
            expected[version].setdefault(field, []).append(json.loads(votes)[field][0]["share"])
    found = compared(house, V1, V2)
    assert found is not None
    for version, measured in (("v1", found.first), ("v2", found.second)):
        for field, shares in expected[version].items():
            assert measured.agreement[field].share == pytest.approx(sum(shares) / 3), (version, field)
    assert len({share for shares in expected["v1"].values() for share in shares}) > 1


def test_refinement_is_compared_by_facts_tokens_and_dollars(house: House) -> None:
    one, two = send(house, V1, "refinement"), send(house, V2, "refinement")

    def refined(number: int, version: str, batch: str, temperature: str, tokens: int) -> RefinedRecord:
        return RefinedRecord(
            seed(number), version, version, "opus", f"c-{number}-{version}", "succeeded", "d", NOW,
            temperature=temperature, contrast="high", input_tokens=tokens, output_tokens=10,
            cost_usd=Decimal(tokens) / 1000, batch_id=batch,
        )  # fmt: skip

    with house.warehouse.write() as connection:
        record_refined(connection, [refined(1, "v1", one, "warm", 10), refined(2, "v1", one, "cool", 30)])
        record_refined(connection, [refined(1, "v2", two, "warm", 50), refined(3, "v2", two, "warm", 70)])
    found = compared(house, V1, V2, "refinement")
    assert found is not None and (found.palettes, found.models) == (1, 1)
    assert found.first.accuracy == found.second.accuracy == {"temperature": Share(1.0, 1)}
    assert (found.first.agreement, found.first.usd_per_answer) == ({}, Decimal("0.01"))
    assert (found.second.input_tokens, found.second.usd_per_answer) == (50, Decimal("0.05"))


def test_where_a_wording_has_run(house: House) -> None:
    send(house, V1)
    send(house, V1, account="a1b2", submitted_at=NOW.replace(day=21))
    send(house, V2, provider_batch_id=None, status="refused")
    other = "a batch of the version that shares it"
    send(house, V1, batch_id=other, provider_batch_id=other, prompt_version="v3", submitted_at=NOW.replace(day=22))
    with house.warehouse.read() as connection:
        uses = prompt_uses(connection)
    assert [(u.digest, u.mode, u.batches, u.requests, u.answers, u.cost_usd) for u in uses] == [
        ("digest-1", "emulator", 2, 4, 4, Decimal("1.0")),
        ("digest-1", "live", 1, 2, 2, Decimal("0.5")),
    ]
    assert (uses[1].first, uses[1].purpose, uses[1].prompt_versions) == (NOW.replace(day=21), "tagging", ("v1",))
    assert (uses[0].last, uses[0].prompt_versions) == (NOW.replace(day=22), ("v1", "v3")), "one wording, two versions"


@pytest.mark.parametrize(
    ("rises", "falls", "chance"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 32),
        (0, 6, 2 / 64),
        (7, 1, 2 * 9 / 256),
        (4, 4, 1.0),
        (9, 2, 2 * (1 + 11 + 55) / 2048),
    ],
)
def test_how_often_coins_split_so_unevenly(rises: int, falls: int, chance: float) -> None:
    assert Split(rises, falls).chance == pytest.approx(chance)


def test_many_palettes_are_no_matter() -> None:
    assert Split(50_500, 49_500).chance == pytest.approx(0.00158, rel=0.02)  # the normal distribution: 3.16 sigma
    assert Split(100_000, 0).chance == 0.0


def refined(number: int, version: str, batch: str, **said: Any) -> RefinedRecord:
    fields = {"custom_id": f"c-{number}-{version}", "batch_id": batch, "cost_usd": Decimal("0.01"), **said}
    return RefinedRecord(
        seed(number), version, version, "opus", fate="succeeded", consensus_digest="d", created_at=NOW, **fields
    )


def said_by_the_panel(number: int, version: str, **said: list[str]) -> ConsensusRecord:
    votes = {field: [{"value": value, "models": 1, "share": 0.5} for value in said.get(field, ())] for field in LISTS}
    return ConsensusRecord(seed(number), version, 1, 1, None, None, None, None, json.dumps(votes), "{}", "d", NOW)


def test_refinements_of_the_same_text_are_shared_only_where_the_request_is_the_same(house: House) -> None:
    """Both versions tell the refiner the same; what it is shown differs where the panel said something else."""
    same = Wording("v2", V1.digest)
    one = send(house, V1, "refinement")
    two = send(house, same, "refinement", batch_id="of-v2", provider_batch_id="of-v2")
    with house.warehouse.write() as connection:
        record_refined(
            connection,
            [
                refined(1, "v1", one, custom_id="r-1", temperature="warm"),
                refined(1, "v2", one, custom_id="r-1", temperature="warm"),
                refined(2, "v1", one, custom_id="r-2", temperature="cool"),
                refined(2, "v2", two, custom_id="r-3", temperature="warm"),
            ],
        )
    found = compared(house, V1, same, "refinement")
    assert found is not None and (found.palettes, found.shared) == (2, 1)
    assert found.splits["accuracy temperature"] == Split(1, 0)


def test_the_words_that_changed_most_come_first(house: House) -> None:
    one = send(house, V1, "refinement")
    with house.warehouse.write() as connection:
        record_refined(
            connection,
            [
                refined(1, "v1", one, mood=["calm"], style=["retro"], associations=["fog"], embed_text="Fog."),
                refined(1, "v2", one, mood=["calm"], style=["retro"], associations=["dew"], embed_text="Dew."),
                refined(2, "v1", one, mood=["calm"], style=["retro"], associations=["fog"], embed_text="Fog."),
                refined(2, "v2", one, mood=["wild"], style=["punk"], associations=["fire"], embed_text="Fire."),
                refined(3, "v1", one, mood=["calm"], style=["retro"], associations=["fog"], embed_text="Fog."),
            ],
        )
        record_consensus(
            connection,
            [
                said_by_the_panel(2, "v1", mood=["never", "shown"]),
                said_by_the_panel(2, "v2", mood=["never", "shown"]),
                said_by_the_panel(3, "v1", mood=["a", "b", "c", "d"], style=["e"]),
                said_by_the_panel(3, "v2", mood=["a", "b", "x"], style=["y"]),
            ],
        )
    with house.warehouse.read() as connection:
        found = words_side_by_side(connection, "v1", "v2", 10)
        assert [one.seed for one in words_side_by_side(connection, "v1", "v2", 1)] == [seed(2)]
        assert words_side_by_side(connection, "v1", "v3", 10) == []
    assert [(one.seed, one.kept) for one in found] == [(seed(2), 0.0), (seed(3), 2 / 6), (seed(1), 0.5)]
    assert found[1].first == Words(("a", "b", "c"), ("e",), (), None), "not refined under v2: what the panel says"
    assert found[2].first == Words(("calm",), ("retro",), ("fog",), "Fog.")
    assert found[2].second == Words(("calm",), ("retro",), ("dew",), "Dew.")
    assert len(found[0].hex) == 11
