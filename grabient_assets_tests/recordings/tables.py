"""The rows of all tables and views of a warehouse, as text that is the same wherever and whenever they are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.migrations import SQL, migrations

DIGITS = 10
"""Significant digits of a floating-point number that count: the last ones differ between processors."""


@dataclass(frozen=True, slots=True)
class Table:
    """The values of a table or view, column by column. `key`: the columns by which its rows are sorted."""

    key: tuple[str, ...]
    columns: Mapping[str, Sequence[str]]

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def order(self, key: Sequence[str]) -> list[int]:
        """The places of the rows, sorted by these columns."""
        return sorted(range(self.rows), key=lambda row: [self.columns[name][row] for name in key])

    def digests(self, key: Sequence[str]) -> dict[str, str]:
        """The digest of each column's values, with the rows sorted by these columns."""
        order = self.order(key)
        return {name: digest("\n".join(values[row] for row in order)) for name, values in self.columns.items()}


def digest(text: str) -> str:
    """16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_tables(warehouse: Warehouse) -> dict[str, Table]:
    """All tables and views by name."""
    with duckdb.connect() as schema:  # a database of PostgreSQL says less of itself
        for _, _, sql in migrations(SQL):
            schema.execute(sql)
        names = schema.execute(
            """
            SELECT table_name FROM duckdb_tables() WHERE NOT internal
            UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL
            """
        ).fetchall()
        keys: dict[str, list[str]] = dict(
            schema.execute(
                "SELECT table_name, constraint_column_names FROM duckdb_constraints() "
                "WHERE constraint_type = 'PRIMARY KEY'"
            ).fetchall()
        )
    with warehouse.read() as connection:
        found: dict[str, Table] = {}
        for (name,) in names:
            types: dict[str, str] = {row[0]: row[1] for row in connection.execute(f'DESCRIBE "{name}"').fetchall()}
            rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
            columns = {
                column: [_text(row[place], is_json=kind == "JSON") for row in rows]
                for place, (column, kind) in enumerate(types.items())
            }
            found[name] = Table(tuple(keys.get(name) or _sorting(types)), columns)
    return found


def _sorting(types: Mapping[str, str]) -> list[str]:
    """All columns, words before figures: so that a figure that changes does not move its row."""
    return sorted(types, key=lambda column: types[column] != "VARCHAR")


def _text(value: Any, *, is_json: bool) -> str:
    return json.dumps(_plain(json.loads(value) if is_json and value is not None else value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.{DIGITS}g}")
        case Decimal():
            return str(value)
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
        case date():
            return value.isoformat()
        case list() | tuple():
            return [_plain(one) for one in value]
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case _:
            return value
