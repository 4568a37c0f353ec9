"""From result lines to fates: pure, so that collecting and reparsing cannot differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from grabient_assets.ledger.batches import BatchRecord, FateRecord, RequestRecord
from grabient_assets.ledger.costs import FREE, Bill, Charge, total
from grabient_assets.ledger.fates import ASKED_AGAIN, MAX_DELIVERIES, USABLE, Fate
from grabient_assets.ledger.result_lines import read_results
from grabient_assets.ledger.short_results import lines_lacking
from grabient_assets.providers.contract import BAD_VECTOR, PICTURE_NOT_FETCHED, BatchState, ReadLine, Result
from grabient_assets.providers.refusals import refused_later
from grabient_assets.registry.model import Model

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of a group on an answer: its fate, why it cannot be used, and the data that the group stores."""

    fate: Fate
    error: str | None = None
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A request with its fate and its cost. `final` is false when it is due again automatically and nothing is
    stored. A refusal says at which end it came, and for what in the provider's categories, where the provider does."""

    request: RequestRecord
    verdict: Verdict
    final: bool
    text: str | None = None
    charge: Charge = FREE
    error_code: str | None = None
    refused_at: Literal["input", "output"] | None = None
    refused_for: tuple[str, ...] = ()

    @property
    def input_tokens(self) -> int | None:
        """As the provider reported them; None when it reported none."""
        return self.charge.usage.input_tokens if self.charge.usage else None

    @property
    def output_tokens(self) -> int | None:
        """As the provider reported them, thinking included; None when it reported none."""
        return self.charge.usage.output_tokens if self.charge.usage else None

    @property
    def cost_usd(self) -> Decimal | None:
        """US dollars; None when nothing was billed or the cost is unknown."""
        return self.charge.usd


