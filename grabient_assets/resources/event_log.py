"""Dagster's SQLite event log over connections that are kept, with a batch of events in one transaction.

`SqliteEventLogStorage` of Dagster 1.13 makes a new SQLAlchemy engine and opens the file anew for every event. Closing
the last connection then writes the whole WAL into the file. The files, the tables and the rows of this class are
Dagster's own: each of the two classes reads what the other wrote, also at the same time.

The class needs private modules of Dagster: the imports below and the methods in RELIES_ON. instance.py uses Dagster's
own class when one of them is not as it was in Dagster 1.13.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as db
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from dagster._core.event_api import EventHandlerFn
from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.schema import (
    AssetKeyTable,
    SqlEventLogStorageMetadata,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sql import get_alembic_config
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

MAX_OPEN_RUNS = 4
"""How many runs' files are kept open beside the index. A process writes one run at a time and reads a few."""

BATCHED = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_OBSERVATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
}
"""The kinds of events that go into the run's file and the index and nowhere else."""

_METHODS = {
    "_connect": ("self", "shard"),
    "_initdb": ("self", "engine", "for_index_shard"),
    "path_for_shard": ("self", "run_id"),
    "conn_string_for_shard": ("self", "shard_name"),
    "has_table": ("self", "table_name"),
    "watch": ("self", "run_id", "cursor", "callback"),
    "end_watch": ("self", "run_id", "handler"),
    "store_event_batch": ("self", "events"),
    "_event_to_row": ("self", "event"),
    "_store_asset_event_tags": ("self", "conn", "events", "event_ids"),
    "_get_asset_entry_values": ("self", "event", "event_id", "has_asset_key_index_cols"),
    "_has_asset_key_index_cols_on_connection": ("self", "conn"),
}

RELIES_ON: dict[type, dict[str, tuple[str, ...]]] = {SqliteEventLogStorage: _METHODS}
"""Methods that are called or replaced here, with their parameters in Dagster 1.13."""


