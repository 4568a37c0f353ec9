"""Whether there is money for a batch: set aside when it is intended, settled when it is collected.

What a batch may cost is set aside in the transaction that writes its intent. DuckDB lets one process write at a time,
so two processes never spend the same dollar. An open batch counts with what was set aside for it, a collected one with
what it cost: collecting releases the rest by itself. A batch counts for the month (UTC) in which it was intended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.batching.estimates import DollarRange
from grabient_assets.warehouse.money import HoldKey, cap_usd, spending_between, spending_under

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OVER_BUDGET = "Over budget"
"""How the sentence begins that says so."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Money for some purpose. `named`: as it is called in a sentence.

    What a person can do about its end is in two sentences: while open batches may release some, and when none is open.
    """

    named: str
    usd: Decimal
    spent: Decimal
    reserved: Decimal
    way_out_while_open: str
    way_out_otherwise: str

    @property
    def left(self) -> Decimal:
        """What may still be set aside; never negative."""
        return max(Decimal(0), self.usd - self.spent - self.reserved)

    @property
    def way_out(self) -> str:
        """What a person can do about its end, as things stand."""
        return self.way_out_while_open if self.reserved else self.way_out_otherwise


@dataclass(frozen=True, slots=True)
class Fitting:
    """How many requests there is money for, and the sentence about the others."""

    count: int
    reason: str | None = None


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
    later = f"when GRABIENT_BUDGET_USD is raised, or on {following:%Y-%m-%d} (UTC)."
    return Allowance(
        f"the {_usd(budget)} USD of {start:%B %Y}",
        budget,
        used.spent,
        used.reserved,
        f"They go out by themselves when open batches release money, {later}",
        f"They go out by themselves {later}",
    )


def allowances(
    connection: DuckDBPyConnection, budget: Decimal | None, cap_id: str | None, now: datetime
) -> list[Allowance]:
    """Every limit that holds for requests asked under this cap: the month's budget, and the cap."""
    found = [] if budget is None else [monthly(connection, budget, now)]
    if cap_id is not None:
        cap, used = cap_usd(connection, cap_id), spending_under(connection, cap_id)
        found.append(
            Allowance(
                f"the {_usd(cap)} USD that it was asked with",
                cap,
                used.spent,
                used.reserved,
                "They go out by themselves when open batches release money; or ask again with a higher --max-usd.",
                "No batch is open that could release some: ask again with a higher --max-usd.",
            )
        )
    return found


def fitting(among: list[Allowance], key: HoldKey, count: int, one: DollarRange | None, behind: int = 0) -> Fitting:
    """How many of `count` requests fit into every allowance; `one` is what a single one costs (None: not known).

    `behind` is how many more wait behind these; they are part of the sentence only.
    """
    tightest = min(among, key=lambda allowance: allowance.left, default=None)
    if tightest is None:
        return Fitting(count)
    who = f"{key.model} ({key.provider})"
    if one is None:
        return Fitting(
            0,
            f"{OVER_BUDGET}: the price of {who} is not known, so nothing can be set aside for its {count + behind} "
            f"requests out of {tightest.named}. Add the price to registry/data/{key.provider}.toml, or ask without a "
            "budget and a cap.",
        )
    fits = count if one.high == 0 else min(count, int(tightest.left / one.high))
    waiting = count - fits + behind
    if not waiting or fits == count:
        return Fitting(fits)
    granted = replace(tightest, reserved=tightest.reserved + one.high * fits)
    return Fitting(fits, _sentence(granted, who, waiting, one.high * waiting))


def _sentence(tightest: Allowance, who: str, waiting: int, needed: Decimal) -> str:
    return (
        f"{OVER_BUDGET}: {waiting} requests to {who} wait. They may cost up to {_usd(needed)} USD; of "
        f"{tightest.named}, {_usd(tightest.spent)} are spent and {_usd(tightest.reserved)} set aside for open batches. "
        f"{tightest.way_out}"
    )


def _usd(dollars: Decimal) -> str:
    """Cents, or as many decimals as it takes to show four figures of a small sum."""
    return f"{dollars:.2f}" if dollars == dollars.quantize(Decimal("0.01")) else f"{dollars:.4f}"
