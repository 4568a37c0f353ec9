"""The tables in PostgreSQL: the migrations of `sql/`, in its types, and the views, which DuckDB keeps.

The server holds tables and keys. Views use functions of DuckDB, so every process makes them when it attaches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from grabient_assets import interrupts
from grabient_assets.errors import WarehouseError, WarehouseTooNewError
from grabient_assets.postgres_settings import PostgresAddress
from grabient_assets.warehouse import postgres_faults as faults
from grabient_assets.warehouse.migrations import SQL, UNFINISHED, migrations, newest_version, unfinished
from grabient_assets.warehouse.postgres_engine import CASTS, SCHEMA, SERVER, VIEWS, from_server, literal, on_server

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TYPES = (
    (re.compile(r"\bJSON\b"), "TEXT"),  # an UPDATE of a json column fails: DuckDB sends it as text
    (re.compile(r"\bDOUBLE\b"), "DOUBLE PRECISION"),
    (re.compile(r"\bFLOAT\b"), "REAL"),
    (re.compile(r"\bBLOB\b"), "BYTEA"),
    (re.compile(r"\bVARCHAR\b(?!\[)"), 'TEXT COLLATE "C"'),  # in the order of DuckDB, whatever the server's locale is
)
"""Types of DuckDB, and what holds their values in PostgreSQL. Both write lists of lists alike, and PostgreSQL does not
keep their lengths."""

_STRINGS_AND_COMMENTS = re.compile(r"'(?:[^']|'')*'|--[^\n]*")
_STATEMENT = re.compile(r"(?:'(?:[^']|'')*'|[^;'])+")
_TABLE = re.compile(r"(?:CREATE|ALTER|DROP) TABLE\b")
_VIEW = re.compile(r"(?:CREATE(?: OR REPLACE)?|DROP) VIEW\b")


# The information schema hides what this user has no rights to: a database of others would seem to be empty.
_ALL_COLUMNS = (
    "SELECT c.relname::text AS table_name, a.attname::text AS column_name FROM pg_class c JOIN pg_attribute a "
    "ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    f"WHERE c.relnamespace = {literal(SCHEMA)}::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
)


def version_of(connection: DuckDBPyConnection) -> int:
    """The newest migration applied to the database; 0 for one without our list of migrations."""
    columns = connection.execute(
        from_server(f"{_ALL_COLUMNS} AND c.relname = 'schema_migrations' ORDER BY a.attnum")
    ).fetchall()
    if [name for _, name in columns] != [
        "number",
        "name",
        "applied_at",
    ]:  # other programs have a table of this name as well
        return 0
    [row] = connection.execute(
        from_server(f"SELECT coalesce(max(number), 0) AS number FROM {SCHEMA}.schema_migrations")
    ).fetchall()
    return int(row[0])


def check_server(connection: DuckDBPyConnection, address: PostgresAddress) -> None:
    """Raise WarehouseError for a database that holds other tables and none of ours, or cannot hold every text, and for
    a server whose messages are not in English: the causes of errors are read from them."""
    settings = "SELECT current_setting('lc_messages') AS language, current_setting('server_encoding') AS encoding"
    [(language, encoding)] = connection.execute(from_server(settings)).fetchall()
    # In this order: another process may be making all our tables in one transaction meanwhile.
    if (strange := _tables_in(connection)) and not version_of(connection):
        raise faults.foreign_database(address, strange)
    if encoding != "UTF8":
        raise faults.other_encoding(address, encoding)
    if not is_english(language):
        raise faults.other_language(address, language)


def is_english(language: str) -> bool:
    """Whether messages are in English where this is the setting lc_messages."""
    return not language or re.match(r"(?:C|POSIX|en|English)(?:\b|_)", language) is not None


def migrate(connection: DuckDBPyConnection, address: PostgresAddress, folder: Traversable = SQL) -> None:
    """Bring the database up to date, within the caller's transaction: all steps or none.

    Raises WarehouseTooNewError for a newer one.
    """
    version, newest = version_of(connection), newest_version(folder)
    if version > newest:
        raise newer(address, version)
    connection.execute(f"SET search_path = '{SERVER}.{SCHEMA}'")
    for number, name, sql in migrations(folder):
        if number <= version:
            continue
        interrupts.check()
        for statement in _statements(sql):
            if _TABLE.match(statement):
                connection.execute(on_server(_in_types_of_postgres(statement)))
            else:
                connection.execute("CALL pg_clear_cache()")
                connection.execute(statement)
        row = f"({number}, {literal(name)}, {literal(datetime.now(UTC).isoformat())})"
        connection.execute(on_server(f"INSERT INTO {SCHEMA}.schema_migrations VALUES {row}"))
    connection.execute("CALL pg_clear_cache()")


def newer(address: PostgresAddress, version: int) -> WarehouseError:
    """The database was brought up to date by a newer program, or is being filled by a copy."""
    if version == UNFINISHED:
        return unfinished(address)
    return WarehouseTooNewError(
        f"{address} is at schema version {version}, this program knows up to {newest_version()}. Update the program "
        "(`git pull`, `make setup`, or a newer image), or set GRABIENT_WAREHOUSE to another database."
    )


def make_views(connection: DuckDBPyConnection) -> None:
    """Make the project's views in DuckDB's memory, and for readers the tables in DuckDB's own types."""
    views, casts = _views_and_casts()
    for place in (VIEWS, CASTS):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {place}")
    connection.execute(search_path(writing=True))
    for sql in views:
        connection.execute(sql.replace("CREATE VIEW ", f"CREATE OR REPLACE VIEW {VIEWS}.", 1))
    for table, columns in casts:
        replaced = ", ".join(f"{name}::{kind} AS {name}" for name, kind in columns)
        connection.execute(
            f"CREATE OR REPLACE VIEW {CASTS}.{table} AS SELECT * REPLACE ({replaced}) FROM {SERVER}.{SCHEMA}.{table}"
        )


