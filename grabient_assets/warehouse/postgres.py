"""The tables in a PostgreSQL database: whose turn it is to write, what a reader sees, and when the server is gone."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from grabient_assets import interrupts
from grabient_assets.errors import WarehouseError
from grabient_assets.postgres_settings import PostgresAddress
from grabient_assets.warehouse import faults as file_faults
from grabient_assets.warehouse import postgres_faults as faults
from grabient_assets.warehouse.attaching import ROWS_PER_GROUP, STAGED
from grabient_assets.warehouse.lock_wait import LockTimeout, LockWait
from grabient_assets.warehouse.migrations import newest_version
from grabient_assets.warehouse.parameters import LiteralParameters
from grabient_assets.warehouse.postgres_engine import engine, from_server, give_up, is_open, on_server
from grabient_assets.warehouse.postgres_schema import (
    check_server,
    lacking,
    make_views,
    migrate,
    newer,
    search_path,
    version_of,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WRITER_LOCK = 7236_0001
"""The advisory lock of the writer: any number that no other program takes in this database."""
LOCK_SLICE = "500ms"
"""How long one statement waits for the lock. Between two of them Ctrl-C and the time limit are looked at."""
IDLE_WHILE_HELD = "3h"
"""After so long without a word the server takes the turn from a holder. Copying the largest table takes less."""
LOCK_IS_TAKEN = "grabient: the lock is taken"
"""What the server answers then: words of our own, whatever language its messages are in."""
RESTART_SECONDS = 60.0
"""How long a process that has reached the server before waits for it to come back, unless it is told another time."""

_guard = threading.Lock()
_ready: set[tuple[int, PostgresAddress]] = set()


class PostgresDatabase:
    """The database at `address`, as connection.py uses it. A server that was there before is waited for, up to
    `restart_seconds`: it may be restarting."""

    def __init__(
        self, address: PostgresAddress, lock_timeout: LockTimeout, restart_seconds: float = RESTART_SECONDS
    ) -> None:
        self.address = address
        self._lock_timeout, self._restart_seconds = lock_timeout, restart_seconds
        self._in_all = LockWait(lock_timeout) if lock_timeout.in_all else None

    def exists(self) -> bool:
        """Whether the database holds our tables."""
        with self._cursor(self._wait()) as cursor, self._faults(cursor):
            if version_of(cursor) > 0:
                return True
            check_server(cursor, self.address)
            return False

    @contextmanager
    def transactions(
        self, staged: Path | None = None
    ) -> Iterator[Callable[[], AbstractContextManager[DuckDBPyConnection]]]:
        """Several transactions in a row over one connection."""
        wait = self._wait()
        with interrupts.heeded(), self._opened(wait, staged) as cursor:
            cursor.execute(search_path(writing=True))
            yield lambda: self._transaction(cursor, wait)

    @contextmanager
    def read(self, staged: Path | None = None) -> Iterator[DuckDBPyConnection]:
        """A connection in one transaction that sees one moment."""
        with interrupts.heeded(), self._opened(self._wait(), staged) as cursor, self._faults(cursor):
            cursor.execute(search_path(writing=False))
            cursor.begin()
            try:
                cursor.execute(on_server("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
                self._check_version(cursor)
                yield cast("DuckDBPyConnection", LiteralParameters(cursor))
                cursor.commit()
            except BaseException:
                _roll_back(cursor)
                raise

    @contextmanager
    def held(self, *, read_only: bool) -> Iterator[DuckDBPyConnection]:
        """The writer's turn, for as long as the block takes; the tables may be of any version. The connection is in a
        transaction, which is nobody's way to the tables: what it locks stays locked until the end.

        `read_only` changes nothing: readers need no turn.
        """
        wait = self._wait()
        with interrupts.heeded(), self._cursor(wait) as cursor, self._faults(cursor), self._locked(cursor, wait):
            cursor.execute(on_server(f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_WHILE_HELD}'"))
            yield cursor

    @contextmanager
    def at_once(self) -> Iterator[DuckDBPyConnection | None]:
        """The tables as they are; None when this process has not read them: it has nothing under way there."""
        if not is_open(self.address):
            yield None
            return
        cursor = engine(self.address).cursor()
        try:
            cursor.execute(search_path(writing=False))
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def asking(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        """A function that has the server run one statement by itself and gives its rows, beside all transactions: for
        leases, which must not wait for the writer.

        When the connection breaks off, the statement is run once more; it has to be one that may be run twice.
        """
        import duckdb

        wait = self._wait()
        with interrupts.heeded(), self._opened(wait, None, looks=False) as cursor, self._faults(cursor):

            def ask(query: str) -> list[tuple[Any, ...]]:
                try:
                    return _by_itself(cursor, query)
                except duckdb.Error as error:
                    if not faults.is_unreachable(error):
                        raise
                with self._cursor(wait) as anew:
                    return _by_itself(anew, query)

            yield ask

    def _wait(self) -> LockWait:
        interrupts.check()
        return self._in_all or LockWait(self._lock_timeout)

    @contextmanager
    def _opened(self, wait: LockWait, staged: Path | None, *, looks: bool = True) -> Iterator[DuckDBPyConnection]:
        """A cursor whose tables and views are there and up to date."""
        import os

        with self._cursor(wait, looks=looks) as cursor:
            key = (os.getpid(), self.address)
            if key not in _ready:
                with _guard:
                    if key not in _ready:
                        self._bring_up_to_date(cursor, wait)
                        _ready.add(key)
            if staged is None:
                yield cursor
                return
            with _attached(cursor, staged):
                yield cursor

    def _bring_up_to_date(self, cursor: DuckDBPyConnection, wait: LockWait) -> None:
        with self._faults(cursor):
            if version_of(cursor) != newest_version():
                check_server(cursor, self.address)
                with self._locked(cursor, wait):
                    migrate(cursor, self.address)
            cursor.execute("CALL pg_clear_cache()")
            make_views(cursor)

    @contextmanager
    def _transaction(self, cursor: DuckDBPyConnection, wait: LockWait) -> Iterator[DuckDBPyConnection]:
        interrupts.check()
        with self._faults(cursor), self._locked(cursor, wait):
            self._check_version(cursor)
            yield cursor

    @contextmanager
    def _locked(self, cursor: DuckDBPyConnection, wait: LockWait) -> Iterator[None]:
        """A transaction of the only writer, over all machines. The lock ends with it, however it ends.

        The isolation is READ COMMITTED, so what it reads is read after the lock was had: of two processes that look at
        what is left of the budget, the second sees what the first has reserved.
        """
        self._take_turn(cursor, wait)
        try:
            yield
            cursor.commit()
        except BaseException:
            _roll_back(cursor)
            raise

    def _take_turn(self, cursor: DuckDBPyConnection, wait: LockWait) -> None:
        import duckdb

        # The time limit is for this lock alone: a migration waits for the readers of its tables.
        lock = on_server(
            f"SET LOCAL lock_timeout = '{LOCK_SLICE}'; "
            f"DO $$ BEGIN PERFORM pg_advisory_xact_lock({WRITER_LOCK}); "
            f"EXCEPTION WHEN lock_not_available THEN RAISE EXCEPTION '{LOCK_IS_TAKEN}'; END $$; "
            "SET LOCAL lock_timeout TO DEFAULT"
        )
        while True:
            cursor.begin()
            try:
                cursor.execute(lock)
                return
            except duckdb.Error as error:
                _roll_back(cursor)
                if LOCK_IS_TAKEN not in str(error):
                    raise
                who = self._holder(cursor)
                wait.waited += 0.5  # LOCK_SLICE
                if wait.is_over:
                    raise faults.locked(self.address, who, wait.waited) from error
            wait.pause(0, f"{who} is writing to {self.address}")

    def _holder(self, cursor: DuckDBPyConnection) -> str:
        """The program that holds the writer's lock, as it calls itself."""
        rows = cursor.execute(
            from_server(
                "SELECT a.application_name AS name, a.pid AS pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
                f"WHERE l.locktype = 'advisory' AND l.objid = {WRITER_LOCK} AND l.granted "
                "AND a.datname = current_database()"
            )
        ).fetchall()
        return f"{rows[0][0] or 'A program'} (backend {rows[0][1]})" if rows else "Another program"

    def _check_version(self, cursor: DuckDBPyConnection) -> None:
        """Raise for a database that a newer program has brought up to date since this process began."""
        [row] = cursor.execute("SELECT coalesce(max(number), 0) FROM schema_migrations").fetchall()
        if row[0] > newest_version():
            raise newer(self.address, row[0])

    @contextmanager
    def _cursor(self, wait: LockWait, *, looks: bool = True) -> Iterator[DuckDBPyConnection]:
        cursor = self._reached(wait, looks=looks)
        try:
            yield cursor
        finally:
            cursor.close()

    def _reached(self, wait: LockWait, *, looks: bool) -> DuckDBPyConnection:
        """A cursor over a connection that lives, as far as one `looks`."""
        import duckdb

        known = is_open(self.address)
        pause, waited = 0.1, 0.0
        while True:
            try:
                cursor = engine(self.address).cursor()
                if known and looks:
                    cursor.execute(from_server("SELECT 1 AS one")).fetchall()
                return cursor
            except duckdb.Error as error:
                if isinstance(error, duckdb.FatalException):
                    self._give_up()
                passing = known and faults.is_unreachable(error)
                if not passing or wait.is_over or waited >= self._restart_seconds:
                    raise (
                        faults.gone(error, self.address) if passing else faults.opening(error, self.address)
                    ) from error
            seconds = pause * random.uniform(0.5, 1.5)
            at_most = min(self._restart_seconds, self._lock_timeout.seconds)
            wait.pause(seconds, f"{self.address} cannot be reached", "See whether its server starts again", at_most)
            waited, pause = waited + seconds, min(pause * 1.6, 2.0)

    @contextmanager
    def _faults(self, cursor: DuckDBPyConnection) -> Iterator[None]:
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            if isinstance(error, (duckdb.CatalogException, duckdb.BinderException)) or faults.lacks_something(error):
                _roll_back(cursor)
                if missing := _if_reached(cursor):
                    raise faults.incomplete(self.address, missing) from error
                raise
            if isinstance(error, duckdb.FatalException):
                self._give_up()
            fault = faults.using(error, self.address)
            if fault is None:
                raise
            raise fault from error

    def _give_up(self) -> None:
        """The next use attaches anew, and makes the views anew, which lie in DuckDB's memory."""
        import os

        give_up(self.address)
        _ready.discard((os.getpid(), self.address))


