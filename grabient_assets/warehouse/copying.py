"""Copying a whole warehouse: from a file to a database, back, or between two of a kind.

Nobody else writes on either side meanwhile. Each table is copied with one statement and compared by its number of rows
and a digest; what is equal already is left, so a copy that was killed goes on where it stopped. Until the last
table is equal, a row in the target's list of migrations keeps every program from working with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from grabient_assets import interrupts
from grabient_assets.errors import UnfinishedCopyError, UsageError, WarehouseError
from grabient_assets.warehouse import faults as file_faults
from grabient_assets.warehouse import postgres_faults
from grabient_assets.warehouse.attaching import engine_cursor
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.copied_values import (
    CLOCK,
    LEASES,
    MIGRATIONS,
    digest,
    has_lists,
    tables,
    written_to_file,
    written_to_postgres,
)
from grabient_assets.warehouse.migrations import UNFINISHED, newest_version
from grabient_assets.warehouse.postgres_engine import SCHEMA, attach_database, from_server
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHOWN_AT_MOST = 5
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TableDigest:
    """The number of rows of a table and a digest of their values, in which their order does not count."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table on both sides after the copy. `replaced` texts held the character 0, which PostgreSQL cannot hold;
    `written` says whether this run wrote it or found it equal."""

    table: str
    source: TableDigest
    target: TableDigest
    replaced: int
    written: bool


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did. `backup` is the file that holds what the target held before."""

    source: str
    target: str
    version: int
    tables: tuple[CopiedTable, ...]
    backup: Path | None

    @property
    def rows(self) -> int:
        """The rows of the target."""
        return sum(one.target.rows for one in self.tables)

    @property
    def replaced(self) -> int:
        """The texts in which U+FFFD stands for the character 0."""
        return sum(one.replaced for one in self.tables)


@dataclass(frozen=True, slots=True)
class _Side:
    """One end of a copy while its writer's turn is held. Every cursor of the engine finds its tables in `schema`;
    `server` is the name of an attached database, None for a file."""

    warehouse: Warehouse
    holder: DuckDBPyConnection
    schema: str
    server: str | None

    def __str__(self) -> str:
        return _name(self.warehouse)

    def table(self, name: str) -> str:
        return f"{self.schema}.{name}"

    def check_held(self) -> None:
        """Raise when the server has ended the turn."""
        if self.server is not None:
            self.holder.execute(from_server("SELECT 1 AS one")).fetchall()


def copy_warehouse(source: Warehouse, target: Warehouse, now: datetime, tell: Tell, *, replace: bool = False) -> Copied:
    """Make the target hold what the source holds. Both are brought up to date first; `tell` gets what is done.

    The target must be empty, or an unfinished copy of this source. With `replace` it may hold other rows, which are
    kept in a file beside it or, of a database, in the folder of the warehouse. Raises UsageError for a target that may
    not be filled, WarehouseError when a side cannot be used, or when the two are not equal in the end.
    """
    _bring_up_to_date(source, target)
    with _side(source, "source", read_only=True) as here:
        with _cursor(here) as cursor:
            _check_at_rest(cursor, here, tell)
        backup = _set_aside(here, target, now, tell) if replace else None
        with _side(target, "target", read_only=False) as there, _cursor(here, there) as cursor:
            begun = _begun(cursor, there)
            if begun is None and (held := _filled_tables(cursor, there)):
                same = _equal_already(cursor, here, there)
                if not same:
                    raise _occupied(there, held)
                return Copied(str(here), str(there), newest_version(), same, backup)
            if begun not in (None, str(here)):
                raise UsageError(
                    f"{there} is an unfinished copy of {begun}, not of {here}. Nothing was changed. Finish that copy, "
                    "take another target, or begin anew with --replace."
                )
            for name in _strangers(cursor, here):
                tell(f"{here} also holds {name}, which is no table of this program: it is not copied.")
            return Copied(str(here), str(there), newest_version(), _fill(cursor, here, there, now, tell), backup)


def _bring_up_to_date(source: Warehouse, target: Warehouse) -> None:
    """Migrate both sides; the target is made when it is missing. Raises for a source that is not there, and for a
    target that is the source."""
    if not source.exists():
        raise UsageError(f"{_name(source)} holds no tables of this program. There is nothing to copy.")
    if isinstance(source.place, Path) and _name(source) == _name(target):
        raise _same(source)
    with source.read() as connection:
        identity = _identity(source, connection)
    with suppress(UnfinishedCopyError), target.read() as connection:
        if identity is not None and identity == _identity(target, connection):
            raise _same(target)


