"""From result lines to fates: pure, so that collecting and reparsing cannot differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from grabient_assets.batching.costs import FREE, Bill, Charge, total
from grabient_assets.batching.fates import ASKED_AGAIN, MAX_DELIVERIES, USABLE, Fate
from grabient_assets.batching.short_results import lines_lacking
from grabient_assets.errors import ResultsError
from grabient_assets.providers.contract import BatchState, ReadLine, Result
from grabient_assets.registry.model import Model
from grabient_assets.warehouse.batches import BatchRecord, FateRecord, RequestRecord

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from duckdb import DuckDBPyConnection

_WORTH: Mapping[str, int] = {"answered": 2, "refused": 1, "truncated": 1}
"""An answer is worth more than what a model said instead, and that more than the word that there is nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a group makes of an answer: its fate, why it cannot be used, and whatever the group wants to save."""

    fate: Fate
    error: str | None = None
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A request with its fate and what it cost. `final` is false when it is due again by itself and nothing is to be
    saved."""

    request: RequestRecord
    verdict: Verdict
    final: bool
    text: str | None = None
    charge: Charge = FREE

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
    """What a group brings to the shared cycle. `table` is where its rows go."""

    table: str

    def judge(self, request: RequestRecord, text: str) -> Verdict:
        """Read one answer text. Never raises for what a model said."""
        ...

    def rows(self, batch: BatchRecord, settled: Sequence[Settled], now: datetime) -> Sequence[DataclassInstance]:
        """The final ones as rows of the group's table. Pure."""
        ...

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        """Write the final ones into the group's tables, in the transaction that also writes the fates."""
        ...


ReaderOf: TypeAlias = Callable[[BatchRecord], AnswerReader]
"""Gives the reader of a batch, by its purpose."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a batch asked and what came back.

    `delivered` counts the earlier batches that carried the same request. Without `model`, one the registry knows no
    more, the answers are kept and their cost stays unknown (null).
    """

    batch: BatchRecord
    state: BatchState
    lines: Sequence[bytes]
    requests: Mapping[str, RequestRecord]
    delivered: Mapping[str, int]
    model: Model | None


def settle(answers: Answers, read_line: ReadLine, reader: AnswerReader) -> tuple[list[Settled], list[str]]:
    """Every request with its fate, and a sentence for everything that is odd."""
    results, contradicted, problems = _by_custom_id(answers.lines, read_line, answers.requests)
    if lacking := lines_lacking(answers.state, answers.lines, read_line):
        problems.insert(0, f"{answers.batch.provider} counts {lacking} result lines more than came, twice the same.")
    bill = Bill(answers.batch, answers.model, problems)
    settled: list[Settled] = []
    for custom_id, request in answers.requests.items():
        result = results.get(custom_id)
        verdict = _verdict(request, result, custom_id in contradicted, answers.state, reader)
        charge = bill.charge(result, verdict.fate)
        again = answers.batch.cancel_asked_at is None and _asked_again(verdict, result)
        settled.append(_settle(request, verdict, result, charge, again, answers.delivered.get(custom_id, 0) + 1))
    return settled, problems


def _by_custom_id(
    lines: Sequence[bytes], read_line: ReadLine, requests: Mapping[str, RequestRecord]
) -> tuple[dict[str, Result], set[str], list[str]]:
    """The results by request, the ids with two different answers, and a sentence for every line that is odd."""
    results: dict[str, Result] = {}
    contradicted: set[str] = set()
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            result = read_line(line)
        except ResultsError as error:
            problems.append(f"Result line {number} cannot be read: {error}")
            continue
        earlier = results.get(result.custom_id)
        if result.custom_id not in requests:
            problems.append(f"Result line {number} is for {result.custom_id!r}, which this batch never asked.")
        elif earlier is None:
            results[result.custom_id] = result
        else:
            if earlier.fate == result.fate == "answered" and earlier.text != result.text:
                contradicted.add(result.custom_id)
            results[result.custom_id] = _better(earlier, result)
            problems.append(f"Result line {number} {_said_again(earlier, result)}")
    return results, contradicted, problems


def _better(earlier: Result, later: Result) -> Result:
    """Of two lines about one request the one that says more; the earlier one when they say as much."""
    return later if _WORTH.get(later.fate, 0) > _WORTH.get(earlier.fate, 0) else earlier


def _said_again(earlier: Result, later: Result) -> str:
    """The rest of the sentence about a second line for a request."""
    name = later.custom_id
    if earlier.fate != later.fate:
        return f"says {later.fate} of {name}, an earlier one {earlier.fate}; {_better(earlier, later).fate} counts."
    if (earlier.text, earlier.error) == (later.text, later.error):
        return f"is another for {name} and says the same; it counts once."
    if later.fate == "answered":
        return f"answers {name} a second time, and differently; neither answer is taken."
    return f"is another for {name}, {later.fate} like the first, which counts."


def _asked_again(verdict: Verdict, result: Result | None) -> bool:
    """Whether the same request may bring an answer in another batch, without costing a second time."""
    if verdict.fate == "errored":
        return result is None or result.retryable
    return verdict.fate in ASKED_AGAIN


def _settle(
    request: RequestRecord, verdict: Verdict, result: Result | None, charge: Charge, again: bool, deliveries: int
) -> Settled:
    final = not again or deliveries >= MAX_DELIVERIES
    if again and final:
        verdict = replace(verdict, error=f"{verdict.error} Asked in {deliveries} batches without an answer.")
    return Settled(request, verdict, final, result.text if result else None, charge)


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
    )


def closed(
    batch: BatchRecord, state: BatchState, settled: Sequence[Settled], problems: Sequence[str], now: datetime
) -> BatchRecord:
    """The batch as it is once its requests are settled."""
    usable = sum(s.verdict.fate in USABLE for s in settled)
    said = [state.error] if state.error else []
    return replace(
        batch,
        status="collected",
        collected_at=now,
        succeeded=usable,
        failed=len(settled) - usable,
        cost_usd=total([s.charge for s in settled]),
        error=" ".join([*said, *problems[:20]]) or None,
        error_kind=None,
    )
