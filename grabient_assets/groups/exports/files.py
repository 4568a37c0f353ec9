"""Writing refined palettes into one file: JSONL, CSV, Parquet or SQL. Rows pass through; none is kept."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from grabient_assets.errors import GrabientError
from grabient_assets.groups.exports.tables import (
    EXPORT_COLUMNS,
    Selected,
    Selection,
    last_exported,
    record_exported,
    select_rows,
)
from grabient_assets.groups.exports.upserts import Dialect, upserts
from grabient_assets.ledger.clock import ledger_time

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.warehouse.connection import Warehouse

Format = Literal["jsonl", "csv", "parquet", "sql"]
FORMATS: tuple[Format, ...] = ("jsonl", "csv", "parquet", "sql")
ROWS_AT_ONCE = 1000
TABLE = "refined_palettes"

_COPY = {
    "jsonl": "FORMAT json",
    "csv": "FORMAT csv, HEADER",
    "parquet": "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 10240",
    "marks": "FORMAT parquet",
}


@dataclass(frozen=True, slots=True)
class FileKind:
    """How the rows are written; `dialect` and `table` matter to SQL alone."""

    format: Format
    dialect: Dialect = "sqlite"
    table: str = TABLE


def write_selection(
    connection: DuckDBPyConnection, selection: Selection, kind: FileKind, path: Path, marks: Path
) -> Selected:
    """Write the export to `path`, and to `marks` what `record_exported` reads once the file is where it belongs."""
    selected = select_rows(connection, selection)
    if kind.format == "sql":
        rows = _rows(connection, selection.columns)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(upserts(rows, selection.columns, selected.withdrawn, kind.dialect, kind.table))
    else:
        values = ", ".join(_value(name, kind.format) for name in selection.columns)
        _copy(connection, _query(values), path, kind.format)
    _copy(connection, "SELECT * FROM export_rows", marks, "marks")
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return selected


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when the block ends well and is gone otherwise.

    Raises GrabientError when it cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with sayable(path):
            yield partial
            partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink()


def _query(values: str) -> str:
    """In a fixed order: without one it depends on how many threads DuckDB has."""
    return (
        f"SELECT {values} FROM refined_palettes SEMI JOIN export_rows USING (seed, prompt_version) "
        "ORDER BY prompt_version, seed"
    )


def _rows(connection: DuckDBPyConnection, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
    places = [place for place, name in enumerate(columns) if EXPORT_COLUMNS[name] == "time"]
    result = connection.execute(_query(", ".join(columns)))
    while found := result.fetchmany(ROWS_AT_ONCE):
        for row in found:
            values = list(row)
            for place in places:
                values[place] = values[place].astimezone(UTC)
            yield values


def _copy(connection: DuckDBPyConnection, query: str, path: Path, how: str) -> None:
    file = str(path).replace("'", "''")
    connection.execute(f"COPY ({query}) TO '{file}' ({_COPY[how]}, USE_TMP_FILE false)")


def _value(name: str, how: Format) -> str:
    """The column as the format holds it: times in UTC, and dollars exact, also where numbers would be doubles."""
    kind = EXPORT_COLUMNS[name]
    if how == "parquet":
        return name
    if kind == "time":
        return f"strftime({name} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f+00:00') AS {name}"
    if kind == "dollars":
        return f"{name}::VARCHAR AS {name}"
    return f"to_json({name})::VARCHAR AS {name}" if kind == "list" and how == "csv" else name


@contextmanager
def sayable(path: Path) -> Iterator[None]:
    """A path that cannot be written, or a full disk, as a sentence."""
    import duckdb

    try:
        yield
    except (OSError, duckdb.IOException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else _last_words(str(error))
        raise GrabientError(
            f"{path} cannot be written ({reason}). Choose another path or free space on the disk, then run again: "
            "nothing counts as exported."
        ) from error


def _last_words(text: str) -> str:
    return re.sub(r"\s+", " ", text.rpartition(": ")[2]).strip()


@dataclass(frozen=True, slots=True)
class Delivered:
    """An export that is where it belongs. `before`: when the target got rows last, None when never."""

    rows: int
    bytes: int
    withdrawn: tuple[str, ...]
    before: datetime | None


def deliver(
    warehouse: Warehouse, selection: Selection, kind: FileKind, out: Path | None, stream: BinaryIO, now: datetime
) -> Delivered:
    """Write the export to the file `out`, whole or not at all, or else to the stream; then note that the target has it.

    The database is closed while the stream is written to. Whatever ends this early leaves the rows to the next export.
    Raises GrabientError when something cannot be written.
    """
    import tempfile

    replaced = out if out is not None and (out.is_file() or not out.exists()) else None
    with tempfile.TemporaryDirectory(prefix="grabient-export-") as folder:
        marks = Path(folder) / "marks.parquet"
        with replacing(replaced.resolve()) if replaced else nullcontext(Path(folder) / "export") as partial:
            with sayable(replaced or partial), warehouse.read() as connection:
                before = last_exported(connection, selection.target)
                selected = write_selection(connection, selection, kind, partial, marks)
            size = partial.stat().st_size
            if replaced is None:
                _pour(partial, out, stream)
        if selected.rows or selected.withdrawn:
            with warehouse.write() as connection:
                record_exported(connection, selection.target, marks, selected.withdrawn, ledger_time(connection, now))
    return Delivered(selected.rows, size, selected.withdrawn, before)


def _pour(file: Path, out: Path | None, stream: BinaryIO) -> None:
    """The file to the stream, or to what `out` names that is no file: a pipe, a device."""
    with file.open("rb") as source:
        if out is None:
            shutil.copyfileobj(source, stream)
            stream.flush()
            return
        with sayable(out), out.open("wb") as special:
            shutil.copyfileobj(source, special)