def _check_at_rest(cursor: DuckDBPyConnection, side: _Side, tell: Tell | None = None) -> None:
    """Raise while a batch is being sent or its direct calls are made: the answer of the provider would be written to a
    ledger that nobody reads any more, and be paid for again.

    Programs that work in a database are named where one can `tell`, because what they do from now on is not in the
    copy; otherwise they are a reason too.
    """
    query = f"SELECT count(*) FROM {side.table('batches')} WHERE status = 'intended'"
    [(intended,)] = cursor.execute(query).fetchall()
    [(held,)] = cursor.execute(f"SELECT count(*) FROM {side.table(LEASES)} WHERE until > now()").fetchall()
    if intended:
        raise UsageError(
            f"{side} has {counted(intended, 'batch', 'batches')} that no provider has confirmed yet. What is sent or "
            "answered meanwhile would be lost and paid for again. Nothing was changed. `grabient run` ends them; copy "
            "then."
        )
    if held and tell is None:
        raise UsageError(
            f"Programs work in {side} ({counted(held, 'lease')}). Nothing was changed. End them; the lease of one that "
            "was killed ends by itself, of a run after five minutes."
        )
    if held and tell is not None:
        tell(f"Programs work in {side} ({counted(held, 'lease')}). What they do from now on is not in the copy.")


def _identity(warehouse: Warehouse, connection: DuckDBPyConnection) -> object:
    """What two addresses of one database have in common; None for a file."""
    if warehouse.database is None:
        return None
    query = "SELECT pg_postmaster_start_time()::text AS began, current_database()::text AS named"
    return connection.execute(from_server(query)).fetchone()


def _same(warehouse: Warehouse) -> UsageError:
    return UsageError(f"{_name(warehouse)} is named twice. A copy needs another target.")


def _name(warehouse: Warehouse) -> str:
    return str(warehouse.place.resolve() if isinstance(warehouse.place, Path) else warehouse.place)


@contextmanager
def _side(warehouse: Warehouse, name: str, *, read_only: bool) -> Iterator[_Side]:
    """The warehouse with its writer's turn. A database is attached under this name."""
    with warehouse.held(read_only=read_only) as holder:
        place = warehouse.place
        if isinstance(place, Path):
            [row] = holder.execute("SELECT current_database()").fetchall()
            yield _Side(warehouse, holder, f"{row[0]}.main", None)
            return
        with engine_cursor() as connection:
            try:
                attach_database(connection, place, name)
            except duckdb.Error as error:
                raise postgres_faults.opening(error, place) from error
            try:
                yield _Side(warehouse, holder, f"{name}.{SCHEMA}", name)
            finally:
                with suppress(duckdb.Error):
                    connection.execute(f"DETACH {name}")


@contextmanager
def _cursor(*sides: _Side) -> Iterator[DuckDBPyConnection]:
    """A cursor that sees all sides. Raises WarehouseError for what a disk, a server or the way to it causes."""
    with engine_cursor() as connection:
        connection.execute("RESET threads")  # opening a small file has set one
        try:
            yield connection
        except duckdb.Error as error:
            raise _fault(error, sides) or error from error


def _fault(error: Exception, sides: tuple[_Side, ...]) -> WarehouseError | None:
    """The sentence for an error; the side that it is about is the file that it names, or else a database."""
    for side in sides:
        place = side.warehouse.place
        if isinstance(place, Path) and (str(place) in str(error) or all(one.server is None for one in sides)):
            return file_faults.using(error, place)
    for side in reversed(sides):
        place = side.warehouse.place
        if not isinstance(place, Path):
            return postgres_faults.using(error, place)
    return None


def _set_aside(here: _Side, target: Warehouse, now: datetime, tell: Tell) -> Path | None:
    """Empty the target. Its rows are kept in the file whose path is returned; None when it held none, or only an
    unfinished copy."""
    with _side(target, "target", read_only=False) as there, _cursor(there) as cursor:
        begun, held = _begun(cursor, there), _filled_tables(cursor, there)
        if begun is None and (not held or _equal_already(cursor, here, there)):
            return None
        _check_at_rest(cursor, there)
        backup: Path | None = None
        if begun is None:
            stamp = now.strftime("%Y%m%dT%H%M%S")
            if isinstance(target.place, Path):
                backup = target.path.with_name(f"{target.path.name}.before-copy-{stamp}")
                cursor.execute(f"CHECKPOINT {there.schema.partition('.')[0]}")
                target.path.rename(backup)
                tell(f"{there} was renamed to {backup.name}.")
                return backup
            backup = target.folder / f"{target.place.database}.before-copy-{stamp}.duckdb"
            tell(f"Keeping what {there} holds in {backup}.")
            _copy_to_new_file(there, backup, now, tell)
        _mark(cursor, there, str(here), now)
        for table in held:
            cursor.execute(f"DELETE FROM {there.table(table)}")
        return backup


def _copy_to_new_file(here: _Side, path: Path, now: datetime, tell: Tell) -> None:
    with _side(Warehouse(path), "backup", read_only=False) as there, _cursor(here, there) as cursor:
        _fill(cursor, here, there, now, tell)


def _fill(cursor: DuckDBPyConnection, here: _Side, there: _Side, now: datetime, tell: Tell) -> tuple[CopiedTable, ...]:
    """Copy every table. What an earlier run has copied is left."""
    if _begun(cursor, there) is None:
        _mark(cursor, there, str(here), now)
    found = tuple(_copy_table(cursor, here, there, table, tell) for table in tables())
    _unmark(cursor, there)
    return found


