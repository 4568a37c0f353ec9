"""The journal of direct calls: when each call of a batch began, and what was answered. It is written down before the
work goes on.

Where the tables lie in a DuckDB file it is a file beside it, and no table, because that database lets one process write
at a time: two transactions for each call, of every process, would take longer than the call and wait for each other. A
line is written and synced in a few milliseconds, and the answer has to be on the disk anyway. It enters the tables with
the one transaction that collects the batch.

Where they lie in a PostgreSQL database it is the table `direct_calls`: another machine, which does not see this one's
disk, must be able to tell what was asked. Its rows are written by single statements that wait for no writer.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol

from grabient_assets import interrupts
from grabient_assets.errors import WarehouseError
from grabient_assets.ledger import batches
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout
from grabient_assets.warehouse.postgres import RESTART_SECONDS, PostgresDatabase
from grabient_assets.warehouse.postgres_engine import SCHEMA, literal

TABLE = f"{SCHEMA}.direct_calls"
STOP_SECONDS = 0.5
"""How often the database is asked whether somebody stopped the batch."""
ANSWER_SECONDS = 3600.0
"""How long an answer that is here waits for a server that is away. It was paid for and is nowhere else."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The contents of a journal: when each call began, and when it was answered, with its result line."""

    began: dict[str, datetime] = field(default_factory=dict)
    answered: dict[str, tuple[datetime, bytes]] = field(default_factory=dict)


class Journal(Protocol):
    """The calls of one batch as they are made. Thread-safe; what is noted outlives the process."""

    @property
    def is_stopped(self) -> bool:
        """Whether somebody wants no further call of the batch to begin."""
        ...

    def began(self, custom_id: str) -> None:
        """Record the call before it is made."""
        ...

    def put_back(self, custom_id: str) -> None:
        """Record a call that certainly asked nothing, or that the provider refused: it counts as never begun."""
        ...

    def answered(self, custom_id: str, line: bytes) -> None:
        """Record the answer after the call."""
        ...

    def close(self) -> None:
        """Nothing more is noted."""
        ...


def open_journal(warehouse: Warehouse, batch_id: str, clock: Callable[[], datetime]) -> Journal:
    """The journal of the batch, to write in. Raises WarehouseError when it cannot be written."""
    if warehouse.database is not None:
        return TableJournal(warehouse.database, batch_id, clock, _folder(warehouse) / "late")
    return FileJournal(_file(warehouse, batch_id), _flag(warehouse, batch_id), clock)


def calls_of(warehouse: Warehouse, batch_id: str) -> Calls:
    """The calls of an open direct batch, as they are this moment."""
    database = warehouse.database
    return read_journal(_file(warehouse, batch_id)) if database is None else _read_table(database, batch_id)


def ask_to_stop(warehouse: Warehouse, batch_id: str) -> None:
    """Let the process that makes the calls of the batch begin no more. In a database `cancel_asked_at` of the batch
    says so already."""
    if warehouse.database is not None:
        return
    flag = _flag(warehouse, batch_id)
    try:
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.touch()
    except OSError as error:
        raise _unwritable(flag, error) from error


def forget_calls(warehouse: Warehouse, batch_id: str) -> None:
    """Remove the journal of the batch: the tables hold all of its contents."""
    if warehouse.database is not None:
        with warehouse.database.asking() as ask:
            ask(f"DELETE FROM {TABLE} WHERE batch_id = {literal(batch_id)}")
        return
    for path in (_file(warehouse, batch_id), _flag(warehouse, batch_id)):
        path.unlink(missing_ok=True)


def tidy(warehouse: Warehouse) -> None:
    """Remove the journals of closed batches whose process was killed between the transaction and the removal."""
    if warehouse.database is not None:
        closed = f"SELECT batch_id FROM {SCHEMA}.batches WHERE status <> 'intended'"
        with warehouse.database.asking() as ask:
            ask(f"DELETE FROM {TABLE} WHERE batch_id IN ({closed})")
        return
    ids = {path.stem for path in _folder(warehouse).glob("*") if path.suffix != ".slot"}
    if not ids:
        return
    with warehouse.read() as database:
        over = [one.batch_id for one in batches.batches_of(database, ids) if one.status != "intended"]
    for batch_id in over:
        forget_calls(warehouse, batch_id)


class FileJournal:
    """A file with a line for each event, synced to the disk. `flag` is a file that is there when the batch is to
    stop."""

    def __init__(self, path: Path, flag: Path, clock: Callable[[], datetime]) -> None:
        self._path, self._flag, self._clock = path, flag, clock
        self._lock = threading.Lock()
        self._torn = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("ab", buffering=0)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise _unwritable(path, error) from error

    @property
    def is_stopped(self) -> bool:
        return self._flag.exists()

    def began(self, custom_id: str) -> None:
        self._append({"began": custom_id})

    def put_back(self, custom_id: str) -> None:
        self._append({"put_back": custom_id})

    def answered(self, custom_id: str, line: bytes) -> None:
        self._append({"answered": custom_id, "line": line.decode()})

    def close(self) -> None:
        self._file.close()

    def _append(self, event: dict[str, str]) -> None:
        line = json.dumps({**event, "at": self._clock().isoformat()}).encode() + b"\n"
        with self._lock:
            try:
                # Start a new line after a write that was cut short: reading skips the torn line.
                whole = b"\n" + line if self._torn else line
                self._torn = True
                if self._file.write(whole) != len(whole):
                    raise OSError(28, "No space left on device")
                os.fsync(self._file.fileno())
                self._torn = False
            except OSError as error:
                raise _unwritable(self._path, error) from error


