"""What was held back for want of money, and whether it still has to wait."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.batching.finishing import grant, kind_of, open_funding, over_budget, request_prices
from grabient_assets.warehouse.money import HoldKey, holds

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def still_held(
    connection: DuckDBPyConnection, budget: Decimal | None, now: datetime, purpose: str | None, provider: str | None
) -> dict[HoldKey, str]:
    """What was held back, is still asked for and cannot go out yet, not even one request of it; with the sentence.

    It is judged anew at every look, as a submission would: answers come in and their tokens are measured, prices become
    known. What was asked for once more since is not among it: it may read differently now, so it is tried again.
    """
    waiting = holds(connection, purpose, provider)
    if not waiting:
        return {}
    prices = request_prices(connection, now)
    funding = open_funding(connection, budget, now, prices, [hold.cap_id for hold in waiting])
    found: dict[HoldKey, str] = {}
    for hold in waiting:
        key, kind = hold.key, kind_of(hold.key)
        if kind not in prices or not funding.limits_of(key.cap_id):
            continue  # sending stops its asks, or nothing limits them any more
        one = prices[kind]
        if grant(connection, funding, key, one).is_empty:
            found[key] = over_budget(funding, key, one)
    return found
