"""Fetching what a provider answered and giving every request its fate.

Raw first: the result lines are archived before anything is parsed. Then one transaction writes fates, answers,
costs and the state of the batch, so that a batch is either collected or it is not.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from grabient_assets.batching.costs import believable_usage, dollars, total
from grabient_assets.batching.fates import ASKED_AGAIN, MAX_DELIVERIES, USABLE, Fate
from grabient_assets.errors import ResultsError
from grabient_assets.providers.contract import BatchProvider, BatchState, Result
from grabient_assets.registry.model import Model
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse import batches
from grabient_assets.warehouse.batches import BatchRecord, FateRecord, RequestRecord
from grabient_assets.warehouse.clock import ledger_time
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LATER_CODES = frozenset({"token_limit_exceeded", "rate_limit_exceeded", "insufficient_quota"})
"""Reasons of a failed batch that say "not now" rather than "not so" (OpenAI and Groq `errors.data[].code`)."""

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=30)
"""How long requests wait that the provider's queue had no room for: doubling from the first to the longest."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a group makes of an answer: its fate, why it cannot be used, and whatever the group wants to save."""

    fate: Fate
    error: str | None = None
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A request with its fate. `final` is false when it is due again by itself and nothing is to be saved."""

    request: RequestRecord
    verdict: Verdict
    final: bool
    text: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None


class AnswerReader(Protocol):
    """What a group brings to the shared cycle."""

    def judge(self, request: RequestRecord, text: str) -> Verdict:
        """Read one answer text. Never raises for what a model said."""
        ...

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        """Write the final ones into the group's tables, in the transaction that also writes the fates."""
        ...


ReaderOf: TypeAlias = Callable[[BatchRecord], AnswerReader]
"""Gives the reader of a batch, by its purpose."""


@dataclass(frozen=True, slots=True)
class Collected:
    """A collected batch: its row, how often each fate occurred, and what was odd about the results."""

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
    provider: BatchProvider,
    warehouse: Warehouse,
    store: ObjectStore,
    clock: Callable[[], datetime],
    run_id: str | None = None,
) -> Fetched | None:
    """Download and archive what the provider answered; None while it goes on, or when the batch was put off."""
    assert batch.provider_batch_id is not None
    state = provider.poll(batch.provider_batch_id)
    if state.state != "ended":
        return None
    if state.outcome == "failed" and state.error_code in LATER_CODES and not state.succeeded:
        _defer(warehouse, batch, state, clock())
        return None
    lines = list(provider.download(batch.provider_batch_id))
    key = f"batches/{batch.batch_id}/results.jsonl.gz"
    store.put(key, gzip.compress(b"\n".join(lines) + b"\n", compresslevel=3, mtime=0), "application/gzip")
    batch = replace(batch, results_key=key, ended_at=state.ended_at or clock(), outcome=state.outcome)
    with warehouse.read() as connection:
        requests = {r.custom_id: r for r in batches.requests_of(connection, batch.batch_id)}
        delivered = batches.deliveries(connection, requests, but=batch.batch_id)
    batch = replace(batch, raw_status=state.raw_status, collect_run_id=run_id)
    return Fetched(batch, state, lines, requests, delivered)


def settle_batch(
    fetched: Fetched,
    model: Model | None,
    provider: BatchProvider,
    warehouse: Warehouse,
    reader: AnswerReader,
    clock: Callable[[], datetime],
) -> Collected | None:
    """Turn result lines into fates and answers, and commit them together; None when another process did meanwhile.

    Without `model`, one the registry knows no more, the answers are kept and their cost stays unknown (null).
    """
    batch, state, requests = fetched.batch, fetched.state, fetched.requests
    results, contradicted, problems = _by_custom_id(fetched.lines, provider, requests)
    on = (batch.submitted_at or batch.intended_at).date()
    settled = [
        _settle(
            request,
            _verdict(request, results.get(custom_id), custom_id in contradicted, state, reader),
            results.get(custom_id),
            dollars(results.get(custom_id), model, on, problems),
            fetched.delivered.get(custom_id, 0) + 1,
        )
        for custom_id, request in requests.items()
    ]
    with warehouse.write() as connection:
        latest = batches.batch(connection, batch.batch_id)
        if latest is None or latest.status != "submitted":
            return None
        now = ledger_time(connection, clock())
        batch = _closed(batch, state, settled, problems, now)
        write_settled(connection, batch, settled, reader, now, _changes(batch))
    return Collected(batch, Counter(s.verdict.fate for s in settled), tuple(problems))


def write_settled(
    connection: DuckDBPyConnection,
    batch: BatchRecord,
    settled: Sequence[Settled],
    reader: AnswerReader,
    now: datetime,
    changes: Mapping[str, Any],
) -> None:
    """Write the fates, the group's rows and these columns of the batch, which belong into one transaction."""
    batches.record_fates(connection, batch.batch_id, [_fate(s) for s in settled])
    reader.save(connection, batch, settled, now)
    batches.update_batch(connection, batch.batch_id, **changes)