class TableJournal:
    """Rows of the table `direct_calls`. An answer for which there is no row any more is kept in a file of the folder
    `late`."""

    def __init__(self, database: PostgresDatabase, batch_id: str, clock: Callable[[], datetime], late: Path) -> None:
        self._database, self._batch_id, self._clock, self._late = database, batch_id, clock, late
        self._briefly = PostgresDatabase(database.address, LockTimeout(STOP_SECONDS))
        self._patiently = PostgresDatabase(database.address, LockTimeout(ANSWER_SECONDS), ANSWER_SECONDS)
        self._looked, self._stopped = -STOP_SECONDS, False

    @property
    def is_stopped(self) -> bool:
        if not self._stopped and time.monotonic() - self._looked >= STOP_SECONDS:
            self._looked = time.monotonic()
            asked = f"SELECT 1 AS one FROM {SCHEMA}.batches WHERE {self._is_ours} AND cancel_asked_at IS NOT NULL"
            # It is asked while an answer is read, which no trouble of the database may break off.
            with suppress(WarehouseError), self._briefly.asking() as ask:
                self._stopped = bool(ask(asked))
        return self._stopped

    def began(self, custom_id: str) -> None:
        row = ", ".join(map(literal, (self._batch_id, custom_id, self._clock().isoformat())))
        self._write(f"INSERT INTO {TABLE} (batch_id, custom_id, began_at) VALUES ({row}) ON CONFLICT DO NOTHING")

    def put_back(self, custom_id: str) -> None:
        self._write(f"DELETE FROM {TABLE} WHERE {self._is_ours} AND custom_id = {literal(custom_id)}")

    def answered(self, custom_id: str, line: bytes) -> None:
        values = f"answered_at = {literal(self._clock().isoformat())}, line = {literal(line.decode())}"
        call = f"{self._is_ours} AND custom_id = {literal(custom_id)}"
        with interrupts.finishing(RESTART_SECONDS), self._patiently.asking() as ask:
            ask(f"UPDATE {TABLE} SET {values} WHERE {call}")
            if not ask(f"SELECT 1 AS one FROM {TABLE} WHERE {call} AND answered_at IS NOT NULL"):
                raise self._kept_aside(custom_id, line)

    def _kept_aside(self, custom_id: str, line: bytes) -> WarehouseError:
        """This process stood still for longer than its lease runs, and another machine settled the call as lost."""
        file = self._late / f"{self._batch_id}-{custom_id}.jsonl"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(line + b"\n")
        except OSError as error:
            return _unwritable(file, error)
        return WarehouseError(
            f"The answer to {custom_id} came after another machine had taken batch {self._batch_id} for abandoned and "
            f"noted the call as lost. It is kept in {file}. `grabient retry` asks again, which is paid for again."
        )

    def close(self) -> None:
        """Every statement was stored by itself."""

    @property
    def _is_ours(self) -> str:
        return f"batch_id = {literal(self._batch_id)}"

    def _write(self, statement: str) -> None:
        # Whoever is asked to end notes what has been answered first.
        with interrupts.finishing(math.inf), self._database.asking() as ask:
            ask(statement)


def read_journal(path: Path) -> Calls:
    """The journal on the disk. A line that was cut short is ignored: a call is made only after its line is complete."""
    calls = Calls()
    if not path.exists():
        return calls
    for line in path.read_bytes().split(b"\n"):
        try:
            event: dict[str, str] = json.loads(line)
            at = datetime.fromisoformat(event["at"])
        except (ValueError, KeyError, TypeError):
            continue
        if "began" in event:
            calls.began[event["began"]] = at
        elif "put_back" in event:
            calls.began.pop(event["put_back"], None)
        elif "answered" in event:
            calls.answered[event["answered"]] = (at, event["line"].encode())
    return calls


def _read_table(database: PostgresDatabase, batch_id: str) -> Calls:
    query = f"SELECT custom_id, began_at, answered_at, line FROM {TABLE} WHERE batch_id = {literal(batch_id)}"
    with database.asking() as ask:
        rows = ask(query)
    answered = {one: (at.astimezone(UTC), line.encode()) for one, _, at, line in rows if at is not None}
    return Calls({one: began.astimezone(UTC) for one, began, _, _ in rows}, answered)


def _unwritable(path: Path, error: OSError) -> WarehouseError:
    return WarehouseError(
        f"{path} cannot be written ({error.strerror}), so no further call is made. Free space on the disk or make the "
        "folder writable, then run again."
    )


def _folder(warehouse: Warehouse) -> Path:
    return warehouse.folder / "direct"


def _file(warehouse: Warehouse, batch_id: str) -> Path:
    return _folder(warehouse) / f"{batch_id}.jsonl"


def _flag(warehouse: Warehouse, batch_id: str) -> Path:
    return _folder(warehouse) / f"{batch_id}.stop"
