"""Whether there is money for a batch: set aside when it is intended, settled when it is collected.

What a batch may cost is set aside in the transaction that writes its intent. DuckDB lets one process write at a time,
so two processes never spend the same dollar. An open batch counts with what was set aside for it, a collected one with
what it cost: collecting releases the rest by itself. A batch counts for the month (UTC) in which it was intended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, TypeAlias

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
    """Money for some purpose. `named`: as it is called in a sentence. `expected` is what open batches are expected to
    cost of the `reserved` that is set aside for them.

    What a person can do about its end is in two sentences, with places for what goes out (`it`) and the `least` sum:
    while open batches may release some, and when none is open. `starts_anew`: who asks again with more has spent
    nothing of it yet.
    """

    named: str
    usd: Decimal
    spent: Decimal
    reserved: Decimal
    expected: Decimal
    way_out_while_open: str
    way_out_otherwise: str
    starts_anew: bool = False

    @property
    def left(self) -> Decimal:
        """What may still be set aside; never negative."""
        return max(Decimal(0), self.usd - self.spent - self.reserved)

    @property
    def expected_left(self) -> Decimal:
        """What is expected to be left when all open batches are collected; never negative."""
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
    later = f"when GRABIENT_BUDGET_USD is raised to {{least}} or more, or on {following:%Y-%m-%d} (UTC)."
    return Allowance(
        f"the {dollars(budget)} USD of {start:%B %Y}",
        budget,
        used.spent,
        used.reserved,
        used.expected,
        f"{{it}} goes out by itself when open batches release money, {later}",
        f"{{it}} goes out by itself {later}",
    )


def allowances(
    connection: DuckDBPyConnection, budget: Decimal | None, cap_ids: Iterable[str], now: datetime
) -> dict[Limit, Allowance]:
    """Every limit that holds: the month's budget for all requests, a cap for those that were asked under it."""
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
    """Cents, or four decimals, or of a smaller sum all."""
    if usd == usd.quantize(Decimal("0.01")):
        return f"{usd:.2f}"
    return f"{usd:.4f}" if usd >= Decimal("0.0001") else f"{usd:.10f}".rstrip("0")
