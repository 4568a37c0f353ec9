"""What an order costs before it is asked, where all of it must be affordable or nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.errors import OverBudgetError, UnpricedError, UsageError
from grabient_assets.ledger.budget import MONTH, allowances, dollars
from grabient_assets.ledger.estimates import DollarRange
from grabient_assets.ledger.request_sizes import requests_usd

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purpose
    from grabient_assets.registry.model import Delivery, Model


@dataclass(frozen=True, slots=True)
class Ordered:
    """So many requests of a purpose to one model."""

    purpose: Purpose
    model: Model
    prompt_version: str
    count: int


def refuse_unaskable(models: Sequence[Model], usable: Sequence[str], delivery: Delivery) -> None:
    """Raise UsageError for a model whose provider cannot be asked, or that is not asked in this delivery."""
    for model in models:
        if model.provider not in usable:
            raise UsageError(
                f"{model.id} is a model of {model.provider}, which cannot be asked here: it has no key. "
                f"Can be asked: {', '.join(usable) or 'nobody'}."
            )
        if delivery not in model.deliveries:
            how = "in batches, only at once" if delivery == "batch" else "at once, only in batches"
            raise UsageError(f"{model.id} ({model.provider}) is not asked {how}.")


def quote(connection: DuckDBPyConnection, orders: Sequence[Ordered], on: date, delivery: Delivery) -> DollarRange:
    """The price of all of them on a day. Raises UnpricedError when one has none."""
    usd = DollarRange()
    for one in orders:
        part = requests_usd(connection, one.purpose, one.model, one.prompt_version, one.count, on, delivery)
        if part is None:
            raise UnpricedError(
                f"What {one.model.id} ({one.model.provider}) costs in this delivery, {delivery}, "
                "is not known, so there is no price. Choose another model or size; `grabient models` has prices."
            )
        usd += part
    return usd


def refuse_over_budget(
    connection: DuckDBPyConnection, usd: DollarRange, budget: Decimal | None, cap: Decimal | None, now: datetime
) -> None:
    """Raise OverBudgetError when the month's budget or the cap has no room for the high end."""
    month = allowances(connection, budget, (), now).get(MONTH)
    limits = {"GRABIENT_BUDGET_USD": month.left if month else None, "the cap": cap}
    for setting, left in limits.items():
        if left is not None and usd.high > left:
            raise OverBudgetError(
                f"Over budget: this may cost up to {dollars(usd.high)} USD, and {dollars(left)} USD are left. Nothing "
                f"was asked. Raise {setting}, or ask for less."
            )
