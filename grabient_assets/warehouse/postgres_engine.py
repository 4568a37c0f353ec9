"""DuckDB with a PostgreSQL database attached: one engine for a process and database, with a cursor for each use.

The extension keeps a few connections to the server and looks whether one still lives before it gives it out.
"""

from __future__ import annotations

import os
import socket
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from grabient_assets.errors import WarehouseError
from grabient_assets.postgres_settings import PostgresAddress

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SERVER = "server"
"""The name under which DuckDB knows the database. Statements of the project never use it: they find its tables by the
search path."""
SCHEMA = "public"
VIEWS, CASTS = "memory.views", "memory.casts"
"""Where the project's views lie, and where readers find the tables that have columns of types only DuckDB has."""

CONNECT_SECONDS = 10
IDLE_IN_TRANSACTION = "300s"
"""After this the server ends a transaction in which nothing happens, and its lock with it. The longest pause inside a
transaction of ours is the work of Python between two statements, which takes seconds."""
KEEPALIVE_SECONDS = 30
"""After so long without a word the server asks whether the other machine still lives."""

INSTEAD_OF_NUL = "\ufffd"
"""What stands in PostgreSQL for the character 0, which it holds in no text."""

PACKAGE = "duckdb_extension_postgres_scanner"
EXTRA = "pip install 'grabient-assets[postgres]'"

_guard = threading.Lock()
_engines: dict[tuple[int, PostgresAddress], DuckDBPyConnection] = {}


def engine(address: PostgresAddress) -> DuckDBPyConnection:
    """DuckDB with the database attached. A forked child gets one of its own.

    Raises duckdb.Error when the server cannot be reached, WarehouseError when the extra is not installed.
    """
    with _guard:
        found = _engines.get((os.getpid(), address))
        if found is None:
            found = _attached(address)
            _engines[os.getpid(), address] = found
        return found


def is_open(address: PostgresAddress) -> bool:
    """Whether this process has reached the database before."""
    return (os.getpid(), address) in _engines


def give_up(address: PostgresAddress) -> None:
    """Attach anew at the next use. After a fatal error DuckDB refuses every statement."""
    with _guard:
        found = _engines.pop((os.getpid(), address), None)
    if found is not None:
        found.close()


def on_server(statement: str, server: str = SERVER) -> str:
    """A statement of DuckDB by which the server itself runs this one."""
    return f"CALL postgres_execute('{server}', {literal(statement)})"


def from_server(query: str, server: str = SERVER) -> str:
    """A query of DuckDB with the rows of this query, which the server runs. Its columns need names of their own."""
    return f"SELECT * FROM postgres_query('{server}', {literal(query)})"


def literal(text: str) -> str:
    """The text in quotation marks, as SQL reads it."""
    return "'" + text.replace("'", "''") + "'"


def _attached(address: PostgresAddress) -> DuckDBPyConnection:
    import duckdb

    opened = duckdb.connect()
    try:
        attach_database(opened, address, SERVER)
        # Models send the character 0. GLOBAL, because a cursor does not have the settings of the session it comes from.
        opened.execute(f"SET GLOBAL pg_null_byte_replacement = {literal(INSTEAD_OF_NUL)}")
    except BaseException:
        opened.close()
        raise
    return opened


def attach_database(connection: DuckDBPyConnection, address: PostgresAddress, name: str) -> None:
    """Attach the database under this name. Raises duckdb.Error when the server cannot be reached, WarehouseError when
    the extra is not installed."""
    connection.load_extension(str(_extension()))
    # What stands in a secret is shown nowhere, as the text of ATTACH is.
    known = {
        "HOST": address.host,
        "PORT": address.port,
        "USER": address.user,
        "DATABASE": address.database,
        "PASSWORD": address.password,
    }
    given = ", ".join(f"{key} {literal(str(value))}" for key, value in known.items() if value is not None)
    connection.execute(f"CREATE OR REPLACE SECRET of_{name} (TYPE postgres, {given})")
    more = " ".join(f"{key}={_quoted(value)}" for key, value in _parameters(address).items())
    connection.execute(
        f"ATTACH {literal(more)} AS {name} (TYPE postgres, SECRET of_{name}, SCHEMA {literal(SCHEMA)}, "
        "ISOLATION_LEVEL 'READ COMMITTED')"
    )


def _parameters(address: PostgresAddress) -> dict[str, str]:
    """Parameters of libpq beside those of the address."""
    session = {
        "search_path": SCHEMA,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
        "tcp_keepalives_idle": KEEPALIVE_SECONDS,
        "tcp_keepalives_interval": KEEPALIVE_SECONDS,
    }
    given = dict(address.options)
    ours = " ".join(f"-c {name}={value}" for name, value in session.items())
    usual = {
        "application_name": f"grabient on {socket.gethostname()}, process {os.getpid()}",
        "connect_timeout": str(CONNECT_SECONDS),
    }
    options = f"{given.get('options', '')} {ours}".lstrip()  # where both set one, the last counts
    return {**usual, **given, "options": options}


def _quoted(value: str) -> str:
    """The value as libpq reads it in a connection string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _extension() -> Path:
    """The extension's file. It comes as a package and is of one version of DuckDB; nothing is downloaded."""
    import duckdb

    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise WarehouseError(
            f"GRABIENT_WAREHOUSE names a PostgreSQL database, and DuckDB's extension for it is not installed. "
            f"Install it (`{EXTRA}`), or leave GRABIENT_WAREHOUSE empty."
        )
    folder = Path(found.origin).parent / "extensions"
    file = folder / f"v{duckdb.__version__}" / "postgres_scanner.duckdb_extension"
    if not file.is_file():
        there = ", ".join(sorted(one.name for one in folder.glob("v*"))) or "none"
        raise WarehouseError(
            f"DuckDB is of version {duckdb.__version__}, and its installed extension for PostgreSQL is for {there}. "
            f"Install the two together (`{EXTRA}`)."
        )
    return file
