"""docs/data.md describes every table and every column, and nothing else."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from grabient_assets.settings import PROJECT_DIR
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.warehouse.results import refined_palette


def described() -> dict[str, set[str]]:
    """Table -> columns, as docs/data.md has them."""
    tables: dict[str, set[str]] = {}
    table = ""
    for line in (PROJECT_DIR / "docs" / "data.md").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## (\w+)", line):
            table = heading[1]
            tables[table] = set()
        elif table and (row := re.match(r"\| ([a-z_0-9, ]+) \|", line)) and row[1] != "column":
            tables[table] |= {name.strip() for name in row[1].split(",")}
    return tables


@pytest.fixture
def actual(tmp_path: Path) -> dict[str, set[str]]:
    with Warehouse(tmp_path / "grabient.duckdb").read() as connection:
        rows = connection.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal").fetchall()
    tables: dict[str, set[str]] = {}
    for table, column in rows:
        tables.setdefault(table, set()).add(column)
    return tables


def test_every_column_is_described(actual: dict[str, set[str]]) -> None:
    assert described() == actual


def test_the_queries_for_a_shell_run_as_they_stand(tmp_path: Path) -> None:
    """Each names the file that it reads and shows something of it."""
    path = tmp_path / "grabient.duckdb"
    with Warehouse(path).write() as connection:
        refined_palette(connection, "s")
    page = (PROJECT_DIR / "docs" / "data.md").read_text(encoding="utf-8")
    queries = re.findall(r'^duckdb -readonly \.grabient/grabient\.duckdb "(.+)"$', page, re.MULTILINE)
    assert len(queries) == 3
    with duckdb.connect(str(path), read_only=True) as shell:
        found = [shell.execute(query).fetchall() for query in queries]
    assert found[0] == [("Harbour", ["calm", "art deco", "navy", "boat"], "A calm harbour.")]
    assert found[1] == [("m", ["calm"])]
    assert found[2] == [("v1", Decimal("0.5"))]
