"""The tables and views of a warehouse, as digests that are the same wherever and whenever the rows are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from grabient_assets.warehouse.connection import Warehouse

DIGITS = 10
"""Significant digits of a floating-point number that count: the last ones differ between processors."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table or view, column by column, each value as canonical text. `key` are the columns by which the
    rows are sorted."""

    key: tuple[str, ...]
    columns: Mapping[str, Sequence[str]]

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def digests(self, key: Sequence[str]) -> dict[str, str]:
        """By column the digest of its values, with the rows in the order of these columns."""
        places = sorted(range(self.rows), key=lambda row: [self.columns[name][row] for name in key])
        return {name: digest("\n".join(values[row] for row in places)) for name, values in self.columns.items()}


def read_tables(warehouse: Warehouse, leave_out: Callable[[str, str | None], bool]) -> dict[str, Table]:
    """All tables and views by name. `leave_out` tells whether a table (column None) or a column is not to be read."""
    with warehouse.read() as connection:
        names = connection.execute(
            """
            SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND NOT internal
            UNION ALL
            SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND NOT internal
            ORDER BY ALL
            """
        ).fetchall()
        keys: dict[str, list[str]] = dict(
            connection.execute(
                """
                SELECT table_name, constraint_column_names FROM duckdb_constraints()
                WHERE database_name = current_database() AND constraint_type = 'PRIMARY KEY'
                """
            ).fetchall()
        )
        found: dict[str, Table] = {}
        for (name,) in names:
            if leave_out(name, None):
                continue
            described = connection.execute(f'DESCRIBE "{name}"').fetchall()
            types = {row[0]: row[1] for row in described if not leave_out(name, row[0])}
            columns = ", ".join(f'"{column}"' for column in types)
            rows = connection.execute(f'SELECT {columns} FROM "{name}"').fetchall()
            values = zip(*rows, strict=True) if rows else [()] * len(types)
            texts = {
                column: [_text(value, is_json=kind == "JSON") for value in column_values]
                for (column, kind), column_values in zip(types.items(), values, strict=True)
            }
            found[name] = Table(tuple(keys.get(name) or _sorting(types)), texts)
    return found


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sorting(types: Mapping[str, str]) -> list[str]:
    """Columns that put the rows in order where there is no key: words before figures, so that a figure that changes
    does not move its row."""
    return sorted(types, key=lambda column: types[column] != "VARCHAR")


def _text(value: Any, *, is_json: bool) -> str:
    return json.dumps(_canonical(json.loads(value) if is_json and value else value), ensure_ascii=False)


def _canonical(value: Any) -> Any:
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
            return [_canonical(one) for one in value]
        case dict():
            return {key: _canonical(one) for key, one in value.items()}
        case _:
            return value
