"""Fetching the results of a batch and giving every request its fate.

Raw first: the result lines are archived before anything is parsed. Then one transaction writes fates, answers, costs
and the state of the batch, so a batch is either collected or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import InputFileUnseenError
from grabient_assets.ledger import batches
from grabient_assets.ledger.archive import archive_results
from grabient_assets.ledger.asks import stop_asks
from grabient_assets.ledger.backoff import may_be_seen_yet, spread
from grabient_assets.ledger.batches import BatchRecord, RequestRecord
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.settling import AnswerReader, Answers, Settled, closed, fate_record, settle
from grabient_assets.ledger.short_results import fetch_again, is_settling
from grabient_assets.providers.contract import BatchState, ReadLine
from grabient_assets.providers.error_table import means_unseen_file
from grabient_assets.providers.refusals import LATER_CODES
from grabient_assets.registry.model import Model
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=30)
"""The backoff of requests that the provider's queue had no room for: it doubles from the first to the longest."""


@dataclass(frozen=True, slots=True)
class Collected:
    """A collected batch: its row, the number of each fate, and the oddities of the results."""

    batch: BatchRecord
    fates: Counter[str]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fetched:
    """An ended batch, what it asked, and its result lines, which are archived already.

    `delivered` counts the earlier batches that carried the same request.
    """

    batch: BatchRecord
    state: BatchState
    lines: Sequence[bytes]
    requests: Mapping[str, RequestRecord]
    delivered: Mapping[str, int]


def fetch_batch(
    batch: BatchRecord,
    connection: Connection,
    warehouse: Warehouse,
    store: ObjectStore,
    clock: Callable[[], datetime],
    run_id: str | None = None,
    *,
    as_it_is: bool = False,
) -> Fetched | None:
    """Download and archive the results.

    None while the batch goes on or its results are incomplete, and when it was deferred. `as_it_is`: missing lines are
    not waited for.
    """
    assert batch.provider_batch_id is not None
    provider = connection.provider
    if not as_it_is and is_settling(batch, connection.settling, clock()):
        return None
    results = provider.results(batch.provider_batch_id)
    state, lines = results.state, list(results.lines)
    if state.state != "ended":
        return None
    if state.outcome == "failed" and not lines and _defer(warehouse, batch, state, clock()):
        return None
    if not as_it_is and fetch_again(batch, state, lines, provider.read_line, warehouse, connection.settling, clock()):
        return None
    key = archive_results(store, batch.batch_id, state, lines)
    batch = replace(batch, results_key=key, ended_at=state.ended_at or clock(), outcome=state.outcome)
    with warehouse.read() as database:
        requests = {r.custom_id: r for r in batches.requests_of(database, batch.batch_id)}
        delivered = batches.deliveries(database, requests, exclude=batch.batch_id)
    batch = replace(batch, raw_status=state.raw_status, collect_run_id=run_id)
    return Fetched(batch, state, lines, requests, delivered)


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """A batch whose result lines have become fates and answers that are not written yet."""

    batch: BatchRecord
    state: BatchState
    settled: Sequence[Settled]
    problems: Sequence[str]
    reader: AnswerReader
    stop: str | None = None
    """Why nothing more is asked of the model by itself."""


def settle_batch(fetched: Fetched, model: Model | None, read_line: ReadLine, reader: AnswerReader) -> SettledBatch:
    """Turn result lines into fates and answers. Needs no database."""
    answers = Answers(fetched.batch, fetched.state, fetched.lines, fetched.requests, fetched.delivered, model)
    done = settle(answers, read_line, reader)
    return SettledBatch(fetched.batch, fetched.state, done.settled, done.problems, reader, done.stop)


def write_batch(connection: DuckDBPyConnection, one: SettledBatch, clock: Callable[[], datetime]) -> Collected | None:
    """Write all of a batch, in the transaction of `connection`.

    None when another process wrote it meanwhile, or a person asked to stop it, so that it must be settled again.
    """
    latest = batches.batch(connection, one.batch.batch_id)
    if latest is None or latest.status != ("intended" if latest.delivery == "direct" else "submitted"):
        return None
    if latest.cancel_asked_at != one.batch.cancel_asked_at:
        return None  # settled before the request to stop it: other fates are final now
    now = ledger_time(connection, clock())
    batch = closed(one.batch, one.state, one.settled, one.problems, now)
    if one.stop is not None:
        stop_asks(connection, batch.purpose, batch.provider, batch.model, one.stop, now)
    write_settled(connection, batch, one.settled, one.reader, now, _changes(batch))
    return Collected(batch, Counter(s.verdict.fate for s in one.settled), tuple(one.problems))


def write_settled(
    connection: DuckDBPyConnection,
    batch: BatchRecord,
    settled: Sequence[Settled],
    reader: AnswerReader,
    now: datetime,
    changes: Mapping[str, Any],
) -> None:
    """Write the fates, the group's rows and these columns of the batch. They belong into one transaction."""
    batches.record_fates(connection, batch.batch_id, [fate_record(s) for s in settled])
    reader.save(connection, batch, settled, now)
    batches.update_batch(connection, batch.batch_id, **changes)


def _changes(batch: BatchRecord) -> dict[str, Any]:
    names = ("status", "outcome", "raw_status", "ended_at", "collected_at", "succeeded", "failed", "cost_usd")
    if batch.delivery == "direct":
        names = (*names, "submitted_at", "retry_at")
    return {name: getattr(batch, name) for name in (*names, "results_key", "collect_run_id", "error", "error_kind")}


def _defer(warehouse: Warehouse, batch: BatchRecord, state: BatchState, now: datetime) -> bool:
    """Whether the provider accepted the batch and then deferred it: nothing was answered, nothing is billed. Its queue
    was full, or it did not yet see the file that was uploaded just before.

    False when a person asked to stop the batch: it is settled then, and no request of it is due again. False also when
    several files in a row were not seen.
    """
    unseen = means_unseen_file(state.error_code, state.error)
    if not unseen and state.error_code not in LATER_CODES:
        return False
    with warehouse.write() as connection:
        latest = batches.batch(connection, batch.batch_id)
        if latest is None or latest.status != "submitted":
            return True  # another process has ended it meanwhile
        if latest.cancel_asked_at is not None or (unseen and not may_be_seen_yet(connection, latest)):
            return False
        times_before = batches.deferrals(connection, batch.provider, exclude=batch.batch_id)
        pause = min(FIRST_PAUSE * 2 ** min(times_before, 5), LONGEST_PAUSE)
        reason = state.error or state.error_code or "queue full"
        batches.set_all_fates(connection, batch.batch_id, "errored", f"Put off by the provider: {reason}")
        batches.update_batch(
            connection,
            batch.batch_id,
            status="deferred",
            outcome="failed",
            raw_status=state.raw_status,
            retry_at=now + spread(pause, batch.batch_id),
            ended_at=now,
            error=reason,
            error_kind=InputFileUnseenError.__name__ if unseen else None,
        )
    return True
