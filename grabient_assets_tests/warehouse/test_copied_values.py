"""Values on their way from a file to PostgreSQL and back: none changes, and the digest sees one that does."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from grabient_assets.postgres_settings import parse_postgres
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.copied_values import digest, tables
from grabient_assets.warehouse.copying import copy_warehouse
from grabient_assets.warehouse.migrations import SQL, migrations
from grabient_assets_tests.postgres import Server, postgres
from grabient_assets_tests.warehouse.contents import contents, value

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FILLED = sorted(set(tables()) - {"ledger_clock"})
NASTY = [
    "NULL",
    "null",
    "",
    "\0",
    "a\0b",
    "{}",
    '"',
    "\\",
    "\\N",
    "\\.",
    "a\tb\r\n",
    "[1, 2]",
    " ",
    "'",
    ",",
    "é海\U0001f305",
]

words = some.one_of(some.sampled_from(NASTY), some.text(some.characters(exclude_categories=["Cs"]), max_size=20))
times = some.integers(-2_000_000_000, 7_000_000_000).map(lambda second: datetime.fromtimestamp(second + 0.123456, UTC))
VALUES: dict[str, some.SearchStrategy[Any]] = {
    "VARCHAR": words,
    "INTEGER": some.integers(-(2**31), 2**31 - 1),
    "BIGINT": some.integers(-(2**63), 2**63 - 1),
    "DOUBLE": some.floats(),
    "FLOAT": some.floats(width=32),
    "BOOLEAN": some.booleans(),
    "JSON": some.sampled_from(['{ "b" : 1.0, "a":[ ] }', '"\\u0000 NULL"', "null", "1e3", '{"a": 1, "a": 2}']),
    "TIMESTAMP WITH TIME ZONE": times,
    "DECIMAL(18,10)": some.decimals(Decimal("-99999999"), Decimal("99999999"), places=10),
}


def values(kind: str) -> some.SearchStrategy[Any]:
    if listed := re.fullmatch(r"(.+)\[(\d*)\]", kind):
        size = int(listed[2] or 0)
        inner = values(listed[1])
        missing = some.none() if not listed[1].endswith("]") else some.nothing()  # PostgreSQL knows no missing row
        return some.lists(inner | missing, min_size=size, max_size=size or 4)
    return VALUES[kind]


@some.composite
def rows(draw: some.DrawFn) -> dict[str, list[list[Any]]]:
    """Rows of some tables, told apart by the first column of their key."""
    found: dict[str, list[list[Any]]] = {}
    for table in draw(some.lists(some.sampled_from(FILLED), min_size=6, max_size=6, unique=True)):
        columns = COLUMNS[table]
        one = some.tuples(*(values(kind) | some.none() if nullable else values(kind) for _, kind, nullable in columns))
        found[table] = [list(row) for row in draw(some.lists(one, min_size=1, max_size=4))]
        key = next(place for place, (name, _, _) in enumerate(columns) if name in KEYS[table])
        for number, row in enumerate(found[table]):
            row[key] = f"{number} {row[key]}" if columns[key][1] == "VARCHAR" else number
    return found


def read_schema() -> tuple[dict[str, list[tuple[str, str, bool]]], dict[str, list[str]]]:
    with duckdb.connect() as whole:
        for _, _, sql in migrations(SQL):
            whole.execute(sql)
        columns: dict[str, list[tuple[str, str, bool]]] = {}
        query = "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() ORDER BY column_index"
        for table, name, kind, nullable in whole.execute(query).fetchall():
            columns.setdefault(table, []).append((name, kind, nullable))
        query = (
            "SELECT table_name, constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
        )
        keys = dict(whole.execute(query).fetchall())
    return columns, {table: keys.get(table, [one[0][0]]) for table, one in columns.items()}


COLUMNS, KEYS = read_schema()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


def fill(path: Path, found: dict[str, list[list[Any]]]) -> None:
    with Warehouse(path).write() as connection:
        for table, lines in found.items():
            marks = ", ".join(
                f"?::VARCHAR::{k}" if k.startswith("DECIMAL") else f"?::{k}" for _, k, _ in COLUMNS[table]
            )
            for line in lines:
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", [as_given(one) for one in line])


def as_given(one: Any) -> Any:
    return str(one) if isinstance(one, Decimal) else one


def shown(path: Path) -> dict[str, list[str]]:
    """Every row by its repr, which tells -0.0 from 0.0 and finds nan equal to nan."""
    return {table: sorted(repr(list(row.values())) for row in found) for table, found in contents(path).items()}


def without_nul(found: Any) -> Any:
    if isinstance(found, str):
        return found.replace("\0", "\ufffd")
    return [without_nul(one) for one in found] if isinstance(found, list) else found


def count_nul(found: Any) -> int:
    return sum(map(count_nul, found)) if isinstance(found, list) else int(isinstance(found, str) and "\0" in found)


@given(rows())
@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.generate],
)
def test_rows_come_back_as_they_were(server: Server, found: dict[str, list[list[Any]]]) -> None:
    address = parse_postgres(server.create_database(f"c{uuid4().hex}"), "here", server.password)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        there, back, expected = Warehouse(address, folder=folder), folder / "back.duckdb", folder / "expected.duckdb"
        fill(folder / "a.duckdb", found)
        done = copy_warehouse(Warehouse(folder / "a.duckdb"), there, NOW, lambda _: None)
        copy_warehouse(there, Warehouse(back), NOW, lambda _: None)
        fill(expected, {table: without_nul(lines) for table, lines in found.items()})
        assert shown(back) == shown(expected)
        assert done.replaced == sum(count_nul(lines) for lines in found.values())
        assert {one.table: one.target.rows for one in done.tables if one.table in found} == {
            table: len(lines) for table, lines in found.items()
        }


@pytest.mark.parametrize("table", FILLED)
def test_the_digest_sees_every_column_and_no_order(table: str) -> None:
    with duckdb.connect() as connection:
        for _, _, sql in migrations(SQL):
            connection.execute(sql)
        columns = tables()[table]
        connection.execute(f"CREATE TABLE bare AS SELECT * FROM {table}")
        connection.execute(f"INSERT INTO bare VALUES ({', '.join(value(kind) for _, kind in columns)})")
        query = digest("bare", columns, without_nul=False)
        one = connection.execute(query).fetchall()
        connection.execute("SET TimeZone = 'Asia/Kolkata'")
        assert connection.execute(query).fetchall() == one, "times do not depend on the zone"
        for name, kind in columns:
            connection.execute(
                f"CREATE OR REPLACE TABLE changed AS SELECT * REPLACE (NULL::{kind} AS {name}) FROM bare"
            )
            assert connection.execute(digest("changed", columns, without_nul=False)).fetchall() != one, name
        connection.execute("INSERT INTO bare FROM changed")
        connection.execute("CREATE TABLE turned AS SELECT * FROM bare ORDER BY rowid DESC")
        both = connection.execute(query).fetchall()
        assert both != one and connection.execute(digest("turned", columns, without_nul=False)).fetchall() == both


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("VARCHAR", "NULL", "''"),
        ("VARCHAR[]", "['NULL']", "[NULL]"),
        ("VARCHAR[]", "['a', 'b']", "['a, b']"),
        ("VARCHAR[]", "[]", "NULL"),
        ("VARCHAR[]", "['a' || chr(0)]", r"['a\u0000']"),
        ("JSON", "'{}'", "'{ }'"),
        ("DOUBLE", "0.0::DOUBLE", "'-0.0'::DOUBLE"),
        ("DOUBLE", "0.1::DOUBLE", "'0.10000000000000002'::DOUBLE"),
        ("DECIMAL(18,10)", "99999999.0000000001", "99999999.0000000002"),
        ("TIMESTAMP WITH TIME ZONE", "'2026-11-20 12:00:00.000001+00'", "'2026-11-20 12:00:00.000002+00'"),
        ("FLOAT[]", "[1, NULL]", "[1]"),
    ],
)
def test_the_digest_tells_values_apart_that_look_alike(kind: str, one: str, other: str) -> None:
    with duckdb.connect() as connection:
        found: list[Any] = []
        for written in (one, other):
            connection.execute(f"CREATE OR REPLACE TABLE bare AS SELECT {written}::{kind} AS a")
            found.append(connection.execute(digest("bare", [("a", kind)], without_nul=False)).fetchall())
        assert found[0][0][0] == found[1][0][0] == 1 and found[0] != found[1]


def test_equal_rows_do_not_cancel_each_other_out() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE bare AS SELECT 'a' AS a FROM range(2)")
        [(count, *sums, nul)] = connection.execute(digest("bare", [("a", "VARCHAR")], without_nul=False)).fetchall()
        assert count == 2 and all(sums) and nul == 0 and not math.isnan(sums[0])