class AnswerReader(Protocol):
    """The part of a group in the shared cycle. `table` is where its rows go. Readers inherit from it."""

    table: str

    def judge(self, request: RequestRecord, result: Result) -> Verdict:
        """Read one answer, of the kind that was asked for. Never raises for the contents of an answer."""
        ...

    def picture_url(self, request: RequestRecord) -> str | None:
        """The address under which a picture was sent with the request; None where none was, or the picture itself."""
        return None

    def rows(self, batch: BatchRecord, settled: Sequence[Settled], now: datetime) -> Sequence[DataclassInstance]:
        """The final ones as rows of the group's table. Pure."""
        ...

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        """Write the final ones into the group's tables, in the transaction that also writes the fates."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerColumns:
    """The fields that `answer_columns` fills, for the dataclass of a table of answers."""

    custom_id: str
    fate: str
    created_at: datetime
    error: str | None = None
    input_tokens: int | None = None
    cost_usd: Decimal | None = None
    batch_id: str | None = None


def answer_columns(batch: BatchRecord, settled: Settled, now: datetime) -> dict[str, Any]:
    """What the row of an answer says in every table of answers, by column."""
    verdict = settled.verdict
    return {
        "custom_id": settled.request.custom_id,
        "fate": verdict.fate,
        "created_at": now,
        "error": None if verdict.fate in USABLE else verdict.error or verdict.fate,
        "input_tokens": settled.input_tokens,
        "cost_usd": settled.cost_usd,
        "batch_id": batch.batch_id,
    }


def seconds_of(batch: BatchRecord, request: RequestRecord) -> float | None:
    """How long a direct call took; of a batch, how long the whole of it did."""
    began = request.began_at or batch.submitted_at
    ended = request.answered_at if request.began_at else batch.ended_at
    return None if began is None or ended is None else max(0.0, (ended - began).total_seconds())


ReaderOf: TypeAlias = Callable[[BatchRecord], AnswerReader]
"""Gives the reader of a batch, by its purpose."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The requests of a batch and its results.

    `delivered` counts the earlier batches that carried the same request. Without `model`, one that left the registry,
    the answers are kept and their cost stays unknown (null).
    """

    batch: BatchRecord
    state: BatchState
    lines: Sequence[bytes]
    requests: Mapping[str, RequestRecord]
    delivered: Mapping[str, int]
    model: Model | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """Every request with its fate, and a sentence for every oddity.

    `stop` is the reason why nothing more is asked of the model automatically; None when there is none.
    """

    settled: Sequence[Settled]
    problems: list[str]
    stop: str | None = None


def settle(answers: Answers, read_line: ReadLine, reader: AnswerReader) -> Settlement:
    """The outcome of every request of the batch."""
    batch, state = answers.batch, answers.state
    found = read_results(answers.lines, read_line, answers.requests, batch.provider)
    problems = found.problems
    if lacking := lines_lacking(state, answers.lines, read_line):
        problems.insert(0, f"{batch.provider} counts {lacking} result lines more than came, twice the same.")
    refusal = refused_later(state, found.of, len(answers.requests), batch.provider, batch.batch_id)
    lost = _lost(batch, state, answers.lines)
    stop = lost or (refusal if found.unread is None else _unread(batch, found.unread))
    if stop is not None:
        problems.insert(0, stop)
    bill = Bill(batch, answers.model, problems)
    settled: list[Settled] = []
    pictures: dict[str, str] = {}
    for custom_id, request in answers.requests.items():
        result = found.of.get(custom_id)
        result = None if result is None else result.holding(batch.kind)
        verdict = _verdict(batch, request, result, custom_id in found.contradicted, state, reader)
        if lost is not None:
            verdict = Verdict("unreadable", lost)
        again = _asked_again(verdict, result, refused=refusal is not None, direct=batch.delivery == "direct")
        if result is not None and result.error_code == PICTURE_NOT_FETCHED and (url := reader.picture_url(request)):
            verdict, again = Verdict("errored", _not_fetched(batch, url, result)), True
            pictures[url] = verdict.error or ""
        never_begun = batch.delivery == "direct" and result is None and request.began_at is None
        charge = FREE if custom_id in found.free else bill.charge(result, verdict.fate)
        again = again and batch.cancel_asked_at is None
        deliveries = answers.delivered.get(custom_id, 0) + (not never_begun)
        settled.append(_settle(request, verdict, result, charge, again, deliveries))
    problems[:0] = list(pictures.values())[:1]
    return Settlement(settled, problems, stop)


def _unread(batch: BatchRecord, why: str) -> str:
    return (
        f"Not one line of the results of batch {batch.batch_id} can be read, and nothing more is asked of "
        f"{batch.model} by itself. They are paid for and kept. `grabient reparse {batch.batch_id}` reads them again, "
        f"for instance after an update; `grabient retry` asks and pays once more. The first line: {why}"
    )


def _lost(batch: BatchRecord, state: BatchState, lines: Sequence[bytes]) -> str | None:
    """The sentence about answers that the provider counts, but none of which arrived; None when that is not so."""
    counted = state.least_answers or state.least_lines
    if lines or not counted or batch.cancel_asked_at is not None:
        return None
    return (
        f"{batch.provider} counts {counted} answers to batch {batch.batch_id}, and its results were empty, twice. They "
        f"may have been billed, so nothing more is asked of {batch.model} by itself. Look at the batch at "
        f"{batch.provider}; `grabient retry` asks and pays once more."
    )


def _not_fetched(batch: BatchRecord, url: str, result: Result) -> str:
    return (
        f"{batch.provider} could not fetch the picture {url} ({result.error}). Look whether R2_PUBLIC_URL leads to the "
        "pictures and anybody may read them. The picture itself is sent instead of its address, once."
    )


def _asked_again(verdict: Verdict, result: Result | None, *, refused: bool, direct: bool) -> bool:
    """Whether the same request may get an answer in another batch, without a second charge. `refused`: the provider has
    refused the whole batch for good. A `direct` call without an answer may have been billed."""
    if verdict.fate == "errored":
        # A wrong vector has been billed, and the next one would be wrong too.
        return not refused if result is None else result.retryable and result.error_code != BAD_VECTOR
    return verdict.fate in ASKED_AGAIN and not (direct and verdict.fate == "missing")


def _settle(
    request: RequestRecord, verdict: Verdict, result: Result | None, charge: Charge, again: bool, deliveries: int
) -> Settled:
    final = not again or deliveries >= MAX_DELIVERIES
    if again and final:
        verdict = replace(verdict, error=f"{verdict.error} Asked in {deliveries} batches without an answer.")
    if result is None:
        return Settled(request, verdict, final, charge=charge)
    refusal = (result.refused_at, result.refused_for)
    return Settled(request, verdict, final, result.text, charge, result.error_code, *refusal)


def _verdict(
    batch: BatchRecord,
    request: RequestRecord,
    result: Result | None,
    contradicted: bool,
    state: BatchState,
    reader: AnswerReader,
) -> Verdict:
    if contradicted:
        return Verdict("mismatched", "Two different answers came for this request.")
    if result is None:
        return _without_answer(request, state) if batch.delivery == "direct" else _unanswered(state)
    match result.fate:
        case "answered":
            return reader.judge(request, result)
        case "refused":
            return Verdict("refused", f"The model declined: {result.error or 'no reason given'}")
        case "truncated":
            return Verdict("truncated", "The answer stopped at the token limit.")
        case "expired" | "cancelled":
            return _stopped(result.fate)
        case "errored":
            return Verdict("errored", result.error or "The provider reported an error without a reason.")
        case "unreadable":
            return Verdict("unreadable", result.error)


def _unanswered(state: BatchState) -> Verdict:
    match state.outcome:
        case "expired" | "cancelled":
            return _stopped(state.outcome)
        case "failed":
            return Verdict("errored", f"The provider failed the whole batch: {state.error or state.raw_status}")
        case _:
            return Verdict("missing", "The batch ended without a word about this request.")


def _without_answer(request: RequestRecord, state: BatchState) -> Verdict:
    """Of a direct call."""
    if request.began_at is not None:
        return Verdict(
            "missing", f"It was asked and no answer came; it may have been billed. {state.error or ''}".strip()
        )
    if state.outcome == "cancelled":
        return _stopped("cancelled")
    return Verdict("errored", f"Not asked: {state.error or 'the program ended before.'}")


def _stopped(fate: Literal["expired", "cancelled"]) -> Verdict:
    how = "ran out of time" if fate == "expired" else "was cancelled"
    return Verdict(fate, f"The batch {how} before this request was answered.")


def fate_record(settled: Settled) -> FateRecord:
    """The settled request as a row of the ledger."""
    usage = settled.charge.usage
    return FateRecord(
        custom_id=settled.request.custom_id,
        fate=settled.verdict.fate,
        error=settled.verdict.error,
        input_tokens=settled.input_tokens,
        output_tokens=settled.output_tokens,
        cost_usd=settled.cost_usd,
        cached_input_tokens=usage.cached_input_tokens if usage else None,
        cache_write_tokens=usage.cache_write_tokens if usage else None,
        reasoning_tokens=usage.reasoning_tokens if usage else None,
        cost_basis=settled.charge.basis,
        cache_saved_usd=settled.charge.cache_saved_usd,
        error_code=settled.error_code,
        began_at=settled.request.began_at,
        answered_at=settled.request.answered_at,
        input_image_tokens=(usage.input_image_tokens or None) if usage else None,
        output_image_tokens=(usage.output_image_tokens or None) if usage else None,
    )


def closed(
    batch: BatchRecord, state: BatchState, settled: Sequence[Settled], problems: Sequence[str], now: datetime
) -> BatchRecord:
    """The batch as it is once its requests are settled."""
    usable = sum(s.verdict.fate in USABLE for s in settled)
    own_error = [state.error] if state.error and not any(state.error in problem for problem in problems) else []
    return replace(
        batch,
        status="collected",
        collected_at=now,
        succeeded=usable,
        failed=len(settled) - usable,
        cost_usd=total([s.charge for s in settled]),
        error=" ".join([*own_error, *problems[:20]]) or None,
        error_kind=None,
    )
