"""The cost of the answers of a batch. A cost that cannot be known is marked as unknown; it never keeps an answer from
being stored.

The rates are those recorded with the batch when it was sent (registry/price_list.py). Every answer that was billed
counts, usable or not: a refusal, a truncated answer and an unreadable one cost as much as a good one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from grabient_assets.errors import RegistryError
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.fates import Fate
from grabient_assets.providers.contract import Result
from grabient_assets.registry.model import Model
from grabient_assets.registry.price_list import EXACT, PriceList, from_json, price_list
from grabient_assets.registry.usage import Usage

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CostBasis: TypeAlias = Literal["reported", "estimated", "unknown"]
"""`reported`: from the tokens that the provider reports. `estimated`: it answered and reported none, so the request
counts with its share of the batch's estimate. `unknown`: it is not known whether it was billed, or at what cost."""

MOST_TOKENS = 10_000_000
"""The largest plausible count: no model reads or writes a tenth of it in one request."""

NOT_BILLED: frozenset[Fate] = frozenset({"expired", "cancelled", "errored"})
"""Providers bill answers: a request with one of these fates costs nothing, unless tokens are reported all the same."""


@dataclass(frozen=True, slots=True)
class Charge:
    """The tokens and the cost of one request. Without a `basis` nothing was billed; without `usd` the cost is
    unknown."""

    basis: CostBasis | None = None
    usd: Decimal | None = None
    usage: Usage | None = None
    cache_saved_usd: Decimal | None = None


FREE = Charge()
UNKNOWN = Charge("unknown")


class Bill:
    """Charges for the answers of one batch. `problems` collects a sentence for every oddity.

    `model` is None for one that is no longer in the registry; it is needed only for a batch that was sent before rates
    were recorded with it.
    """

    def __init__(self, batch: BatchRecord, model: Model | None, problems: list[str]) -> None:
        self._batch, self._problems = batch, problems
        self._prices = self._written_down(model)
        self._share = None
        if batch.estimated_usd is not None:
            self._share = (batch.estimated_usd / batch.request_count).quantize(EXACT)

    def charge(self, result: Result | None, fate: Fate) -> Charge:
        """The cost of the request with this result (None: there is none) and this fate."""
        usage = self._usage(result)
        if usage is not None:
            return self._reported(usage)
        if fate in NOT_BILLED:
            return FREE
        if result is None or self._share is None:
            return UNKNOWN
        if result.refused_at == "input":  # nothing was answered, so the share of an answer is no estimate
            self._note("The provider refused some requests and reports no tokens for them: their cost is unknown.")
            return UNKNOWN
        self._note("The provider reports no tokens for some answers; what they cost is estimated.")
        return Charge("estimated", self._share)

    def _reported(self, usage: Usage) -> Charge:
        if usage.unpriced:
            self._note(
                f"{self._batch.provider} reports what the price list of {self._batch.model} does not cover "
                f"({usage.unpriced}). The cost of these answers stays unknown; look at the bill."
            )
            return Charge("unknown", usage=usage)
        if self._prices is None:
            return Charge("unknown", usage=usage)
        try:
            usd, saved = self._prices.cost(usage), self._prices.cache_saving(usage)
        except RegistryError as error:
            self._note(f"The cost of some answers stays unknown: {error}")
            return Charge("unknown", usage=usage)
        return Charge("reported", usd, usage, saved)

    def _usage(self, result: Result | None) -> Usage | None:
        """The tokens that the provider reports; None where it reports none, or an impossible number."""
        usage = result.usage if result else None
        if result is None or usage is None or not usage.input_tokens:
            return None
        if max(usage.input_tokens, usage.output_tokens) > MOST_TOKENS:
            self._note(f"{result.custom_id} reports {usage}, which no request can use; it is not believed.")
            return None
        most = self._batch.max_output_tokens
        if most is not None and usage.output_tokens > most:
            self._note(
                f"{result.custom_id} reports {usage.output_tokens} output tokens, more than the {most} that it was "
                "allowed; they count as reported."
            )
        return usage

    def _written_down(self, model: Model | None) -> PriceList | None:
        if self._batch.prices is not None:
            return from_json(self._batch.prices)
        try:
            if model is None:
                raise RegistryError("The registry knows this model no more.")
            day = (self._batch.submitted_at or self._batch.intended_at).date()
            return price_list(model, day, self._batch.delivery)
        except RegistryError as error:
            self._note(f"The cost of the answers stays unknown: {error}")
            return None

    def _note(self, sentence: str) -> None:
        if sentence not in self._problems:
            self._problems.append(sentence)


def total(charges: Sequence[Charge]) -> Decimal | None:
    """The sum of the known costs; None when something was billed and no cost is known: unknown is not zero."""
    known = [charge.usd for charge in charges if charge.usd is not None]
    billed = any(charge.basis is not None for charge in charges)
    return sum(known, Decimal(0)) if known or not billed else None


def unbalanced_batches(connection: DuckDBPyConnection) -> tuple[int, list[str]]:
    """How many collected batches have fates that do not add up to their requests, and the ids of up to twenty."""
    return _counted(
        connection,
        """
        SELECT b.batch_id FROM batches b JOIN batch_requests r USING (batch_id) WHERE b.status = 'collected'
        GROUP BY ALL HAVING count(*) <> any_value(b.request_count) OR count(r.fate) <> count(*)
            OR any_value(b.succeeded) + any_value(b.failed) <> count(*)
        """,
        {},
    )


def batches_that_do_not_add_up(connection: DuckDBPyConnection, purpose: str) -> tuple[int, list[str]]:
    """How many batches of the purpose cost another sum than their requests together, and the ids of up to twenty."""
    return _counted(
        connection,
        """
        SELECT b.batch_id FROM batches b LEFT JOIN batch_requests r USING (batch_id) WHERE b.purpose = $purpose
        GROUP BY b.batch_id HAVING coalesce(any_value(b.cost_usd), 0) <> coalesce(sum(r.cost_usd), 0)
        """,
        {"purpose": purpose},
    )


def _counted(connection: DuckDBPyConnection, query: str, parameters: Mapping[str, str]) -> tuple[int, list[str]]:
    rows = connection.execute(f"{query} ORDER BY 1", dict(parameters)).fetchall()
    return len(rows), [row[0] for row in rows[:20]]
