"""The staging file of a reparse: a DuckDB file of its own that holds the parsed rows until they replace the stored
ones.

It is filled batch by batch, while the main file stays free for others, and deleted after its use or when the process
that filled it is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from grabient_assets.errors import WarehouseLockedError
from grabient_assets.ledger.batches import FateRecord
from grabient_assets.warehouse import faults
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.locks import LockName
from grabient_assets.warehouse.rows import insert_rows, with_rows

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class StagedBatch:
    """The parsed rows of a batch."""

    batch_id: str
    succeeded: int
    failed: int
    cost_usd: Decimal | None
    error: str | None


REPARSE = LockName("reparse", "reparse.lock")

FATES = ("batch_id", *FateRecord.__dataclass_fields__)
BATCHES = tuple(StagedBatch.__dataclass_fields__)


class Staging:
    """The file, while its lock is held. Its tables are named and shaped as those of the main file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(
        self, batch: StagedBatch, fates: Sequence[FateRecord], table: str, rows: Sequence[DataclassInstance]
    ) -> None:
        """Add one batch, in one transaction."""
        with self._open() as connection:
            connection.begin()
            insert_rows(connection, "batches", [batch])
            if fates:
                statement = f"INSERT INTO batch_requests SELECT '{batch.batch_id}', * FROM new_rows"
                with_rows(connection, "batch_requests", fates, statement)
            insert_rows(connection, table, rows)
            connection.commit()

    @contextmanager
    def _open(self) -> Iterator[DuckDBPyConnection]:
        import duckdb

        try:
            with duckdb.connect(str(self.path)) as connection:
                yield connection
        except duckdb.Error as error:
            fault = faults.using(error, self.path)
            if fault is None:
                raise
            raise fault from error


@contextmanager
def staging(warehouse: Warehouse, answer_tables: Sequence[str]) -> Iterator[Staging]:
    """An empty staging file, with these tables of answers; the rest of an earlier process is dropped.

    Raises WarehouseLockedError when another process is using it, WarehouseError when it cannot be written.
    """
    path = warehouse.folder / "reparse.duckdb"
    try:
        held = warehouse.locks.take([REPARSE])
    except OSError as error:
        raise faults.opening(error, path.with_name(REPARSE.file)) from error
    if held is None:
        where = "this data folder" if warehouse.database is None else f"{warehouse.place}"
        raise WarehouseLockedError(f"Another `grabient reparse` is at work in {where}. Wait for its end.")
    with held:
        _drop(path)
        try:
            _make_tables(warehouse, path, answer_tables)
            yield Staging(path)
        finally:
            _drop(path)


def _make_tables(warehouse: Warehouse, path: Path, answer_tables: Sequence[str]) -> None:
    tables = {"batches": BATCHES, "batch_requests": FATES, **dict.fromkeys(answer_tables, ("*",))}
    with warehouse.read(staged=path) as connection:
        for table, columns in tables.items():
            connection.execute(f"CREATE TABLE staged.{table} AS SELECT {', '.join(columns)} FROM {table} LIMIT 0")


def _drop(path: Path) -> None:
    for leftover in (path, faults.log_of(path)):
        try:
            leftover.unlink(missing_ok=True)
        except OSError as error:
            raise faults.opening(error, path) from error
