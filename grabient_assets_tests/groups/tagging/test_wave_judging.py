"""Which palettes are certain: by hand-made answers and rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest

from grabient_assets.consensus.expectation import ErrorRates
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.palettes.loading import palette_record
from grabient_assets.groups.palettes.tables import add_palettes
from grabient_assets.groups.tagging.coded import read_values
from grabient_assets.groups.tagging.skills import Skills
from grabient_assets.groups.tagging.tags import TagRecord, record_tags
from grabient_assets.groups.tagging.wave_judging import certain_palettes
from grabient_assets.warehouse.migrations import migrate
from grabient_assets_tests.ledger.house import palette

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

AT = datetime(2026, 11, 20, tzinfo=UTC)
SEEDS = [palette(number).canonical for number in range(1, 4)]
MODELS = (("groq", "a"), ("groq", "b"), ("openai", "c"))
USUAL = {"temperature": "warm", "contrast": "low", "brightness": "dark", "saturation": "muted"}


def rates(right: float = 0.9) -> dict[str, Skills]:
    """Every model right in so many of its answers, and wrong in all ways alike; the first value of a field is far more
    frequent than the others."""
    found: dict[str, Skills] = {}
    for name, values in CATEGORICAL_VALUES.items():
        number = len(values)
        wrong = (1 - right) / (number - 1)
        confusion = np.full((number, number), wrong) + np.eye(number) * (right - wrong)
        prevalence = np.full(number, 0.001)
        prevalence[0] = 1 - 0.001 * (number - 1)
        even = ErrorRates(np.full(number, 1 / number), np.stack([confusion] * len(MODELS)))
        found[name] = Skills(MODELS, even if name != "saturation" else ErrorRates(prevalence, even.confusion))
    return found


@pytest.fixture
def table() -> Iterator[DuckDBPyConnection]:
    with duckdb.connect() as connection:
        migrate(connection, Path("unused"))
        add_palettes(connection, [palette_record(palette(n), palette(n).canonical, AT) for n in range(1, 4)])
        yield connection


def said(connection: DuckDBPyConnection, model: tuple[str, str], seed: str = SEEDS[0], **values: str | None) -> None:
    """This model's answer: the usual values, but for those named."""
    said = {**USUAL, **values}
    record_tags(connection, [TagRecord(seed, "v1", *model, 0, f"{seed}{model}", "succeeded", AT, **said)])


def certain(connection: DuckDBPyConnection, threshold: float = 0.99, right: float = 0.9) -> set[str]:
    return certain_palettes(read_values(connection, "v1", SEEDS[:2]), rates(right), threshold)


def test_three_good_models_that_agree_are_certain(table: DuckDBPyConnection) -> None:
    """Contrast, of three values: 0.9^3 against twice 0.05^3: 0.99966. With four values it is more."""
    for model in MODELS:
        said(table, model, saturation="vibrant")
    assert certain(table) == {SEEDS[0]}
    assert certain(table, 0.9996) == {SEEDS[0]} and certain(table, 0.9997) == set()


def test_models_that_share_mistakes_are_less_certain(table: DuckDBPyConnection) -> None:
    """Errors that correlate by 0.5 leave 1.5 of three votes: contrast (0.9 / 0.05)^1.5 against 2: 0.9745."""
    for model in MODELS:
        said(table, model, saturation="vibrant")
    shared = {field: replace(one, correlation=0.5) for field, one in rates().items()}
    version = read_values(table, "v1", SEEDS[:2])
    assert certain_palettes(version, shared, 0.99) == set()
    assert certain_palettes(version, shared, 0.97) == {SEEDS[0]} and certain_palettes(version, shared, 0.975) == set()


def test_one_field_in_doubt_is_enough(table: DuckDBPyConnection) -> None:
    """Two against one of four values: 0.81 x 0.0333 against 0.9 x 0.00111 and twice 0.000037: 0.9618."""
    for model in MODELS:
        said(table, model, saturation="vibrant", temperature="cool" if model == MODELS[2] else "warm")
    assert certain(table) == set()
    assert certain(table, 0.96) == {SEEDS[0]} and certain(table, 0.963) == set()


def test_a_tie_is_never_certain(table: DuckDBPyConnection) -> None:
    for model, word in zip(MODELS, ("low", "medium", None), strict=True):
        said(table, model, saturation="vibrant", contrast=word)
    assert certain(table, 0.51) == set()


def test_models_no_better_than_chance_settle_nothing(table: DuckDBPyConnection) -> None:
    for model in MODELS:
        said(table, model, saturation="vibrant")
    assert certain(table, 0.5, right=0.26) == set()


def test_who_was_not_answered_about_is_not_certain(table: DuckDBPyConnection) -> None:
    """Neither without any answer, nor where nobody named a value although one of them is usual."""
    assert certain(table) == set()
    record_tags(table, [TagRecord(SEEDS[0], "v1", *MODELS[0], 0, "x", "invalid", AT, error="of no use")])
    assert certain(table, 0.0) == set()
    for model in MODELS:
        said(table, model, SEEDS[1], saturation=None)
    assert certain(table, 0.9) == set()
    assert certain_palettes(read_values(table, "v1", SEEDS), {}, 0.0) == set()


def test_only_the_named_palettes_are_judged(table: DuckDBPyConnection) -> None:
    for seed in SEEDS:
        for model in MODELS:
            said(table, model, seed, saturation="vibrant")
    assert certain(table) == set(SEEDS[:2])
