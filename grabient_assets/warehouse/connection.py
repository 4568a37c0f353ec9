"""The warehouse: all tables, in a DuckDB file or in a PostgreSQL database. DuckDB runs every statement either way.

The file has one writer at a time, who excludes readers, on one machine. The database has one writer at a time over all
machines, beside any number of readers. Either way every use opens late and closes early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from grabient_assets.postgres_settings import PostgresAddress
from grabient_assets.warehouse.duckdb_file import DuckDBFile
from grabient_assets.warehouse.leases import LeaseLocks
from grabient_assets.warehouse.lock_wait import LockTimeout
from grabient_assets.warehouse.locks import FileLocks, Locks
from grabient_assets.warehouse.postgres import PostgresDatabase

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.settings import Settings

USUAL_TIMEOUT = LockTimeout()


class Warehouse:
    """The tables in the DuckDB file `place`, or in the database of that address. Cheap to make; nothing is opened
    before `read()` and `write()`.

    `folder` is where this machine keeps what belongs to them: by default the folder of the file. Both methods raise
    WarehouseLockedError when another program does not let go within the `lock_timeout`.
    """

    def __init__(
        self, place: Path | PostgresAddress, lock_timeout: LockTimeout = USUAL_TIMEOUT, folder: Path | None = None
    ) -> None:
        self.place = place
        self._tables: DuckDBFile | PostgresDatabase
        if isinstance(place, PostgresAddress):
            assert folder is not None, "a database says nothing of a folder"
            self.folder, self._tables = folder, PostgresDatabase(place, lock_timeout)
        else:
            self.folder, self._tables = folder or place.parent, DuckDBFile(place, lock_timeout)

    @property
    def path(self) -> Path:
        """The DuckDB file, where the tables lie in one."""
        assert isinstance(self.place, Path), f"the tables lie in {self.place}"
        return self.place

    @property
    def database(self) -> PostgresDatabase | None:
        """The database, for what machines have to agree on beside the tables; None where the tables lie in a file."""
        return self._tables if isinstance(self._tables, PostgresDatabase) else None

    @property
    def locks(self) -> Locks:
        """The locks beside the tables: of this machine where they lie in a file, of all machines where they lie in a
        database."""
        return FileLocks(self.folder) if self.database is None else LeaseLocks(self.database)

    def time(self, wall: datetime) -> datetime:
        """The time by which leases end: `wall`, or that of the server, where machines share a database. UTC."""
        if self.database is None:
            return wall
        with self.database.asking() as ask:
            return ask("SELECT now() AS now")[0][0].astimezone(UTC)

    def exists(self) -> bool:
        """Whether the tables exist. Raises WarehouseError when they are missing and must not be created in their
        place."""
        return self._tables.exists()

    @contextmanager
    def write(self, staged: Path | None = None) -> Iterator[DuckDBPyConnection]:
        """A connection inside one transaction: committed when the block ends, rolled back when it raises.

        Statements see the DuckDB file `staged` under that name. Raises WarehouseError when the disk takes no more, or
        the server is gone; nothing of the block is stored then.
        """
        with self.transactions(staged) as transaction, transaction() as connection:
            yield connection

    def transactions(
        self, staged: Path | None = None
    ) -> AbstractContextManager[Callable[[], AbstractContextManager[DuckDBPyConnection]]]:
        """Several transactions in a row, each as `write()` gives it: cheaper than opening for each."""
        return self._tables.transactions(staged)

    def read(self, staged: Path | None = None) -> AbstractContextManager[DuckDBPyConnection]:
        """A connection that sees one moment and writes nothing.

        Tables that are missing or of an older version are brought up to date first. Statements see the DuckDB file
        `staged` under that name, and may write there; it is created when it is missing.
        """
        return self._tables.read(staged)

    def held(self, *, read_only: bool) -> AbstractContextManager[DuckDBPyConnection]:
        """Keeps every other writer away for as long as the block takes, as copying.py needs it. The tables may be of
        any version; in a file that is `read_only`, others may read as well."""
        return self._tables.held(read_only=read_only)

    def at_once(self) -> AbstractContextManager[DuckDBPyConnection | None]:
        """A connection to read tables as they are, without waiting; None when there are none. Raises duckdb.Error or
        WarehouseError."""
        return self._tables.at_once()


def open_warehouse(settings: Settings, lock_timeout: LockTimeout = USUAL_TIMEOUT) -> Warehouse:
    """The warehouse of these settings."""
    return Warehouse(settings.warehouse, lock_timeout, settings.data_dir)
