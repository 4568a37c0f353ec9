"""Inserting many dataclasses into a table with one statement."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from json.encoder import encode_basestring as quoted
from operator import attrgetter
from types import NoneType
from typing import TYPE_CHECKING, Any

_JSON = json.JSONEncoder(ensure_ascii=False)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from duckdb import DuckDBPyConnection


def insert_rows(
    connection: DuckDBPyConnection, table: str, rows: Sequence[DataclassInstance], on_conflict: str = "", **more: str
) -> None:
    """Insert dataclasses whose field names are columns of `table`. `on_conflict` is SQL that follows the SELECT, `more`
    the SQL of further columns."""
    if not rows:
        return
    columns = ", ".join([columns_of(type(rows[0])), *(f"{sql} AS {name}" for name, sql in more.items())])
    insert = f"INSERT INTO {table} BY NAME SELECT {columns} FROM new_rows {on_conflict}"
    with_rows(connection, table, rows, insert)


def columns_of(record: type[DataclassInstance]) -> str:
    """The columns that a dataclass is a row of."""
    return ", ".join(field.name for field in fields(record))


def replacing(record: type[DataclassInstance], key: Collection[str]) -> str:
    """What follows an INSERT of such rows: one with the same key is replaced."""
    columns = (field.name for field in fields(record) if field.name not in key)
    return f"ON CONFLICT DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in columns)}"


def replacing_failures(record: type[DataclassInstance], key: Collection[str], table: str) -> str:
    """The same for a table with the column `error`: an answer replaces what was there, a failure never an answer."""
    return f"{replacing(record, key)} WHERE excluded.error IS NULL OR {table}.error IS NOT NULL"


def with_rows(
    connection: DuckDBPyConnection, table: str, rows: Sequence[DataclassInstance], statement: str
) -> list[Any]:
    """The result of `statement`, run with the rows visible as `new_rows`, typed as the like-named columns of `table`.

    Values travel as text and DuckDB casts them; vectors would be ten times as long as text and travel as they are.
    DuckDB would otherwise guess the types of Python objects from a sample of the rows, and guess wrong for a column
    whose first thousand values are null.
    """
    import pandas

    names = [f.name for f in fields(rows[0])]
    types = {row[0]: row[1] for row in connection.execute(f"DESCRIBE {table}").fetchall()}
    columns: dict[str, Any] = {}
    for name in names:
        values = list(map(attrgetter(name), rows))
        vectors = types[name] == VECTOR
        columns[name] = _vectors(values) if vectors else pandas.array(_texts(values), dtype="string")
    frame = pandas.DataFrame(columns)
    connection.register("new_rows_text", frame)
    casts = ", ".join(f"{_cast(name, types[name])} AS {name}" for name in names)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW new_rows AS SELECT {casts} FROM new_rows_text")
    found = connection.execute(statement).fetchall()
    # Not in a `finally`: after an error the transaction refuses these too, and would hide the reason.
    connection.execute("DROP VIEW new_rows")
    connection.unregister("new_rows_text")
    return found


VECTOR = "FLOAT[]"
"""The type of a column of vectors. Their numbers travel as they are: as JSON, 10,000 vectors take half a minute."""


def _vectors(values: list[Any]) -> Any:
    """A column of vectors. One that is missing is empty: DuckDB guesses the type of such a column from a sample."""
    import numpy

    column = numpy.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        column[place] = numpy.asarray(() if value is None else value, dtype=numpy.float32)
    return column


def _cast(name: str, column_type: str) -> str:
    if column_type == VECTOR:
        return f"CASE WHEN len({name}) > 0 THEN {name}::{VECTOR} END"
    return f"{name}::JSON::{column_type}" if column_type.endswith("]") else f"{name}::{column_type}"


def utf8(value: Any) -> Any:
    """The value with `?` for halves of surrogate pairs. Models send them, and DuckDB rejects the whole file when it
    meets one."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _texts(values: list[Any]) -> list[str | None]:
    """A column as text. Most columns are text already and pass as they are."""
    kinds = set(map(type, values)) - {NoneType}
    if kinds <= {str}:
        texts: list[str | None] = values
    else:
        written = _TEXT_OF.get(kinds.pop(), str) if len(kinds) == 1 else _text
        texts = [None if value is None else written(value) for value in values]
    try:
        "".join(text for text in texts if text).encode("utf-8")
    except UnicodeEncodeError:
        return [utf8(text) for text in texts]
    return texts


def _text(value: Any) -> str:
    return _TEXT_OF.get(type(value), str)(value)


def _list_text(value: Sequence[Any]) -> str:
    # A list of words, nearly always: three times as fast as the encoder, which is set up anew for each list.
    words = set(map(type, value)) == {str}
    return f"[{', '.join(map(quoted, value))}]" if words else _JSON.encode(value)


_TEXT_OF: Mapping[type, Callable[[Any], str]] = {list: _list_text, tuple: _list_text, datetime: datetime.isoformat}
"""The text of a value for which `str` gives a text that DuckDB does not read."""


LONGEST_CELL = 100_000
"""The most characters of an answer that a table keeps: a hundred times a long answer. The archive keeps every byte."""


def storable(text: str | None) -> str | None:
    """The answer cut to a sensible length and to valid UTF-8: models send lone surrogates."""
    return None if text is None else utf8(text[:LONGEST_CELL])


@contextmanager
def gc_paused() -> Iterator[None]:
    """Disable Python's search for reference cycles within the block; everything else is freed as usual.

    For work over many answers, which hold no cycles. The garbage collector would search all of them again and again as
    their number grows, which took a tenth of the time of a collection (benchmarks/collection.py: 5.5 s with it, 5.0 s
    without).
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
