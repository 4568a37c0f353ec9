"""The tables in a DuckDB file: opening it and closing it.

DuckDB lets one process hold the file for writing, and a writer excludes readers (and readers exclude writers). So no
process keeps it open: every use opens late, closes early, and retries with jitter while another process has the lock.
Within this process a lock does the same, because DuckDB refuses one file in two modes in one process.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from grabient_assets import interrupts
from grabient_assets.warehouse import faults
from grabient_assets.warehouse.attaching import Attached, attach
from grabient_assets.warehouse.creation import create, is_there
from grabient_assets.warehouse.lock_wait import LockTimeout, LockWait
from grabient_assets.warehouse.migrations import current_version, lacking, migrate, newest_version
from grabient_assets.warehouse.parameters import LiteralParameters
from grabient_assets.warehouse.write_ahead_log import fault_of_log

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LONGEST_PAUSE = 0.5
_process_locks: dict[str, threading.RLock] = {}
_guard = threading.Lock()


class DuckDBFile:
    """The DuckDB file at `path`, as connection.py uses it."""

    def __init__(self, path: Path, lock_timeout: LockTimeout) -> None:
        self.path = path
        self._lock_timeout = lock_timeout
        self._in_all = LockWait(lock_timeout) if lock_timeout.in_all else None
        self._migrated = False

    def exists(self) -> bool:
        """Whether the database exists. Raises WarehouseError when it is missing and must not be created in its
        place."""
        return is_there(self.path)

    @contextmanager
    def transactions(
        self, staged: Path | None = None
    ) -> Iterator[Callable[[], AbstractContextManager[DuckDBPyConnection]]]:
        """Several transactions in a row while the file is open. Closing it checkpoints its log, which takes longer than
        a transaction."""
        with self._turn() as wait, self._open(wait, False, staged) as connection:
            yield lambda: self._transaction(connection)

    @contextmanager
    def _transaction(self, connection: DuckDBPyConnection) -> Iterator[DuckDBPyConnection]:
        interrupts.check()
        with self._disk_faults(connection):
            connection.begin()
            try:
                yield connection
                connection.commit()
            except BaseException:
                _roll_back(connection)
                raise

    @contextmanager
    def read(self, staged: Path | None = None) -> Iterator[DuckDBPyConnection]:
        """A read-only connection. Only a file that is missing or of an older version is opened for writing first, to
        bring it up to date."""
        with self._turn() as wait:
            if not is_there(self.path):
                self._bring_up_to_date(wait)
            with self._open(wait, True, staged) as connection:
                if self._is_up_to_date(connection):
                    with self._disk_faults(connection):
                        yield cast("DuckDBPyConnection", LiteralParameters(connection))
                    return
            self._bring_up_to_date(wait)
            with self._open(wait, True, staged) as connection, self._disk_faults(connection):
                yield cast("DuckDBPyConnection", LiteralParameters(connection))

    @contextmanager
    def held(self, *, read_only: bool) -> Iterator[DuckDBPyConnection]:
        """The file, open for as long as the block takes; its tables may be of any version. It is created when it is
        missing, unless `read_only`."""
        with self._turn() as wait:
            attached = self._attach_when_free(wait, read_only, None)
            try:
                yield attached.connection
            finally:
                attached.close()

    @contextmanager
    def at_once(self) -> Iterator[DuckDBPyConnection | None]:
        """The file as it is; None when there is none."""
        if not self.path.exists():
            yield None
            return
        attached = attach(self.path, read_only=True)
        try:
            yield attached.connection
        finally:
            attached.close()

    @contextmanager
    def _turn(self) -> Iterator[LockWait]:
        with _guard:
            lock = _process_locks.setdefault(os.path.realpath(self.path), threading.RLock())
        interrupts.check()
        wait = self._in_all or LockWait(self._lock_timeout)
        if not wait.acquire(lock):
            raise faults.locked(self.path, "Another thread of this program", wait.waited)
        try:
            with interrupts.heeded():
                yield wait
        finally:
            lock.release()

    def _is_up_to_date(self, connection: DuckDBPyConnection) -> bool:
        self._migrated = self._migrated or current_version(connection) == newest_version()
        return self._migrated

    def _bring_up_to_date(self, wait: LockWait) -> None:
        with self._open(wait, read_only=False):
            pass

    @contextmanager
    def _open(self, wait: LockWait, read_only: bool, staged: Path | None = None) -> Iterator[DuckDBPyConnection]:
        self._migrated = self._migrated and self.path.exists()  # the file may have been removed since
        attached = self._attach_when_free(wait, read_only, staged)
        try:
            if not read_only and not self._migrated:
                with self._disk_faults(attached.connection):
                    migrate(attached.connection, self.path)
                self._migrated = True
            yield attached.connection
        finally:
            attached.close()

    def _attach_when_free(self, wait: LockWait, read_only: bool, staged: Path | None) -> Attached:
        import duckdb

        if not read_only and not is_there(self.path):
            create(self.path)
        pause = 0.01
        while True:
            try:
                if fault := fault_of_log(self.path):
                    raise fault
                return attach(self.path, read_only=read_only, staged=staged)
            except duckdb.Error as error:
                if not faults.is_lock(error):
                    named = staged if staged is not None and str(staged) in str(error) else self.path
                    raise faults.opening(error, named) from error
                who = faults.holder(error)
                if wait.is_over:
                    raise faults.locked(self.path, who, wait.waited) from error
            wait.pause(pause * random.uniform(0.5, 1.5), f"{who} has {self.path} open")
            pause = min(pause * 1.6, LONGEST_PAUSE)

    @contextmanager
    def _disk_faults(self, connection: DuckDBPyConnection) -> Iterator[None]:
        import duckdb

        try:
            yield
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            _roll_back(connection)
            if missing := lacking(connection):
                raise faults.incomplete(self.path, missing) from error
            raise
        except duckdb.Error as error:
            fault = faults.using(error, self.path) if faults.is_about(error, self.path) else None
            if fault is None:
                raise
            raise fault from error


def _roll_back(connection: DuckDBPyConnection) -> None:
    """Roll back. After a failed commit DuckDB has rolled back already, and refuses to do it twice."""
    import duckdb

    with suppress(duckdb.Error):
        connection.rollback()