def _by_itself(cursor: DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """Have the server run the statement. DuckDB gives rows only of one that begins with SELECT: it asks for them with
    COPY, which refuses RETURNING, and a WITH that writes."""
    if query.lstrip().upper().startswith("SELECT"):
        return cursor.execute(from_server(query)).fetchall()
    cursor.execute(on_server(query))
    return []


def _if_reached(cursor: DuckDBPyConnection) -> list[str]:
    import duckdb

    with suppress(duckdb.Error):
        return lacking(cursor)
    return []


@contextmanager
def _attached(cursor: DuckDBPyConnection, staged: Path) -> Iterator[None]:
    import duckdb

    file = str(staged).replace("'", "''")
    try:
        cursor.execute(f"ATTACH '{file}' AS {STAGED} (TYPE duckdb, ROW_GROUP_SIZE {ROWS_PER_GROUP})")
    except duckdb.Error as error:
        raise file_faults.opening(error, staged) from error
    try:
        yield
    finally:
        with suppress(duckdb.Error, WarehouseError):
            cursor.execute(f"DETACH {STAGED}")


def _roll_back(cursor: DuckDBPyConnection) -> None:
    """Roll back. After a lost connection there is nothing left to roll back, and DuckDB says so."""
    import duckdb

    with suppress(duckdb.Error):
        cursor.rollback()
