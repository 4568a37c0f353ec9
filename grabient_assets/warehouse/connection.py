"""Opening and closing the DuckDB file.

DuckDB lets one process hold the file for writing, and a writer keeps readers out (and readers keep writers out).
So nobody holds it: every use opens late, closes early, and waits its turn with jitter when another process is in.
Within this process a lock does the same, because DuckDB refuses one file under two modes in one process.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from grabient_assets.errors import WarehouseError, WarehouseLockedError, WarehouseReadOnlyError
from grabient_assets.warehouse.migrations import current_version, migrate, newest_version

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LOCK_DEADLINE_SECONDS = 60.0
_process_locks: dict[Path, threading.RLock] = {}
_guard = threading.Lock()


class Warehouse:
    """The DuckDB file at `path`. Cheap to make; touches the disk only inside `read()` and `write()`."""

    def __init__(self, path: Path, lock_deadline: float = LOCK_DEADLINE_SECONDS) -> None:
        self.path = path
        self._deadline = lock_deadline
        self._migrated = False

    @contextmanager
    def write(self) -> Iterator[DuckDBPyConnection]:
        """A connection inside one transaction: committed when the block ends, rolled back when it raises."""
        with self._turn(), self._open(read_only=False) as connection:
            connection.begin()
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def read(self) -> Iterator[DuckDBPyConnection]:
        """A read-only connection; other readers, such as a person's shell, may be in at the same time.

        Only a file that is missing or of an older version is opened for writing first, to bring it up to date.
        """
        with self._turn():
            if not self._up_to_date():
                with self._open(read_only=False):
                    pass
            with self._open(read_only=True) as connection:
                yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with _guard:
            lock = _process_locks.setdefault(self.path.resolve(), threading.RLock())
        with lock:
            yield

    def _up_to_date(self) -> bool:
        if not self.path.exists():
            return False
        if not self._migrated:
            with self._open(read_only=True) as connection:
                self._migrated = current_version(connection) == newest_version()
        return self._migrated

    @contextmanager
    def _open(self, *, read_only: bool) -> Iterator[DuckDBPyConnection]:
        self._migrated = self._migrated and self.path.exists()  # somebody may have removed the file since
        connection = self._connect_when_free(read_only)
        try:
            if not read_only and not self._migrated:
                migrate(connection, self.path)
                self._migrated = True
            yield connection
        finally:
            connection.close()

    def _connect_when_free(self, read_only: bool) -> DuckDBPyConnection:
        import duckdb

        if not read_only:
            self._make_folder()
        give_up = time.monotonic() + self._deadline
        pause = 0.01
        while True:
            try:
                return duckdb.connect(str(self.path), read_only=read_only)
            except duckdb.Error as error:
                if not _is_lock(error) or time.monotonic() > give_up:
                    raise self._explained(error) from error
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 1.6, 0.5)

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseReadOnlyError(
                f"The data folder {self.path.parent} cannot be made ({error.strerror}). "
                "Set GRABIENT_DATA_DIR to a folder that can be written."
            ) from error

    def _explained(self, error: Exception) -> WarehouseError:
        text = str(error)
        if _is_lock(error):
            holder = re.search(r"held in (.+?) \(PID (\d+)\)", text)
            who = f"{holder[1]} (process {holder[2]})" if holder else "Another program"
            return WarehouseLockedError(
                f"{who} has held {self.path} for {self._deadline:.0f} seconds. Close it there and try again; "
                "a shell opened with `duckdb -readonly` keeps writers out as well."
            )
        if re.search(r"Permission denied|Read-only file system|read-only mode", text, re.IGNORECASE):
            return WarehouseReadOnlyError(
                f"{self.path} cannot be written. Make the folder writable, or set GRABIENT_DATA_DIR to one that is."
            )
        if re.search(r"newer version|storage version|version number", text, re.IGNORECASE):
            return WarehouseError(
                f"{self.path} was written by a newer DuckDB than the one installed. Run `make setup` to install the "
                f"pinned one, or set GRABIENT_DATA_DIR to another folder. DuckDB says: {text.splitlines()[0]}"
            )
        return WarehouseError(
            f"{self.path} cannot be opened as a DuckDB file. Move it away to start empty, or set GRABIENT_DATA_DIR to "
            f"another folder. DuckDB says: {text.splitlines()[0]}"
        )


def _is_lock(error: Exception) -> bool:
    return "Could not set lock" in str(error) or "Conflicting lock" in str(error)
