"""docs/data.md describes every table and every column, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grabient_assets.settings import PROJECT_DIR
from grabient_assets.warehouse.connection import Warehouse


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
