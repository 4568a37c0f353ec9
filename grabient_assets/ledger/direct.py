"""Direct calls: one call for each archived request line, with the intent, budget, fates and archive of a batch.

No provider offers a way to look up a call that was cut off. So each call is recorded as begun before it is made, and
its answer is recorded after it, in a journal beside the database that is synced to the disk before the work goes on.
When the calls are over, or their process is dead, the journal tells for every request whether it was answered, may have
been billed without an answer, or was never asked. It becomes result lines in the shape of the provider's batches, which
are archived and collected like those.

The journal is a file and no table, because the database lets one process write at a time: two transactions for each
call, of every process, would take longer than the call and wait for each other. A line is written and synced in a few
milliseconds, and the answer has to be on the disk anyway. It enters the tables with the one transaction that collects
the batch.

Exactly once cannot be guaranteed here: a request whose process is killed between the call and its answer is `missing`,
and its billing stays unknown. It is not asked again automatically.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from grabient_assets import interrupts
from grabient_assets.errors import (
    AmbiguousSubmissionError,
    CredentialsError,
    ModelUnavailableError,
    ProviderError,
    RequestRejectedError,
    WarehouseError,
)
from grabient_assets.ledger import batches
from grabient_assets.ledger.archive import archive_results
from grabient_assets.ledger.backoff import deferral
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.collect import Fetched, settle_batch, write_batch
from grabient_assets.ledger.sending_lock import is_being_sent
from grabient_assets.ledger.settling import AnswerReader
from grabient_assets.providers.connect import line_reader
from grabient_assets.providers.contract import BatchProvider, BatchState
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

MOST_CALLS = 500
"""The most requests of one intent: its answers are stored, and its money is settled, when all of them are over."""

LOOK_EVERY_SECONDS = 0.02
"""The pause between two tries to get a place while other processes hold all."""

_FINAL = (CredentialsError, ModelUnavailableError, RequestRejectedError)
"""After one of these nothing is due again by itself: its asks are stopped (send.py)."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The contents of a journal: when each call began, and when it was answered, with its result line."""

    began: dict[str, datetime] = field(default_factory=dict)
    answered: dict[str, tuple[datetime, bytes]] = field(default_factory=dict)


