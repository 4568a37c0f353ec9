"""A literal gives the value that it was made of, whatever a person typed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from grabient_assets.warehouse.literals import literal

TEXTS = some.text(some.characters(exclude_categories=["Cs"]) | some.sampled_from("'\"\\$;-\0\n[]{},"))
FINITE = some.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@given(value=TEXTS | FINITE | some.integers(-(2**63), 2**63 - 1) | some.booleans() | some.none())
@example(value="'; DROP TABLE palettes; --")
@example(value="$1 $1 \\' \0'")
def test_a_value_comes_back(connection: duckdb.DuckDBPyConnection, value: Any) -> None:
    row = connection.execute(f"SELECT {literal(value)}, 'after'").fetchone()
    assert row == (value, "after") and type(row[0]) is type(value)


@given(words=some.lists(TEXTS), numbers=some.lists(FINITE))
def test_a_list_comes_back(connection: duckdb.DuckDBPyConnection, words: list[str], numbers: list[float]) -> None:
    statement = f"SELECT {literal(words)}::VARCHAR[], {literal(numbers)}::DOUBLE[]"
    assert connection.execute(statement).fetchone() == (words, numbers)


def test_it_is_used_as_a_value_would_be(connection: duckdb.DuckDBPyConnection) -> None:
    n, a = literal(-3), literal("a'b")
    statement = f"SELECT -{n} - 1, {a} ILIKE '%B%', upper({a}), {n}::VARCHAR || {a}, list_contains(['a''b'], {a})"
    row = connection.execute(statement).fetchone()
    assert row == (2, True, "A'B", "-3a'b", True)


def test_what_has_none() -> None:
    for value in (math.nan, math.inf, [math.nan]):
        with pytest.raises(ValueError):
            literal(value)
    with pytest.raises(TypeError):
        literal(b"bytes")  # pyright: ignore[reportArgumentType]
