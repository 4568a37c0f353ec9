"""The errors of PostgreSQL and of the way to it, as errors of errors.py: each cause has its sentence and a way out.

The patterns are the messages of libpq and of PostgreSQL 15 to 18 in English, and of DuckDB's extension. No sentence
shows what the server says of a statement: its values are answers, and an address may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from grabient_assets.errors import WarehouseError, WarehouseLockedError, WarehouseReadOnlyError
from grabient_assets.postgres_settings import PostgresAddress

NAMED_AT_MOST = 5
AGAIN = "Nothing of this step was stored. Run again: it goes on where it stopped"


@dataclass(frozen=True, slots=True)
class _Cause:
    """One reason why the database is not opened, read or written. The sentence may name the {database} and {text}, what
    the server says."""

    pattern: re.Pattern[str]
    sentence: str
    error: type[WarehouseError] = WarehouseError


def _cause(pattern: str, sentence: str, error: type[WarehouseError] = WarehouseError) -> _Cause:
    return _Cause(re.compile(pattern, re.IGNORECASE | re.DOTALL), sentence, error)


_UNREACHABLE = re.compile(
    r"could not translate host name|Connection refused|timeout expired|No route to host|Network is unreachable"
    r"|Connection timed out|could not connect to server|No such file or directory.*Is the server running"
    r"|the database system is (?:starting up|shutting down|in recovery mode|not (?:yet )?accepting)"
    r"|server closed the connection|terminating connection|connection to server was lost|no connection to the server"
    r"|SSL connection has been closed|SSL SYSCALL error|could not (?:receive data from|send data to) server"
    r"|Connection reset by peer|Broken pipe|connection (?:is|was) closed|consuming input failed",
    re.IGNORECASE | re.DOTALL,
)

# The order matters: a message may hold the words of a more general one.
_CAUSES = (
    _cause(
        r"could not translate host name",
        "The host of {database} is unknown: {text}. Nothing was changed. Look at GRABIENT_WAREHOUSE, and whether this "
        "machine can look names up.",
    ),
    _cause(
        r"password authentication failed|no password supplied|SASL authentication failed|empty password",
        "The server of {database} does not take this user with this password. Nothing was changed. Set PGPASSWORD, or "
        "a line in ~/.pgpass that only you may read (`chmod 600`).",
    ),
    _cause(
        r"no pg_hba\.conf entry|authentication failed for user|requires? a valid client certificate",
        "The server of {database} lets nobody in from here as this user: {text}. Nothing was changed. Its owner allows "
        "it in pg_hba.conf, or GRABIENT_WAREHOUSE names another user or sslmode.",
    ),
    _cause(
        r"role \"[^\"]*\" does not exist",
        "The server of {database} has no such user. Nothing was changed. Look at GRABIENT_WAREHOUSE, or have the user "
        "made (`createuser`).",
    ),
    _cause(
        r"database \"[^\"]*\" does not exist",
        "The server has no database of the name in {database}. Nothing was changed. Make it (`createdb`), or look at "
        "GRABIENT_WAREHOUSE.",
    ),
    _cause(
        r"certificate verify failed|server does not support SSL|SSL error|sslmode",
        "The encrypted connection to {database} does not come about: {text}. Nothing was changed. Look at sslmode and "
        "sslrootcert in GRABIENT_WAREHOUSE.",
    ),
    _cause(
        r"too many clients|remaining connection slots|too many connections",
        "The server of {database} has no connection left. Nothing of this step was stored. Raise its max_connections, "
        "or run fewer processes, then run again.",
    ),
    _cause(
        r"permission denied for database",
        "This user may not connect to {database}. Nothing was changed. Its owner allows it: GRANT CONNECT ON DATABASE.",
        WarehouseReadOnlyError,
    ),
    _cause(
        r"permission denied|must be owner of",
        "This user lacks rights in {database}: {text}. Nothing of this step was stored. Its owner grants them: "
        "GRANT CREATE, USAGE ON SCHEMA public, and the tables have to belong to this user; for one who only reads, "
        "GRANT SELECT ON ALL TABLES IN SCHEMA public.",
        WarehouseReadOnlyError,
    ),
    _cause(
        r"read-only transaction",
        "{database} takes no writes: it is a standby, or set to read-only. Nothing of this step was stored. Set "
        "GRABIENT_WAREHOUSE to the primary server.",
        WarehouseReadOnlyError,
    ),
    _cause(
        r"No space left on device|could not (?:extend|write|fsync) file|disk full|quota exceeded|could not write to",
        "The disk of the server of {database} takes no more: {text}. Nothing of this step was stored. Free space "
        "there, then run again: it goes on where it stopped.",
    ),
    _cause(
        r"out of memory|out of shared memory|Cannot allocate memory",
        "There is not enough memory to work with {database}: {text}. Nothing of this step was stored. Close other "
        "programs or take a machine with more memory, then run again: it goes on where it stopped.",
    ),
    _cause(
        r"Failed to commit.*(?:server closed|connection|SSL)",
        "The connection to {database} broke off while a step was being stored: whether it was stored, the next run "
        "sees. Nothing is lost or sent twice. Run again.",
    ),
    _cause(
        r"idle-in-transaction timeout",
        "The server of {database} ended a step that did nothing for minutes: this machine was stopped or very busy. "
        f"{AGAIN}.",
    ),
    _cause(
        r"the database system is (?:starting up|shutting down|in recovery mode|not (?:yet )?accepting)"
        r"|terminating connection due to administrator command",
        f"The server of {{database}} is being restarted. {AGAIN}.",
    ),
    _cause(
        r"server closed the connection|connection to server was lost|no connection to the server"
        r"|SSL connection has been closed|SSL SYSCALL error|could not (?:receive data from|send data to) server"
        r"|Connection reset by peer|Broken pipe|connection (?:is|was) closed|consuming input failed",
        f"The connection to {{database}} broke off. {AGAIN}.",
    ),
    _cause(
        r"Connection refused|timeout expired|No route to host|Network is unreachable|Connection timed out"
        r"|could not connect to server|Is the server running",
        "{database} cannot be reached: {text}. Nothing was changed. See whether the server runs and this machine may "
        "reach it; GRABIENT_WAREHOUSE says where it is.",
    ),
    _cause(
        r"canceling statement due to (?:statement timeout|lock timeout|user request)",
        f"The server of {{database}} ended a statement: {{text}}. {AGAIN}.",
    ),
    _cause(
        r"deadlock detected|could not serialize access",
        f"Another program changed the tables of {{database}} at the same time: {{text}}. {AGAIN}.",
    ),
)


def lacks_something(error: Exception) -> bool:
    """Whether the server does not find a table or column, which this process has seen there before."""
    return re.search(r'(?:relation|column) "?[^"\n]*"?(?: of relation .*)? does not exist', str(error)) is not None


def is_unreachable(error: Exception) -> bool:
    """Whether nobody answers, or a connection that lived is gone: a server that restarts."""
    return _UNREACHABLE.search(str(error)) is not None


def locked(address: PostgresAddress, who: str, seconds: float) -> WarehouseLockedError:
    """The other program did not end its step in time."""
    return WarehouseLockedError(
        f"{who} has held {address} for {seconds:.0f} seconds. Let it end there, or stop it, and try again; the server "
        "ends a step that does nothing for five minutes by itself."
    )


def opening(error: Exception, address: PostgresAddress) -> WarehouseError:
    """Why the database cannot be opened."""
    return using(error, address) or WarehouseError(
        f"{address} cannot be opened. Nothing was changed. The server says: {said(error)}."
    )


def gone(error: Exception, address: PostgresAddress) -> WarehouseError:
    """The server was there before, and did not come back in time."""
    return WarehouseError(
        f"{address} cannot be reached any more: {said(error)}. What was stored before stays stored, and what providers "
        "have taken stays with them. Run again when the server is back: it goes on where it stopped."
    )


def using(error: Exception, address: PostgresAddress) -> WarehouseError | None:
    """Why the database cannot be read or written; None when neither the server nor the way to it is the cause."""
    text = str(error)
    cause = next((cause for cause in _CAUSES if cause.pattern.search(text)), None)
    return None if cause is None else cause.error(cause.sentence.format(database=address, text=said(error)))


def foreign_database(address: PostgresAddress, tables: Sequence[str]) -> WarehouseError:
    """A database that another program uses, with these tables."""
    return WarehouseError(
        f"{address} is a database of another program: it holds {_named(tables)}, and no list of our migrations. "
        "Nothing was changed. Make an empty database for this program and set GRABIENT_WAREHOUSE to it."
    )


def other_encoding(address: PostgresAddress, encoding: str) -> WarehouseError:
    """A database that cannot hold every text."""
    return WarehouseError(
        f"{address} is encoded in {encoding}, and texts need UTF-8. Nothing was changed. Make another one (`createdb "
        "--encoding UTF8 --template template0`) and set GRABIENT_WAREHOUSE to it."
    )


def other_language(address: PostgresAddress, language: str) -> WarehouseError:
    """A server whose messages this program cannot read."""
    return WarehouseError(
        f"The messages of the server of {address} are in the language {language!r}. This program reads English ones to "
        "tell a server that restarts from a full disk. Nothing was changed. Its owner sets that for this database: "
        f"ALTER DATABASE {address.database} SET lc_messages = 'C'."
    )


def incomplete(address: PostgresAddress, lacking: Sequence[str]) -> WarehouseError:
    """The database lacks these tables and columns of ours."""
    return WarehouseError(
        f"{address} lacks {_named(lacking)}, which this program keeps there. Somebody has changed it, or a copy of it "
        "is not whole. Nothing of this step was stored. Restore it from a backup; the requests and answers of every "
        "batch also lie in the object store, below batches/."
    )


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED_AT_MOST]) + (", ..." if len(names) > NAMED_AT_MOST else "")


def said(error: Exception) -> str:
    """What the server or libpq says, without the statement and without the connection string."""
    text = str(error)
    found = re.search(r"(?:ERROR|FATAL|PANIC):\s+(.+)", text) or re.search(r'at "[^"]*": (.+)', text)
    line = (found[1] if found else text.partition("\n")[0]).strip().rstrip(".! ")
    return line or type(error).__name__
