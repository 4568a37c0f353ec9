"""Whoever asks may say that it may cost what it likes; the ask remembers it, because a later run sends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets.groups.palettes.loading import load_palettes
from grabient_assets.headless.failures import ask_again
from grabient_assets.ledger.asks import SubjectVersion, stop_asks
from grabient_assets.ledger.money import SpendingCap, make_cap
from grabient_assets.partitions import partition_key
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import typed
from grabient_assets_tests.pipeline.driven import Driven, driven
from grabient_assets_tests.pipeline.place import emulator_ended_after, samples


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Driven]:
    """One loaded palette. Nothing is sent in these tests, so no emulator starts."""
    with driven(tmp_path / "data") as pipeline:
        load_palettes(pipeline.warehouse, samples(1), "samples", datetime.now(UTC))
        pipeline.instance.add_dynamic_partitions("seeds", [samples(1).rows[0].palette.canonical])
        yield pipeline


def permissions(warehouse: Warehouse) -> dict[str, set[bool]]:
    """Purpose -> what its asks allow."""
    with warehouse.read() as connection:
        rows = connection.execute("SELECT purpose, allow_unpriced FROM asks").fetchall()
    return {purpose: {allowed for other, allowed in rows if other == purpose} for purpose, _ in rows}


@pytest.mark.parametrize(
    ("asset", "purpose"), [("openai_tag_batches", "tagging"), ("refinement_batches", "refinement")]
)
def test_materializing_says_so_in_its_config(pipeline: Driven, asset: str, purpose: str) -> None:
    key = partition_key(SubjectVersion("v1", samples(1).rows[0].palette.canonical))
    assert pipeline.person(asset, key).success
    assert permissions(pipeline.warehouse) == {purpose: {False}}
    assert pipeline.person(asset, key, config={"allow_unpriced": True}).success
    assert permissions(pipeline.warehouse) == {purpose: {True}}


def test_asking_again_keeps_the_permissions(pipeline: Driven) -> None:
    """A price that nobody knows stops no retry that was allowed, and a retry allows nothing by itself."""
    key = partition_key(SubjectVersion("v1", samples(1).rows[0].palette.canonical))
    pipeline.person("openai_tag_batches", key, config={"allow_unpriced": True})
    pipeline.person("groq_tag_batches", key)
    pipeline.person("refinement_batches", key, config={"allow_unpriced": True, "despite_checks": True})
    with pipeline.warehouse.write() as connection:
        for provider in ("openai", "groq", "anthropic"):
            purpose = "refinement" if provider == "anthropic" else "tagging"
            stop_asks(connection, purpose, provider, None, "no answer", datetime.now(UTC))
    ask_again(pipeline.warehouse, load_settings(), None, datetime.now(UTC))
    assert pipeline.rows(
        "SELECT DISTINCT provider, purpose, state, allow_unpriced, despite_checks FROM asks ORDER BY ALL"
    ) == [
        ("anthropic", "refinement", "open", True, True),
        ("groq", "tagging", "open", False, False),
        ("openai", "tagging", "open", True, False),
    ]


def test_asking_again_keeps_the_cap(pipeline: Driven) -> None:
    """Of what was asked with `--max-usd`, a retry spends no more than that; what follows it does not either."""
    seed = samples(1).rows[0].palette.canonical
    key, now = partition_key(SubjectVersion("v1", seed)), datetime.now(UTC)
    for asset in ("openai_tag_batches", "groq_tag_batches", "refinement_batches"):
        pipeline.person(asset, key)
    with pipeline.warehouse.write() as connection:
        for cap in ("one", "other"):
            make_cap(connection, SpendingCap(cap, Decimal(1)), now)
        connection.execute("UPDATE asks SET cap_id = 'one' WHERE provider IN ('openai', 'anthropic')")
        connection.execute("UPDATE asks SET cap_id = 'other' WHERE model = 'openai/gpt-oss-20b'")
        connection.execute("UPDATE asks SET state = 'stopped'")
    before = pipeline.rows("SELECT provider, model, cap_id FROM asks ORDER BY ALL")
    asked = ask_again(pipeline.warehouse, load_settings(), None, datetime.now(UTC))
    assert [len(asked.asks[name]) for name in ("tagging", "refinement")] == [6, 1]
    assert pipeline.rows("SELECT provider, model, cap_id FROM asks WHERE state = 'open' ORDER BY ALL") == before
    assert sorted(cap or "" for _, _, cap in before) == ["", "", "one", "one", "one", "one", "other"]


def test_the_command_line_says_so_with_an_option(tmp_path: Path) -> None:
    data, seeds = tmp_path / "data", tmp_path / "seeds.txt"
    seeds.write_text(samples(1).rows[0].palette.canonical, encoding="utf-8")
    with emulator_ended_after(data):
        assert typed(data, "load", seeds).code == 0
        typed(data, "run", "--allow-unpriced", "--until", "tags", "--analyses", "1", "--timeout", "0")
    assert permissions(Warehouse(data / "grabient.duckdb")) == {"tagging": {True}}
