"""The event log of dagster-postgres with planned materializations in batches, and all assets of a batch up to date.

Dagster stores a batch of materializations at once, but the materializations that a new run plans one by one, 7 to 9 ms
for each partition. After a batch it writes the row of the asset of the last event only; an asset that has no row is
shown as never materialized (dagster-postgres 0.29.27).

The class needs private modules of Dagster: the imports below and the methods in RELIES_ON. instance.py uses Dagster's
own class when one of them is not as it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from dagster._core.events import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster_postgres.event_log import PostgresEventLogStorage

BATCHED = {
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_OBSERVATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
}
"""The kinds of events that go into the log and the assets' rows and nowhere else."""

RELIES_ON: dict[type, dict[str, tuple[str, ...]]] = {
    PostgresEventLogStorage: {
        "__init__": ("self", "postgres_url", "should_autocreate_tables", "inst_data", "token_provider"),
        "store_event_batch": ("self", "events"),
        "_event_to_row": ("self", "event"),
        "_store_asset_event_tags": ("self", "conn", "events", "event_ids"),
        "_store_asset_event": ("self", "conn", "event", "event_id"),
        "index_transaction": ("self",),
    }
}
"""Methods that are called or replaced here, with their parameters in dagster-postgres 0.29."""


_INSERT = SqlEventLogStorageTable.insert().returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
"""Takes rows as parameters. Dagster's own statement holds its rows, and SQLAlchemy compiles it anew for each batch."""


class BatchedPostgresEventLogStorage(PostgresEventLogStorage):
    """Dagster's own storage; the tables and the rows are the same."""

    @classmethod
    def over(cls, storage: PostgresEventLogStorage) -> BatchedPostgresEventLogStorage:
        """The storage over the same database. It makes no tables: the given one has done so."""
        return cls(storage.postgres_url, False, storage.inst_data, storage._token_provider)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the events and the rows of their assets in one transaction, with one statement for all events.

        Each asset gets what its last event of each kind says. Rows are written in the order of the assets' names, so
        that two processes that report the same assets never wait for each other in a circle.
        """
        if {event.dagster_event_type for event in events} - BATCHED:
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        with self.index_transaction() as connection:
            ids = list(connection.execute(_INSERT, rows).scalars())
            last: dict[tuple[str, str], tuple[int, EventLogEntry]] = {}
            for event, event_id in zip(events, ids, strict=True):
                details = event.get_dagster_event()
                if details.asset_key is not None:
                    last[details.asset_key.to_string(), details.event_type_value] = (event_id, event)
            self._store_asset_event_tags(connection, events, ids)
            for _, (event_id, event) in sorted(last.items(), key=lambda item: (item[0][0], item[1][0])):
                self._store_asset_event(connection, event, event_id)
