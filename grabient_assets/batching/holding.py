"""What was held back for want of money, and whether it still has to wait.

A hold says what its requests are made of. What one of them may cost is estimated anew at every look, as a submission
would: answers come in and their tokens are measured, prices become known.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.batching.budget import allowances, fitting
from grabient_assets.batching.estimates import DollarRange, RequestShape, estimate, token_estimate
from grabient_assets.errors import RegistryError, UnpricedError
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.warehouse.money import BudgetHold, HoldKey, holds
from grabient_assets.warehouse.usage import Measured, measured_tokens

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def still_held(
    connection: DuckDBPyConnection, budget: Decimal | None, now: datetime, purpose: str | None, provider: str | None
) -> dict[HoldKey, str]:
    """What was held back, is still asked for and does not fit yet, not even one request of it; with the sentence.

    What was asked for once more since is not among it: it may read differently now, so it is tried again.
    """
    found: dict[HoldKey, str] = {}
    waiting = holds(connection, purpose, provider)
    measured = measured_tokens(connection) if waiting else {}
    for hold in waiting:
        among = allowances(connection, budget, hold.cap_id, now)
        try:
            model = load_registry().model(hold.provider, hold.model)
        except RegistryError:  # sending stops its asks, and says why
            continue
        one = _one(hold, model, measured.get((hold.provider, hold.model, hold.prompt_digest)), now)
        fits = fitting(among, hold.key, 1, one, hold.requests - 1)
        if fits.reason is not None and fits.count == 0:
            found[hold.key] = fits.reason
    return found


def _one(hold: BudgetHold, model: Model, measured: Measured | None, now: datetime) -> DollarRange | None:
    """What a single request costs by what is known now."""
    shape = RequestShape(hold.text_bytes, hold.max_output_tokens, hold.pictures, hold.thinking_budget, hold.effort)
    try:
        return estimate(model, now.date(), token_estimate(shape, model, measured), 1)
    except UnpricedError:
        return None