class Journal:
    """The calls of one batch as they are made, a line for each event, synced to the disk. Thread-safe."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._path, self._clock = path, clock
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

    def began(self, custom_id: str) -> None:
        """Record the call before it is made."""
        self._append({"began": custom_id})

    def put_back(self, custom_id: str) -> None:
        """Record a call that certainly asked nothing, or that the provider refused: it counts as never begun."""
        self._append({"put_back": custom_id})

    def answered(self, custom_id: str, line: bytes) -> None:
        """Record the answer after the call."""
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


def calls_of(warehouse: Warehouse, batch_id: str) -> Calls:
    """The calls of an open direct batch, as they are this moment."""
    return read_journal(_journal(warehouse, batch_id))


def _unwritable(path: Path, error: OSError) -> WarehouseError:
    return WarehouseError(
        f"{path} cannot be written ({error.strerror}), so no further call is made. Free space on the disk or make the "
        "folder writable, then run again."
    )


def make_calls(
    batch: BatchRecord,
    lines: Sequence[tuple[str, bytes]],
    model: Model,
    provider: BatchProvider,
    warehouse: Warehouse,
    clock: Callable[[], datetime],
    *,
    lets_go: bool = False,
) -> ProviderError | None:
    """Make one call for each (custom_id, request line), several at a time; returns the error that ended the calls.

    All processes of this machine together never have more calls under way at the provider than the registry allows.
    With `lets_go`, stopping the batch or the program does not wait for the answer of a call under way: it stays begun,
    so its billing is unknown.
    """
    most = load_registry().direct[batch.provider].in_flight
    _tidy(warehouse)
    journal = Journal(_journal(warehouse, batch.batch_id), clock)
    calling = _Calling(lines, _flag(warehouse, batch.batch_id))

    def cancelled() -> bool:
        return lets_go and (calling.is_over or interrupts.requested() is not None)

    def work() -> None:
        try:
            while (one := calling.next()) is not None:
                with _slot(warehouse, batch.provider, most, calling) as free:
                    if free:
                        call(*one)
        except BaseException:
            calling.stop()
            raise

    def call(custom_id: str, line: bytes) -> None:
        interrupts.check_before_sending()
        journal.began(custom_id)
        try:
            with interrupts.let_go_when(cancelled):
                answer = provider.send_directly(line, model)
        except interrupts.LetGo:
            calling.stop()
        except AmbiguousSubmissionError as error:  # it may have been billed, so it stays begun
            calling.stop(error)
        except ProviderError as error:
            journal.put_back(custom_id)
            calling.stop(error)
        except interrupts.Interrupted as stopped:
            if not stopped.unfinished:
                journal.put_back(custom_id)
            raise
        else:
            journal.answered(custom_id, answer)

    try:
        with ThreadPoolExecutor(min(most, len(lines)), thread_name_prefix="call") as threads:
            working = [threads.submit(work) for _ in range(min(most, len(lines)))]
        for one in working:
            one.result()
    finally:
        journal.close()
    return calling.error


class _Calling:
    """The requests still to be asked, and whether the calls go on."""

    def __init__(self, lines: Sequence[tuple[str, bytes]], flag: Path) -> None:
        self._lines, self._flag = iter(lines), flag
        self._lock = threading.Lock()
        self._stopped = False
        self.error: ProviderError | None = None

    def next(self) -> tuple[str, bytes] | None:
        with self._lock:
            return None if self.is_over else next(self._lines, None)

    @property
    def is_over(self) -> bool:
        """Whether no further call may begin: after an error, or because a person stopped the batch."""
        return self._stopped or self._flag.exists()

    def stop(self, error: ProviderError | None = None) -> None:
        self._stopped = True
        self.error = self.error or error


@contextmanager
def _slot(warehouse: Warehouse, provider: str, most: int, calling: _Calling) -> Iterator[bool]:
    """Hold one of the places of the provider, as soon as one is free. False when the calls end before.

    A place is a lock on a file: it ends with the process that holds it. A process that waits for a place holds the lock
    of the queue, so a process that has just left its place does not take it again before others.
    """
    folder = _folder(warehouse)
    places = [folder / f"{provider}.{number}.slot" for number in range(most)]
    with ExitStack() as held:
        with ExitStack() as queue:
            free = _first_free([folder / f"{provider}.queue.slot"], queue, calling) and _first_free(
                places, held, calling
            )
        yield free


def _first_free(paths: Sequence[Path], held: ExitStack, calling: _Calling) -> bool:
    """Lock the first of these files that is free. False when the calls end before one is."""
    while not calling.is_over:
        interrupts.check()
        for path in paths:
            with ExitStack() as opened:
                file = opened.enter_context(path.open("w"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                held.push(opened.pop_all())
                return True
        time.sleep(LOOK_EVERY_SECONDS * random.uniform(0.5, 1.5))
    return False


def fetch_calls(
    batch: BatchRecord,
    warehouse: Warehouse,
    store: ObjectStore,
    now: datetime,
    run_id: str | None = None,
    error: ProviderError | None = None,
) -> Fetched | None:
    """The calls as an ended batch whose result lines are archived; None when no call was begun and nobody stopped the
    batch.

    `error`: the reason why the calls ended early. Requests that were never asked are due again then, after a backoff.
    """
    calls = read_journal(_journal(warehouse, batch.batch_id))
    if not calls.began and batch.cancel_asked_at is None:
        return None
    lines = [line for custom_id, (_, line) in calls.answered.items() if custom_id in calls.began]
    with warehouse.read() as database:
        requests = {
            r.custom_id: replace(
                r,
                began_at=calls.began.get(r.custom_id),
                answered_at=calls.answered[r.custom_id][0] if r.custom_id in calls.answered else None,
            )
            for r in batches.requests_of(database, batch.batch_id)
        }
        delivered = batches.deliveries(database, requests, exclude=batch.batch_id)
        times_before = batches.deferrals(database, batch.provider, exclude=batch.batch_id)
    if error is not None and not isinstance(error, _FINAL):
        pause = deferral(times_before, batch.batch_id, getattr(error, "retry_after", None))
        batch = replace(batch, retry_at=now + pause)
    ended_at = max([at for at, _ in calls.answered.values()], default=now)
    state = BatchState(
        provider_batch_id="",
        state="ended",
        raw_status="direct",
        outcome="completed" if batch.cancel_asked_at is None else "cancelled",
        total=len(requests),
        error=str(error) if error is not None else None,
        created_at=min(calls.began.values(), default=now),
        ended_at=ended_at,
    )
    batch = replace(
        batch,
        results_key=archive_results(store, batch.batch_id, state, lines),
        submitted_at=state.created_at,
        ended_at=ended_at,
        outcome=state.outcome,
        raw_status=state.raw_status,
        collect_run_id=run_id,
    )
    return Fetched(batch, state, lines, requests, delivered)


def collect_calls(
    batch: BatchRecord,
    model: Model,
    warehouse: Warehouse,
    store: ObjectStore,
    reader: Callable[[BatchRecord], AnswerReader],
    clock: Callable[[], datetime],
    error: ProviderError | None,
) -> BatchRecord | None:
    """Store the results of the calls; returns the batch afterwards. None when no call was begun."""
    while True:
        with warehouse.read() as database:
            latest = batches.batch(database, batch.batch_id) or batch
        if latest.status != "intended":
            return latest
        fetched = fetch_calls(latest, warehouse, store, clock(), batch.submit_run_id, error)
        if fetched is None:
            return None
        settled = settle_batch(fetched, model, line_reader(batch.provider), reader(fetched.batch))
        with warehouse.write() as database:
            done = write_batch(database, settled, clock)
        if done is not None:  # otherwise a person asked to stop it meanwhile
            forget_calls(warehouse, batch.batch_id)
            return done.batch


def take_up(
    batch: BatchRecord, warehouse: Warehouse, store: ObjectStore, clock: Callable[[], datetime], run_id: str | None
) -> Fetched | BatchRecord:
    """What to do with an open direct batch: nothing while its process lives; then settle its calls or, when none was
    begun, make its requests due again. Makes no call."""
    if is_being_sent(warehouse, batch.batch_id):
        return batch
    with warehouse.read() as database:
        latest = batches.batch(database, batch.batch_id) or batch
    if latest.status != "intended":
        return latest
    fetched = fetch_calls(latest, warehouse, store, clock(), run_id)
    return fetched or record_never_begun(latest, warehouse, clock())


def record_never_begun(batch: BatchRecord, warehouse: Warehouse, now: datetime) -> BatchRecord:
    """No call was begun: the requests are due at once."""
    why = "Not sent: the program ended before the first call. Its requests are due again."
    changes: dict[str, Any] = {"status": "deferred", "retry_at": now, "error": why}
    with warehouse.write() as database:
        latest = batches.batch(database, batch.batch_id)
        if latest is None or latest.status != "intended":
            return latest or batch
        batches.set_all_fates(database, batch.batch_id, "errored", why)
        batches.update_batch(database, batch.batch_id, **changes)
    forget_calls(warehouse, batch.batch_id)
    return replace(latest, **changes)


def ask_to_stop(warehouse: Warehouse, batch_id: str) -> None:
    """Let the process that makes the calls of the batch begin no more."""
    flag = _flag(warehouse, batch_id)
    try:
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.touch()
    except OSError as error:
        raise _unwritable(flag, error) from error


def forget_calls(warehouse: Warehouse, batch_id: str) -> None:
    """Remove the files of the batch: the tables hold all of their contents."""
    for path in (_journal(warehouse, batch_id), _flag(warehouse, batch_id)):
        path.unlink(missing_ok=True)


def _tidy(warehouse: Warehouse) -> None:
    """Remove the files of closed batches whose process was killed between the transaction and the removal."""
    ids = {path.stem for path in _folder(warehouse).glob("*") if path.suffix != ".slot"}
    if not ids:
        return
    with warehouse.read() as database:
        closed = [one.batch_id for one in batches.batches_of(database, ids) if one.status != "intended"]
    for batch_id in closed:
        forget_calls(warehouse, batch_id)


def _folder(warehouse: Warehouse) -> Path:
    return warehouse.folder / "direct"


def _journal(warehouse: Warehouse, batch_id: str) -> Path:
    return _folder(warehouse) / f"{batch_id}.jsonl"


def _flag(warehouse: Warehouse, batch_id: str) -> Path:
    return _folder(warehouse) / f"{batch_id}.stop"
