"""Passing values to a statement without importing pandas.

DuckDB imports pandas when it takes the first Python value of a process, to compare it with pandas' NaT. That takes 0.4
seconds, half of the time of a command that reads a little. Until something else has imported pandas, values of plain
types are given to EXECUTE as literals instead, and DuckDB itself puts them in their places.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from grabient_assets.warehouse.postgres_engine import SERVER

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class LiteralParameters:
    """A connection of DuckDB, which it stands for. What is not a query, or has other values, passes as it is; so does
    everything when the module `until` has been imported."""

    def __init__(self, connection: DuckDBPyConnection, until: str = "pandas") -> None:
        self._connection, self._until = connection, until

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, query: Any, parameters: Any = None, **more: Any) -> DuckDBPyConnection:
        """As DuckDB does it."""
        simple = parameters and self._until not in sys.modules and _is_one_query(query)
        given = arguments(parameters) if simple else None
        if given is None:
            return self._connection.execute(query, parameters, **more)
        self._connection.execute(f"PREPARE given AS {query}")
        return self._connection.execute(f"EXECUTE given({given})")


def _is_one_query(statement: object) -> bool:
    return isinstance(statement, str) and statement.lstrip().startswith(("SELECT", "WITH")) and ";" not in statement


def arguments(parameters: Sequence[Any] | Mapping[str, Any]) -> str | None:
    """What stands in the brackets of EXECUTE; None when a value has no literal."""
    named = isinstance(parameters, Mapping)
    found = list(map(literal, parameters.values() if named else parameters))
    if None in found:
        return None
    return ", ".join(map('"{}" := {}'.format, parameters, found) if named else map(str, found))


def is_one_of(connection: DuckDBPyConnection, column: str, texts: Iterable[str]) -> str:
    """SQL: whether the column is one of these texts, for statements that are repeated portion by portion.

    PostgreSQL gets literals with the question and looks them up by its key. A list DuckDB compares itself, with every
    row of the table: 0.4 s instead of 0.01 s for 200 keys in 400,000 rows (benchmarks/postgres_statements.py). In a
    file it is the other way round: there DuckDB compares every row with literals one by one.
    """
    listed = list(texts)
    if not listed:
        return "false"
    [(places,)] = connection.execute("SELECT current_setting('search_path')").fetchall()
    if f"{SERVER}." in places:
        return f"{column} IN ({', '.join(map(_text, listed))})"
    return f"{column} IN (SELECT unnest({_list(listed)}))"


def literal(value: object) -> str | None:
    """SQL of the value, of the type that DuckDB takes it for; None when there is none that is simple."""
    written = _WRITTEN.get(type(value))
    return written(value) if written else None


def _text(value: str) -> str:
    return "'" + value.replace("'", "''").replace("\0", "' || chr(0) || '") + "'"


def _list(values: Sequence[Any]) -> str | None:
    """Lists of texts and numbers travel as JSON, which is read three times as fast as a list of literals."""
    kinds = set(map(type, values))
    if not kinds:
        return "[]"
    if kinds == {str}:
        kind = "VARCHAR"
    elif kinds == {int} and all(map(_integer, values)):
        kind = "INTEGER" if all(-(2**31) <= one < 2**31 for one in values) else "BIGINT"
    elif kinds == {float} and all(map(math.isfinite, values)):
        kind = "DOUBLE"
    else:
        return None
    return f"{_text(json.dumps(values, ensure_ascii=False))}::JSON::{kind}[]"


def _integer(value: int) -> str | None:
    return f"({value})" if -(2**63) < value < 2**63 else None


def _time(value: datetime) -> str:
    return f"'{value.isoformat()}'::{'TIMESTAMP' if value.tzinfo is None else 'TIMESTAMPTZ'}"


_WRITTEN: Mapping[type, Any] = {
    type(None): lambda _: "NULL",
    bool: str,
    int: _integer,
    # Without an exponent it would be a DECIMAL.
    float: lambda value: f"({value:.16e})" if math.isfinite(value) else None,
    str: _text,
    datetime: _time,
    date: lambda value: f"'{value}'::DATE",
    list: _list,
    tuple: _list,
}
