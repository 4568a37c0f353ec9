"""Refined palettes as SQL: one table, and rows that are inserted or replace the row of their seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from grabient_assets.groups.exports.tables import EXPORT_COLUMNS

Dialect = Literal["sqlite", "postgres"]
DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgres")

STATEMENT_BYTES = 50_000
"""About how long a statement grows. D1 takes 100 kB."""

_TYPES: dict[Dialect, dict[str, str]] = {
    "sqlite": {"text": "TEXT", "integer": "INTEGER", "real": "REAL", "list": "TEXT", "time": "TEXT", "dollars": "TEXT"},
    "postgres": {
        "text": "TEXT",
        "integer": "INTEGER",
        "real": "DOUBLE PRECISION",
        "list": "TEXT[]",
        "time": "TIMESTAMPTZ",
        "dollars": "NUMERIC(18, 10)",
    },
}
_NO_NUL = "\N{REPLACEMENT CHARACTER}"
"""PostgreSQL has no text with U+0000 in it."""


def upserts(
    rows: Iterator[Sequence[Any]], columns: Sequence[str], withdrawn: Sequence[str], dialect: Dialect, table: str
) -> Iterator[str]:
    """The statements, each with its line end: the table if there is none, the rows, the palettes to take out.

    In PostgreSQL they are one transaction. SQLite's have none around them: D1 makes its own and refuses another.
    """
    literal = _LITERALS[dialect]
    name, names = _identifier(table), ", ".join(map(_identifier, columns))
    types = _TYPES[dialect]
    described = ",\n".join(
        f"    {_identifier(column)} {types[EXPORT_COLUMNS[column]]}{' PRIMARY KEY' if column == 'seed' else ''}"
        for column in columns
    )
    if dialect == "postgres":
        yield "BEGIN;\n"
    yield f"CREATE TABLE IF NOT EXISTS {name} (\n{described}\n);\n"
    updates = ", ".join(f"{_identifier(c)} = excluded.{_identifier(c)}" for c in columns if c != "seed")
    then = f"DO UPDATE SET {updates}" if updates else "DO NOTHING"
    written = (f"({', '.join(literal(value) for value in row)})" for row in rows)
    for values in _portions(written):
        yield f'INSERT INTO {name} ({names}) VALUES\n{values}\nON CONFLICT ("seed") {then};\n'
    for seeds in _portions(literal(seed) for seed in withdrawn):
        yield f'DELETE FROM {name} WHERE "seed" IN (\n{seeds}\n);\n'
    if dialect == "postgres":
        yield "COMMIT;\n"


def _portions(parts: Iterator[str]) -> Iterator[str]:
    """The parts with commas between them, cut before they grow too long."""
    portion: list[str] = []
    size = 0
    for part in parts:
        length = len(part.encode())
        if portion and size + length > STATEMENT_BYTES:
            yield ",\n".join(portion)
            portion, size = [], 0
        portion.append(part)
        size += length + 2
    if portion:
        yield ",\n".join(portion)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _sqlite(value: Any) -> str:
    match value:
        case list():
            import json

            return _sqlite(json.dumps(value, ensure_ascii=False))
        case str():
            # A U+0000 ends the text of a statement, and a program that reads the file as text drops U+000D.
            quoted = value.replace("'", "''").replace("\0", "'||char(0)||'").replace("\r", "'||char(13)||'")
            return f"'{quoted}'"
        case _:
            return _plain(value, _sqlite)


def _postgres(value: Any) -> str:
    match value:
        case list():
            return f"ARRAY[{', '.join(map(_postgres, value))}]::TEXT[]"
        case str():
            text = value.replace("\0", _NO_NUL).replace("'", "''")
            # Whether a backslash in a plain literal means itself is a setting of the server; in E'...' it is none.
            escaped = text.replace("\\", "\\\\").replace("\r", "\\r")
            return f"'{text}'" if escaped == text else f"E'{escaped}'"
        case _:
            return _plain(value, _postgres)


def _plain(value: Any, literal: Callable[[Any], str]) -> str:
    match value:
        case None:
            return "NULL"
        case datetime():
            return literal(value.isoformat())
        case Decimal():
            return literal(f"{value:f}")
        case _:
            return repr(value)


_LITERALS: dict[Dialect, Callable[[Any], str]] = {"sqlite": _sqlite, "postgres": _postgres}
