"""The budget of a batch: money is reserved when the batch is intended, and settled when it is collected.

The transaction that writes the intent also reserves what the batch may cost. DuckDB lets one process write at a time,
so two processes never spend the same dollar. An open batch counts with its reservation, a collected one with its cost:
collecting releases the rest. A batch counts for the month (UTC) in which it was intended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from grabient_assets.ledger.accounts import total_costs
from grabient_assets.ledger.money import spending_between, spending_by_cap

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OVER_BUDGET = "Over budget"
"""How the sentence begins that says so."""

Limit: TypeAlias = str | None
"""The id of a cap; None is the month's budget."""
MONTH: Limit = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """Money for some purpose. `named`: its name in a sentence. `expected` is the expected cost of the open batches, out
    of the `reserved` sum.

    Two sentences tell a person what to do when it is used up, with places for the work (`it`), the `least` sum and the
    `renewal`: one while open batches may release money, one when none is open. `renewal` is when the whole sum is there
    again. `starts_anew`: a new request with more money has spent nothing of it yet.
    """

    named: str
    usd: Decimal
    spent: Decimal
    reserved: Decimal
    expected: Decimal
    way_out_while_open: str
    way_out_otherwise: str
    starts_anew: bool = False
    renewal: str = ""

    @property
    def left(self) -> Decimal:
        """The money that may still be reserved; never negative."""
        return max(Decimal(0), self.usd - self.spent - self.reserved)

    @property
    def expected_left(self) -> Decimal:
        """The money that is expected to be left when all open batches are collected; never negative."""
        return max(Decimal(0), self.usd - self.spent - self.expected)


def month_of(now: datetime) -> tuple[datetime, datetime]:
    """The calendar month (UTC) of `now`: its first moment, and that of the next."""
    start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (
        start.replace(year=start.year + 1, month=1) if start.month == 12 else start.replace(month=start.month + 1)
    )
    return start, following


def monthly(connection: DuckDBPyConnection, budget: Decimal, now: datetime) -> Allowance:
    """The budget of this month."""
    start, following = month_of(now)
    used = spending_between(connection, start, following)
    later = "when GRABIENT_BUDGET_USD is raised to {least} or more{renewal}."
    return Allowance(
        f"the {dollars(budget)} USD of {start:%B %Y}",
        budget,
        used.spent,
        used.reserved,
        used.expected,
        f"{{it}} goes out by itself when open batches release money, {later}",
        f"{{it}} goes out by itself {later}",
        renewal=f", or on {following:%Y-%m-%d} (UTC)",
    )


def month_figures(connection: DuckDBPyConnection, budget: Decimal | None, now: datetime) -> dict[str, Any]:
    """What this month has cost and may still cost, for JSON. Dollars are text: exact in every language."""
    start, following = month_of(now)
    used = spending_between(connection, start, following)
    known = total_costs(connection, start.date(), following.date() - timedelta(days=1))
    return {
        "month": f"{start:%Y-%m}",
        "budget_usd": None if budget is None else f"{budget:f}",
        "spent_usd": f"{used.spent:f}",
        "known_usd": f"{known.cost_usd:f}",
        "unknown": known.unknown,
        "unknown_usd": f"{used.spent - known.cost_usd:f}",
        "reserved_usd": f"{used.reserved:f}",
        "left_usd": None if budget is None else f"{monthly(connection, budget, now).left:f}",
    }


def allowances(
    connection: DuckDBPyConnection, budget: Decimal | None, cap_ids: Iterable[str], now: datetime
) -> dict[Limit, Allowance]:
    """Every limit that applies: the month's budget for all requests, a cap for the requests that were asked under
    it."""
    found: dict[Limit, Allowance] = {} if budget is None else {MONTH: monthly(connection, budget, now)}
    for cap_id, (cap, used) in spending_by_cap(connection, cap_ids).items():
        found[cap_id] = Allowance(
            f"the {dollars(cap)} USD that it was asked with",
            cap,
            used.spent,
            used.reserved,
            used.expected,
            "{it} goes out by itself when open batches release money; or ask again with --max-usd {least} or more.",
            "{it} goes out when you ask again with --max-usd {least} or more.",
            starts_anew=True,
        )
    return found


def enough(usd: Decimal) -> str:
    """The least sum with as few decimals as `dollars` shows that is not smaller."""
    decimals = Decimal("0.0001") if usd >= Decimal("0.0001") else Decimal("1e-10")
    return dollars(usd.quantize(decimals, ROUND_UP))


def dollars(usd: Decimal) -> str:
    """The dollars with two decimals, with four, or with all decimals for a smaller sum."""
    if usd == usd.quantize(Decimal("0.01")):
        return f"{usd:.2f}"
    return f"{usd:.4f}" if usd >= Decimal("0.0001") else f"{usd:.10f}".rstrip("0")
