"""Values that reach a query as literals are those that DuckDB would have taken, whatever a person typed."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.parameters import LiteralParameters, is_one_of, literal
from grabient_assets_tests.hanging import HANGING_SECONDS

TEXTS = some.text(some.characters(exclude_categories=["Cs"]) | some.sampled_from("'\"\\$?;-\0\n[]{},"))
FINITE = some.floats(allow_nan=False, allow_infinity=False)
INTEGERS = some.integers(1 - 2**63, 2**63 - 1)
TIMES = some.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 - without a zone it is a value too
VALUES = (
    *(TEXTS, FINITE, INTEGERS, some.booleans(), some.none(), TIMES, some.dates(date(1900, 1, 1))),
    TIMES.map(lambda time: time.replace(tzinfo=timezone(timedelta(hours=5, minutes=30)))),
    *(some.lists(kind, min_size=1) for kind in (TEXTS, FINITE, INTEGERS)),
)


@pytest.fixture(scope="module")
def plain() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


@settings(deadline=None)
@given(texts=some.lists(TEXTS), words=some.sets(TEXTS))
@example(texts=[], words={"", "NULL"})
@example(texts=["'", "\0", "NULL"], words={"'", "\0", "\0\0", "NULL", "other"})
def test_the_rows_of_listed_texts(plain: duckdb.DuckDBPyConnection, texts: list[str], words: set[str]) -> None:
    among = {*words, *texts[::2]}
    query = f"SELECT word FROM (SELECT unnest($1::VARCHAR[]) AS word) WHERE {is_one_of(plain, 'word', texts)}"
    assert {row[0] for row in plain.execute(query, [list(among)]).fetchall()} == among & set(texts)


def literally(connection: duckdb.DuckDBPyConnection) -> LiteralParameters:
    return LiteralParameters(connection, until="no.such.module")


STATEMENT = "SELECT typeof($value), $value, $value IS NULL, 'after', $time"


@settings(deadline=None)
@given(value=some.one_of(*VALUES))
@example(value="'; DROP TABLE palettes; --")
@example(value="$value $1 ? \\' \0'")
@example(value=["'", '"', "\0", "', '"])
@example(value=-0.0)
@example(value=5e-324)
@example(value=[-(2**31), 2**31 - 1])
@example(value=[2**31])
@example(value=1 - 2**63)
def test_it_is_the_value_and_the_type_that_duckdb_takes(plain: duckdb.DuckDBPyConnection, value: Any) -> None:
    assert literal(value) is not None
    for statement, values in ((STATEMENT, {"value": value, "time": 1}), ("SELECT $2, $1", [value, 1])):
        found = literally(plain).execute(statement, values).fetchall()
        assert found == plain.execute(statement, values).fetchall()


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, b"bytes", {"a": 1}, [["a"]], [None], ["a", None], [1, 2.5], 2**63, [2**70], Decimal("0.10")],
)
def test_any_other_value_passes_as_it_is(plain: duckdb.DuckDBPyConnection, value: Any) -> None:
    assert literal(value) is None
    [(kind, found)] = literally(plain).execute("SELECT typeof($1), $1", [value]).fetchall()
    assert (kind, repr(found)) == (plain.execute("SELECT typeof($1)", [value]).fetchall()[0][0], repr(found))


def test_other_statements_and_methods_are_duckdbs(plain: duckdb.DuckDBPyConnection) -> None:
    connection = literally(plain)
    connection.execute("CREATE TEMP TABLE t AS SELECT $1 AS a", [1])
    connection.execute("INSERT INTO t VALUES ($1)", [2])
    assert connection.execute("\n SELECT a FROM t WHERE a > $least", {"least": 1}).fetchone() == (2,)
    assert connection.execute("SELECT 1; SELECT $1", [7]).fetchall() == [(7,)]
    assert [column[0] for column in connection.execute("SELECT a, $1 AS b FROM t", ["x"]).description] == ["a", "b"]
    with pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT $1 FROM missing", [1])
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT $a", {"b": 1})


def test_a_process_that_reads_does_not_import_pandas(tmp_path: Path) -> None:
    with Warehouse(tmp_path / "grabient.duckdb").write():
        pass
    program = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from grabient_assets.warehouse.connection import Warehouse

values = {"text": "it's", "time": datetime.now(UTC), "ids": ["a", "b"]}
with Warehouse(Path(sys.argv[1])).read() as connection:
    print(connection.execute("SELECT $text, $time < now(), len($ids::VARCHAR[])", values).fetchall())
print("pandas" in sys.modules)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "grabient.duckdb")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGING_SECONDS, check=True)
    assert done.stdout.splitlines() == ['[("it\'s", True, 2)]', "False"]
