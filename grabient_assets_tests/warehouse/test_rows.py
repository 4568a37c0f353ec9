"""Values that go into a table come out as they were."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.groups.tagging.tags import TagRecord, record_tags
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.migrations import migrate

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROW = TagRecord("s", "v1", "openai", "m", 0, "id", "succeeded", NOON)
COLUMNS = tuple(TagRecord.__dataclass_fields__)


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        migrate(connection, Path("unused"))
        yield connection


def back(connection: duckdb.DuckDBPyConnection, *rows: TagRecord) -> list[TagRecord]:
    connection.execute("DELETE FROM palette_tags")
    record_tags(connection, rows)
    found = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM palette_tags ORDER BY analysis_index").fetchall()
    return [TagRecord(*map(_plain, row)) for row in found]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def test_nulls_first(connection: duckdb.DuckDBPyConnection) -> None:
    """A column that is null for thousands of rows before it holds its first number, list or decimal."""
    rows = [replace(ROW, analysis_index=n) for n in range(3000)]
    last = replace(
        ROW, analysis_index=3000, mood=("calm",), input_tokens=7, cost_usd=Decimal("0.0000000001"), error="x"
    )
    assert back(connection, *rows, last) == [*rows, last]


@settings(max_examples=40, deadline=None)
@given(
    text=st.none() | st.text(),
    tags=st.none() | st.lists(st.text()).map(tuple),
    cost=st.none() | st.decimals(0, 99_999_999, places=10),
    tokens=st.none() | st.integers(0, 2**31 - 1),
    at=st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_any_value(
    connection: duckdb.DuckDBPyConnection,
    text: str | None,
    tags: tuple[str, ...] | None,
    cost: Decimal | None,
    tokens: int | None,
    at: datetime,
) -> None:
    row = replace(ROW, answer_text=text, error=text, mood=tags, cost_usd=cost, input_tokens=tokens, created_at=at)
    assert back(connection, row) == [row]


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "caf\u00e9 \U0001f600", "' \" \\ ; --", "null", "\ufeff", "\r\n"])
def test_odd_texts(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    row = replace(ROW, answer_text=text, mood=(text, text), notes=(text,))
    assert back(connection, row) == [row]


def test_half_a_surrogate_pair_becomes_a_question_mark(connection: duckdb.DuckDBPyConnection) -> None:
    row = replace(ROW, answer_text="a\ud800", mood=("\udfffb", "c"))
    assert back(connection, row) == [replace(row, answer_text="a?", mood=("?b", "c"))]


def test_a_time_of_another_zone_is_the_same_moment(connection: duckdb.DuckDBPyConnection) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert back(connection, replace(ROW, created_at=east)) == [ROW]


def test_a_row_that_does_not_fit_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    with pytest.raises(duckdb.ConversionException, match="INT32"), warehouse.write() as connection:
        record_tags(connection, [ROW, replace(ROW, analysis_index=1, input_tokens=2**31)])
    with warehouse.read() as connection:
        assert connection.execute("SELECT count(*) FROM palette_tags").fetchall() == [(0,)]
