"""All that a database file holds, and a value for any column."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb

VALUES = {
    "VARCHAR": "'a word'",
    "INTEGER": "7",
    "BIGINT": "7",
    "SMALLINT": "7",
    "DOUBLE": "0.5",
    "FLOAT": "0.5",
    "BOOLEAN": "true",
    "DATE": "DATE '2026-11-20'",
    "JSON": "'{}'",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '2026-11-20 12:00:00+00'",
}


def value(column_type: str) -> str:
    """Some value of the type, in SQL."""
    if listed := re.fullmatch(r"(.+)\[(\d*)\]", column_type):
        return f"[{', '.join([value(listed[1])] * int(listed[2] or 1))}]"
    return "1.25" if column_type.startswith("DECIMAL") else VALUES[column_type]


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, but not the schema's own list."""
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        found: dict[str, list[dict[str, Any]]] = {}
        for table in sorted(set(tables) - {"schema_migrations"}):
            result = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in result.description]
            found[table] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return found
