"""Attaching the DuckDB file and detaching it.

DuckDB itself is started once in a process, and the file is attached to it for each use: starting DuckDB takes longer
than opening the file. Only ATTACH takes the row group size.
"""

from __future__ import annotations

import os
import threading
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS_PER_GROUP = 4096
"""DuckDB writes a table in groups of rows, and a write that adds one row compresses the whole last group again. By
default a group has 122,880 rows: closing the file then took 0.7 s with 58,000 answers in it, with this size 0.07 s."""

STAGED = "staged"
"""The name under which statements see the second file of an `attach`."""

LONGEST_LOG = "256MB"
"""Closing the file checkpoints its log. By default a log of 16 MB triggers a checkpoint too, within the transaction
that reaches that size, and later rows are written once more on closing."""

SMALL_FILE = 8 * 2**20
"""Bytes. Statements on a smaller file are so short that waking other threads costs more than it saves: two tests of
the ledger that send and collect took 60 s of CPU with two threads and 46 s with one."""

_guard = threading.Lock()
_started: dict[int, DuckDBPyConnection] = {}
_numbers = count()


class Attached:
    """An open file. `connection` sees its tables. The caller ends with `close()`, which checkpoints the log."""

    def __init__(self, engine: DuckDBPyConnection) -> None:
        self._engine = engine
        self._names: list[str] = []
        self.connection = engine.cursor()

    def add(self, path: Path, name: str, options: str) -> None:
        """Attach a file under this name. Raises duckdb.Error."""
        file = str(path).replace("'", "''")
        # Without a type DuckDB looks at the file, and loads an extension over the network for one of SQLite.
        self.connection.execute(f"ATTACH '{file}' AS {name} (TYPE duckdb, {options})")
        self._names.append(name)

    def close(self) -> None:
        """Detach the file. Never raises: committed data is in the log, whatever happens here."""
        import duckdb

        try:
            self.connection.close()
            with self._engine.cursor() as cursor:
                for name in reversed(self._names):
                    cursor.execute(f"DETACH {name}")
        except duckdb.Error:
            _give_up(self._engine)


def attach(path: Path, *, read_only: bool, staged: Path | None = None, storage_version: str | None = None) -> Attached:
    """The file, open; with a second one, which is created when it does not exist. Raises duckdb.Error.

    `storage_version` applies to a file that is created now. An existing file keeps its own.
    """
    import duckdb

    options = "READ_ONLY" if read_only else f"ROW_GROUP_SIZE {ROWS_PER_GROUP}"
    if storage_version is not None:
        options += f", STORAGE_VERSION '{storage_version}'"
    try:
        return _attach(_engine(), path, options, staged)
    except duckdb.FatalException:  # another thread had a fatal error, which ends the whole of DuckDB in this process
        return _attach(_engine(), path, options, staged)


def engine_cursor() -> DuckDBPyConnection:
    """A cursor that sees every file which is attached now, under the name that `current_database()` gives there."""
    return _engine().cursor()


def _attach(engine: DuckDBPyConnection, path: Path, options: str, staged: Path | None) -> Attached:
    import duckdb

    name = f"file_{next(_numbers)}"  # statements never name it; two threads may have two files open
    found: Attached | None = None
    try:
        found = Attached(engine)
        found.add(path, name, options)
        if staged is not None:
            found.add(staged, STAGED, f"ROW_GROUP_SIZE {ROWS_PER_GROUP}")
        found.connection.execute("SET threads = 1" if _bytes(path) < SMALL_FILE else "RESET threads")
        found.connection.execute(f"USE {name}")
    except BaseException as error:
        if found is not None:
            found.close()
        if isinstance(error, duckdb.FatalException):
            _give_up(engine)
        raise
    return found


def _bytes(path: Path) -> int:
    """The size of the file with its log; 0 for one that is not there yet."""
    sizes = (one.stat().st_size for one in (path, path.with_name(f"{path.name}.wal")) if one.exists())
    return sum(sizes)


def _engine() -> DuckDBPyConnection:
    """DuckDB without a file. A forked child has none of its threads, and starts its own."""
    import duckdb

    with _guard:
        if os.getpid() not in _started:
            _started[os.getpid()] = duckdb.connect(config={"checkpoint_threshold": LONGEST_LOG, "threads": 1})
        return _started[os.getpid()]


def _give_up(engine: DuckDBPyConnection) -> None:
    """Start DuckDB anew at the next use. After a fatal error (a full disk) it refuses every statement, and keeps its
    files until every user of it is closed."""
    with _guard:
        if _started.get(os.getpid()) is engine:
            del _started[os.getpid()]
    engine.close()