class KeptEventLogStorage(SqliteEventLogStorage):
    """Dagster's own storage with one connection kept per file. Safe between threads and processes, and after a fork."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._kept: OrderedDict[str, tuple[Engine, tuple[int, int, int]]] = OrderedDict()
        self._has_index_columns = False
        self._known_tables: set[str] = set()
        self._poller: SqlPollingEventWatcher | None = None
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> KeptEventLogStorage:
        """The storage over `base_dir`, which instance.py fills in."""
        return cls(config_value["base_dir"], inst_data)

    # -- connections ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock, self._transaction(shard) as connection:
            yield connection

    @contextmanager
    def _transaction(self, shard: str) -> Iterator[Connection]:
        """Whoever calls this holds `_db_lock`."""
        with self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        kept = self._kept.get(shard)
        if kept is not None and kept[1] == self._identity(shard):
            self._kept.move_to_end(shard)
            return kept[0]
        if kept is not None:  # another process wiped the file, or this process is a fork of the one that opened it
            self._release(shard)
        engine = _make_engine(self.conn_string_for_shard(shard))
        if shard not in self._initialized_dbs or not Path(self.path_for_shard(shard)).exists():
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        with engine.connect():
            pass
        self._kept[shard] = (engine, self._identity(shard))
        self._release_oldest()
        return engine

    def _identity(self, shard: str) -> tuple[int, int, int]:
        """Which file of which process. Another file under the same name has another inode."""
        try:
            found = Path(self.path_for_shard(shard)).stat()
        except FileNotFoundError:
            return (os.getpid(), 0, 0)
        return (os.getpid(), found.st_dev, found.st_ino)

    def _release_oldest(self) -> None:
        runs = [shard for shard in self._kept if shard != INDEX_SHARD_NAME]
        for shard in runs[: max(0, len(runs) - MAX_OPEN_RUNS)]:
            self._release(shard)

    def _release(self, shard: str) -> None:
        engine, (pid, _, _) = self._kept.pop(shard)
        # A connection that crossed a fork is not closed: that would release the locks of the process it belongs to.
        if pid == os.getpid():
            engine.dispose()

    def _release_all(self) -> None:
        with self._db_lock:
            for shard in list(self._kept):
                self._release(shard)

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        """Make the tables of a run's file. Dagster's own method reads and compiles its migrations for every run."""
        if for_index_shard:
            super()._initdb(engine, for_index_shard)
            return
        try:
            with engine.begin() as connection:
                revision = MigrationContext.configure(connection)
                if revision.get_current_revision() is None:
                    SqlEventLogStorageMetadata.create_all(connection)
                    revision.stamp(_migrations(), "head")
        except DatabaseError:  # another process makes them at the same time: Dagster's own method waits for it
            super()._initdb(engine)

    def has_table(self, table_name: str) -> bool:
        """Whether the index has this table.

        Dagster asks inside an open transaction, under the lock, so Dagster's own method looks over a connection of its
        own. A table that was there once stays.
        """
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables

    def upgrade(self) -> None:
        """Migrate the files, then open them anew."""
        super().upgrade()
        self._release_all()

    def wipe(self) -> None:
        """Delete all events."""
        self._release_all()
        super().wipe()

    def dispose(self) -> None:
        """Close the kept connections and end the watching."""
        if self._poller:
            self._poller.close()
            self._poller = None
        self._release_all()
        super().dispose()

    # -- writing -------------------------------------------------------------------------------------------------------

    def _has_asset_key_index_cols_on_connection(self, conn: Connection) -> bool:
        """Dagster asks this for every event. Only a migration changes the answer, and only from no to yes."""
        if not self._has_index_columns:
            self._has_index_columns = super()._has_asset_key_index_cols_on_connection(conn)
        return self._has_index_columns

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the events of each run in one transaction of the run's file and one of the index.

        The transaction of the index is committed first, inside the other one. An error before leaves neither; a process
        that is killed between the two commits leaves partitions that are materialized, without a line in the run's log.
        """
        if {event.dagster_event_type for event in events} - BATCHED:
            super().store_event_batch(events)
            return
        by_run: dict[str, list[EventLogEntry]] = {}
        for event in events:
            by_run.setdefault(event.run_id, []).append(event)
        for run_id, of_run in by_run.items():
            rows = [self._event_to_row(event) for event in of_run]
            with self._db_lock, self._transaction(run_id) as run:
                self._insert(run, rows)
                with self._transaction(INDEX_SHARD_NAME) as index:
                    ids = self._insert(index, rows)
                    self._store_asset_event_tags(index, of_run, ids)
                    self._update_asset_keys(index, of_run, ids)

    def _insert(self, connection: Connection, rows: list[dict[str, Any]]) -> list[int]:
        """The ids of the rows. SQLite has one writer at a time, so the ids of one transaction follow each other."""
        connection.execute(SqlEventLogStorageTable.insert(), rows)
        last = connection.execute(db.text("SELECT last_insert_rowid()")).scalar_one()
        return list(range(last - len(rows) + 1, last + 1))

    def _update_asset_keys(self, connection: Connection, events: Sequence[EventLogEntry], ids: Sequence[int]) -> None:
        """Write what the asset's own row says: it comes from the last event of each kind, in the order of their ids."""
        columns = self._has_asset_key_index_cols_on_connection(connection)
        last: dict[tuple[str, str], tuple[EventLogEntry, int]] = {}
        for event, event_id in zip(events, ids, strict=True):
            asset_key = event.get_dagster_event().asset_key
            if asset_key is not None:
                last[asset_key.to_string(), event.get_dagster_event().event_type_value] = (event, event_id)
        for (asset, _), (event, event_id) in sorted(last.items(), key=lambda item: item[1][1]):
            values = self._get_asset_entry_values(event, event_id, columns)
            if not values:
                continue
            updated = connection.execute(
                AssetKeyTable.update().values(**values).where(AssetKeyTable.c.asset_key == asset)
            )
            if not updated.rowcount:
                connection.execute(AssetKeyTable.insert().values(asset_key=asset, **values))

    # -- watching ------------------------------------------------------------------------------------------------------

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Poll for new events, as Dagster's storage for PostgreSQL does.

        Dagster's SQLite storage waits until the file changes. Here new events are in the WAL beside the file, and a
        change of the WAL comes before the commit, so its watcher loses events (100 of 120, measured).
        """
        self._poller = self._poller or SqlPollingEventWatcher(self)
        self._poller.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        """Stop polling for this handler."""
        if self._poller:
            self._poller.unwatch_run(run_id, handler)


@cache
def _migrations() -> ScriptDirectory:
    """Dagster's own, read once in a process."""
    return ScriptDirectory.from_config(get_alembic_config(sqlite_event_log.__file__))


def _make_engine(url: str) -> Engine:
    engine = db.create_engine(
        url,
        poolclass=StaticPool,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @sqlalchemy_event.listens_for(engine, "connect")
    def _use_wal(connection: Any, _: Any) -> None:
        # Dagster sets this after the tables are made, which costs 27 syncs of the disk for each run's file.
        connection.execute("PRAGMA journal_mode=WAL")

    return engine