def _by_custom_id(
    lines: Sequence[bytes], provider: BatchProvider, requests: Mapping[str, RequestRecord]
) -> tuple[dict[str, Result], set[str], list[str]]:
    """The results by request, the ids with two different answers, and a sentence for every line that is odd."""
    results: dict[str, Result] = {}
    contradicted: set[str] = set()
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            result = provider.read_line(line)
        except ResultsError as error:
            problems.append(f"Result line {number} cannot be read: {error}")
            continue
        earlier = results.get(result.custom_id)
        if result.custom_id not in requests:
            problems.append(f"Result line {number} is for {result.custom_id!r}, which this batch never asked.")
        elif earlier is None:
            results[result.custom_id] = result
        elif earlier.text != result.text or earlier.fate != result.fate:
            problems.append(f"{result.custom_id} was answered twice and differently; neither answer is taken.")
            contradicted.add(result.custom_id)
    return results, contradicted, problems


def _settle(
    request: RequestRecord, verdict: Verdict, result: Result | None, usd: Decimal | None, deliveries: int
) -> Settled:
    again = verdict.fate in ASKED_AGAIN or (verdict.fate == "errored" and result is not None and result.retryable)
    final = not again or deliveries >= MAX_DELIVERIES
    if again and final:
        verdict = replace(verdict, error=f"{verdict.error} Asked in {deliveries} batches without an answer.")
    usage = believable_usage(result)
    return Settled(
        request=request,
        verdict=verdict,
        final=final,
        text=result.text if result else None,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        cost_usd=usd,
    )


def _verdict(
    request: RequestRecord, result: Result | None, contradicted: bool, state: BatchState, reader: AnswerReader
) -> Verdict:
    if contradicted:
        return Verdict("mismatched", "Two different answers came for this request.")
    if result is None:
        return _unanswered(state)
    match result.fate:
        case "answered":
            return reader.judge(request, result.text or "")
        case "refused":
            return Verdict("refused", f"The model declined: {result.error or 'no reason given'}")
        case "truncated":
            return Verdict("truncated", "The answer stopped at the token limit.")
        case "expired" | "cancelled":
            return _stopped(result.fate)
        case "errored":
            return Verdict("errored", result.error or "The provider reported an error without a reason.")


def _unanswered(state: BatchState) -> Verdict:
    match state.outcome:
        case "expired" | "cancelled":
            return _stopped(state.outcome)
        case "failed":
            return Verdict("errored", f"The provider failed the whole batch: {state.error or state.raw_status}")
        case _:
            return Verdict("missing", "The batch ended without a word about this request.")


def _stopped(fate: Literal["expired", "cancelled"]) -> Verdict:
    how = "ran out of time" if fate == "expired" else "was cancelled"
    return Verdict(fate, f"The batch {how} before this request was answered.")


def _fate(settled: Settled) -> FateRecord:
    return FateRecord(
        custom_id=settled.request.custom_id,
        fate=settled.verdict.fate,
        error=settled.verdict.error,
        input_tokens=settled.input_tokens,
        output_tokens=settled.output_tokens,
        cost_usd=settled.cost_usd,
    )


def _closed(
    batch: BatchRecord, state: BatchState, settled: Sequence[Settled], problems: Sequence[str], now: datetime
) -> BatchRecord:
    usable = sum(s.verdict.fate in USABLE for s in settled)
    said = [state.error] if state.error else []
    return replace(
        batch,
        status="collected",
        collected_at=now,
        succeeded=usable,
        failed=len(settled) - usable,
        cost_usd=total([s.cost_usd for s in settled], billed=any(s.text is not None for s in settled)),
        error=" ".join([*said, *problems[:20]]) or None,
        error_kind=None,
    )


def _changes(batch: BatchRecord) -> dict[str, Any]:
    names = ("status", "outcome", "raw_status", "ended_at", "collected_at", "succeeded", "failed", "cost_usd")
    return {name: getattr(batch, name) for name in (*names, "results_key", "collect_run_id", "error", "error_kind")}


def _defer(warehouse: Warehouse, batch: BatchRecord, state: BatchState, now: datetime) -> None:
    """The provider took the file and then put it off (full queue): nothing was answered, nothing is billed."""
    with warehouse.write() as connection:
        times_before, _ = batches.deferrals(connection, batch.provider, but=batch.batch_id)
        pause = min(FIRST_PAUSE * 2 ** min(times_before, 5), LONGEST_PAUSE)
        reason = state.error or state.error_code or "queue full"
        batches.set_all_fates(connection, batch.batch_id, "errored", f"Put off by the provider: {reason}")
        batches.update_batch(
            connection,
            batch.batch_id,
            status="deferred",
            outcome="failed",
            raw_status=state.raw_status,
            retry_at=now + pause,
            ended_at=now,
            error=reason,
            error_kind=None,
        )