def search_path(*, writing: bool) -> str:
    """Where a connection finds tables and views. A view cannot be written, so writers see the bare tables."""
    places = [VIEWS, f"{SERVER}.{SCHEMA}"] if writing else [CASTS, VIEWS, f"{SERVER}.{SCHEMA}"]
    return f"SET search_path = '{','.join(places)}'"


def lacking(connection: DuckDBPyConnection) -> list[str]:
    """Our tables and columns that are missing from the database, although its version is up to date."""
    if version_of(connection) != newest_version():
        return []
    found = set(connection.execute(from_server(_ALL_COLUMNS)).fetchall())
    expected = _columns()
    tables = sorted({table for table, _ in expected} - {table for table, _ in found})
    return [*tables, *sorted(f"{table}.{name}" for table, name in expected - found if table not in tables)]


def _tables_in(connection: DuckDBPyConnection) -> list[str]:
    return sorted({table for table, _ in connection.execute(from_server(_ALL_COLUMNS)).fetchall()})


def _statements(sql: str) -> Iterator[str]:
    """The statements of a migration that concern tables and rows."""
    bare = _STRINGS_AND_COMMENTS.sub(lambda found: found[0] if found[0].startswith("'") else "", sql)
    for found in _STATEMENT.findall(bare):
        statement = found.strip()
        if statement and not _VIEW.match(statement):
            yield statement


def _in_types_of_postgres(statement: str) -> str:
    for kind, there in _TYPES:
        statement = kind.sub(there, statement)
    return statement


@cache
def _views_and_casts() -> tuple[Sequence[str], Sequence[tuple[str, Sequence[tuple[str, str]]]]]:
    """The views, each after those that it reads; and by table the columns of types that PostgreSQL does not keep."""
    import duckdb

    with duckdb.connect() as whole:
        for _, _, sql in migrations(SQL):
            whole.execute(sql)
        # The order of their names is the one in which they can be made; EXPORT DATABASE needs that too.
        views = whole.execute("SELECT sql FROM duckdb_views() WHERE NOT internal ORDER BY view_name").fetchall()
        casts: dict[str, list[tuple[str, str]]] = {}
        columns = (
            "SELECT c.table_name, c.column_name, c.data_type "
            "FROM duckdb_columns() c JOIN duckdb_tables() USING (table_oid) "
            "WHERE c.data_type = 'JSON' OR (ends_with(c.data_type, ']') AND NOT ends_with(c.data_type, '[]')) "
            "ORDER BY 1, c.column_index"
        )
        for table, name, kind in whole.execute(columns).fetchall():
            casts.setdefault(table, []).append((name, kind))
    return [row[0] for row in views], list(casts.items())


@cache
def _columns() -> frozenset[tuple[str, str]]:
    import duckdb

    with duckdb.connect() as whole:
        for _, _, sql in migrations(SQL):
            whole.execute(sql)
        query = "SELECT c.table_name, c.column_name FROM duckdb_columns() c JOIN duckdb_tables() USING (table_oid)"
        return frozenset(whole.execute(query).fetchall())
