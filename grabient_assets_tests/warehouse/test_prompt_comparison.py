"""Two prompt versions compared on what both have answered, with every figure worked out by hand."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.tallying import tally
from grabient_assets.warehouse.asks import PaletteVersion
from grabient_assets.warehouse.batches import BatchRecord, insert_intent
from grabient_assets.warehouse.prompt_agreement import Share
from grabient_assets.warehouse.prompt_comparison import (
    Comparison,
    Wording,
    compare,
    refinement_pairs,
    tagging_pairs,
)
from grabient_assets.warehouse.prompts import prompt_uses
from grabient_assets.warehouse.refined import RefinedRecord, record_refined
from grabient_assets.warehouse.tags import TagRecord, record_tags
from grabient_assets_tests.batching.house import House, palette

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
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
    tally(house.warehouse, [PaletteVersion(v, seed(n)) for v in ("v1", "v2") for n in (1, 2, 3)], NOW)
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