def _begun(cursor: DuckDBPyConnection, side: _Side) -> str | None:
    """The source of the copy that this side is being filled by; None for whole tables."""
    row = cursor.execute(f"SELECT name FROM {side.table(MIGRATIONS)} WHERE number = {UNFINISHED}").fetchone()
    return None if row is None else str(row[0])


def _mark(cursor: DuckDBPyConnection, side: _Side, source: str, now: datetime) -> None:
    """From here on every other program leaves the tables alone."""
    _unmark(cursor, side)
    cursor.execute(f"INSERT INTO {side.table(MIGRATIONS)} VALUES ({UNFINISHED}, ?, ?)", [source, now])


def _unmark(cursor: DuckDBPyConnection, side: _Side) -> None:
    cursor.execute(f"DELETE FROM {side.table(MIGRATIONS)} WHERE number = {UNFINISHED}")


def _filled_tables(cursor: DuckDBPyConnection, side: _Side) -> list[str]:
    """The tables that hold a row."""
    some = " UNION ALL ".join(f"(SELECT '{one}' FROM {side.table(one)} LIMIT 1)" for one in tables() if one != CLOCK)
    return [row[0] for row in cursor.execute(some).fetchall()]


def _strangers(cursor: DuckDBPyConnection, side: _Side) -> list[str]:
    """Tables that others keep there."""
    database, _, schema = side.schema.partition(".")
    query = "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? ORDER BY 1"
    names = [row[0] for row in cursor.execute(query, [database, schema]).fetchall()]
    return [one for one in names if one not in (*tables(), MIGRATIONS, LEASES)]


def _occupied(side: _Side, held: list[str]) -> UsageError:
    named = ", ".join(held[:SHOWN_AT_MOST]) + (", ..." if len(held) > SHOWN_AT_MOST else "")
    return UsageError(
        f"{side} holds rows already, in {counted(len(held), 'table')}: {named}. Nothing was changed. Take an empty "
        "target, or --replace, which first keeps these rows in a file."
    )


def _equal_already(cursor: DuckDBPyConnection, here: _Side, there: _Side) -> tuple[CopiedTable, ...]:
    """All tables when they are equal, otherwise none."""
    found: list[CopiedTable] = []
    for table in tables():
        interrupts.check()
        source, replaced = _digest(cursor, here, table, there)
        target, _ = _digest(cursor, there, table, there)
        if source != target:
            return ()
        found.append(CopiedTable(table, source, target, replaced, written=False))
    return tuple(found)


def _copy_table(cursor: DuckDBPyConnection, here: _Side, there: _Side, table: str, tell: Tell) -> CopiedTable:
    """Write the table unless it is equal, and compare the two."""
    interrupts.check()
    source, replaced = _digest(cursor, here, table, there)
    target, _ = _digest(cursor, there, table, there)
    written = source != target
    if written:
        if target.rows:
            cursor.execute(f"DELETE FROM {there.table(table)}")
        if source.rows:
            _insert(cursor, here, there, table)
        target, _ = _digest(cursor, there, table, there)
        if target != source:
            raise WarehouseError(
                f"{table} is not the same after copying: {source.rows:,} rows, {source.digest} in {here}; "
                f"{target.rows:,} rows, {target.digest} in {there}. {here} was not changed, and nobody can work with "
                f"{there} until a copy is whole. Run the command again; if it says the same, please report it."
            )
    here.check_held()
    there.check_held()
    if source.rows:
        tell(f"{table}: {counted(source.rows, 'row')}{'' if written else ', equal already'}.")
    return CopiedTable(table, source, target, replaced, written)


def _insert(cursor: DuckDBPyConnection, here: _Side, there: _Side, table: str) -> None:
    columns = tables()[table]
    if there.server is None:
        values = [written_to_file(*one) for one in columns]
    else:
        values = [written_to_postgres(*one, from_postgres=here.server is not None) for one in columns]
    names = ", ".join(name for name, _ in columns)
    as_texts = there.server is not None and has_lists(columns)
    if as_texts:
        cursor.execute("SET GLOBAL pg_array_as_varchar = true")
    try:
        cursor.execute(
            f"INSERT INTO {there.table(table)} ({names}) SELECT {', '.join(values)} FROM {here.table(table)}"
        )
    except duckdb.Error as error:
        raise _fault(error, (here, there)) or WarehouseError(
            f"{there} does not take the rows of {table}: {postgres_faults.said(error)}. {here} was not changed."
        ) from error
    finally:
        if as_texts:
            cursor.execute("SET GLOBAL pg_array_as_varchar = false")


def _digest(cursor: DuckDBPyConnection, side: _Side, table: str, target: _Side) -> tuple[TableDigest, int]:
    """The digest of what the target of the copy can hold, and the number of texts that it has to change for that."""
    to_postgres = target.server is not None
    query = digest(side.table(table), tables()[table], without_nul=to_postgres)
    [(rows, upper, lower, nul)] = cursor.execute(query).fetchall()
    return TableDigest(rows, f"{upper % 2**64:016x}{lower % 2**64:016x}"), nul if to_postgres else 0
