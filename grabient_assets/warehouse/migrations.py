"""Numbered schema changes. Each is applied once, in order. Append only: a released file never changes."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

from grabient_assets import interrupts
from grabient_assets.errors import UnfinishedCopyError, WarehouseError, WarehouseTooNewError
from grabient_assets.warehouse import faults

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


LOOK_EVERY_SECONDS = 0.02
UNFINISHED = 1_000_000_000
"""The number of a row in the list of migrations while the tables are being filled from another warehouse. Programs
that do not know it take the tables for newer ones, and leave them alone too."""
SQL = resources.files("grabient_assets.warehouse") / "sql"


def migrate(connection: DuckDBPyConnection, path: Path, folder: Traversable = SQL) -> None:
    """Bring the open file up to date, each step in a transaction of its own; an older file is backed up first.

    `folder` holds the steps, as `<number>_<name>.sql`. Raises WarehouseError for a file with the tables of another
    program.
    """
    version = current_version(connection)
    if not version and (strange := _names_in(connection)):
        raise faults.foreign_database(path, strange)
    known = migrations(folder)
    newest = known[-1][0]
    if version == UNFINISHED:
        raise unfinished(path)
    if version > newest:
        raise WarehouseTooNewError(
            f"{path} is at schema version {version}, this program knows up to {newest}. Update the program "
            "(`git pull`, `make setup`), or set GRABIENT_DATA_DIR to another folder."
        )
    pending = [(number, name, sql) for number, name, sql in known if number > version]
    if version and pending:
        connection.execute("CHECKPOINT")
        _back_up(path, path.with_name(f"{path.name}.before-{pending[0][0]:04d}"))
    for number, name, sql in pending:
        interrupts.check()
        connection.begin()
        connection.execute(sql)
        connection.execute("INSERT INTO schema_migrations VALUES (?, ?, ?)", [number, name, datetime.now(UTC)])
        connection.commit()


def unfinished(place: object) -> UnfinishedCopyError:
    """A copy that was stopped; `place` is the file or the database."""
    return UnfinishedCopyError(
        f"{place} is a copy that is not finished, and what it lacks would be asked and paid for again. Run the same "
        "`grabient warehouse copy` once more: it goes on where it stopped."
    )


def _back_up(path: Path, copy: Path) -> None:
    """Copy the file; a copy under its final name is complete.

    Another process has to do it: a process that closes any descriptor of a file loses its locks on it (POSIX), DuckDB's
    as well, and the next process would open the file during the change. The copying process has a process group of its
    own, so that Ctrl-C reaches only this one.
    """
    partial = copy.with_name(f"{copy.name}.partial")
    try:
        command = ["env", "LC_ALL=C", "cp", "-p", "--", path, partial]  # its errors are read below, in English
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, process_group=0) as copying:
            try:
                while copying.poll() is None:
                    interrupts.sleep(LOOK_EVERY_SECONDS)
            except BaseException:
                copying.kill()
                copying.wait()
                partial.unlink(missing_ok=True)
                raise
            _, stderr = copying.communicate()
        if copying.returncode:
            raise OSError(copying.returncode, stderr.strip().removeprefix("cp: "))
        partial.replace(copy)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise WarehouseError(
            f"{path} is of an older version, and its backup {copy.name} cannot be written ({error.strerror}). Nothing "
            f"was changed. {_way_out(error.strerror or '')}, then run again."
        ) from error


def _way_out(reason: str) -> str:
    if "Is a directory" in reason:
        return "Move the folder of that name away"
    if "ermi" in reason:  # Permission denied, Operation not permitted
        return "Make the folder of the database writable for this user"
    if "Read-only" in reason:
        return f"Mount the file system for writing, or {faults.ELSEWHERE}"
    if "Input/output" in reason:
        return f"The disk does not work: look at `dmesg`, and {faults.ELSEWHERE}"
    return "Free space on the disk"


def current_version(connection: DuckDBPyConnection) -> int:
    """The newest migration applied to this file; 0 for a file without our list of migrations."""
    columns = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() "
        "AND schema_name = 'main' AND table_name = 'schema_migrations' ORDER BY column_index"
    ).fetchall()
    if columns != [("number",), ("name",), ("applied_at",)]:  # other programs have a table of this name as well
        return 0
    row = connection.execute("SELECT coalesce(max(number), 0) FROM schema_migrations").fetchone()
    return int(row[0]) if row else 0


def _names_in(connection: DuckDBPyConnection) -> list[str]:
    """The tables and views of the file."""
    query = """
        SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND NOT internal
        UNION ALL SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND NOT internal
        ORDER BY 1
    """
    return [row[0] for row in connection.execute(query).fetchall()]


def lacking(connection: DuckDBPyConnection) -> list[str]:
    """Our tables, views and columns that are missing from the open file, although its version is up to date."""
    import duckdb

    if current_version(connection) != newest_version():
        return []
    with duckdb.connect() as whole:
        for _, _, sql in migrations(SQL):
            whole.execute(sql)
        expected = _columns_in(whole)
    found = _columns_in(connection)
    tables = sorted({table for table, _ in expected} - {table for table, _ in found})
    columns = sorted(f"{table}.{column}" for table, column in expected - found if table not in tables)
    return [*tables, *columns]


def _columns_in(connection: DuckDBPyConnection) -> set[tuple[str, str]]:
    query = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = current_database()"
    return set(connection.execute(query + " AND schema_name = 'main' AND NOT internal").fetchall())


def newest_version(folder: Traversable = SQL) -> int:
    """The newest migration that this program knows."""
    return migrations(folder)[-1][0]


@cache
def migrations(folder: Traversable) -> list[tuple[int, str, str]]:
    """Number, name and text of every step, in order."""
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [(int(f.name[:4]), f.name, f.read_text(encoding="utf-8")) for f in files]
