"""What a batch may cost and which rates it is billed at, worked out in the transaction that writes its intent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.batching.budget import allowances, fitting
from grabient_assets.batching.estimates import DollarRange, RequestShape, estimate, token_estimate
from grabient_assets.errors import UnpricedError
from grabient_assets.registry.model import Model
from grabient_assets.registry.price_list import EXACT, PriceList, price_list
from grabient_assets.warehouse.money import BudgetHold, HoldKey, forget_unwanted_holds, record_hold, release
from grabient_assets.warehouse.usage import measured_tokens

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Terms:
    """Out of which money requests are paid.

    `budget_usd`: the most to spend in a month (None: no limit); `cap_id`: the cap they were asked under (None: no cap).
    """

    budget_usd: Decimal | None = None
    cap_id: str | None = None


NO_LIMIT = Terms()


@dataclass(frozen=True, slots=True)
class Reservation:
    """What may be sent: the first `count` requests. `prices`, `estimated_usd` and `reserved_usd` are None at an unknown
    price. `held` is the sentence about the requests for which there is no money."""

    count: int
    prices: PriceList | None = None
    estimated_usd: Decimal | None = None
    reserved_usd: Decimal | None = None
    held: str | None = None


def request_shape(text_bytes: int, pictures: int, parameters: Mapping[str, Any], model: Model) -> RequestShape:
    """The shape of a request whose line has so many bytes of text, under the parameters of its prompt."""
    return RequestShape(
        text_bytes,
        parameters.get("max_output_tokens", model.max_output_tokens),
        pictures,
        parameters.get("thinking_budget"),
        parameters.get("effort"),
    )


def reserve(
    connection: DuckDBPyConnection,
    terms: Terms,
    key: HoldKey,
    model: Model,
    prompt_digest: str,
    shape: RequestShape,
    count: int,
    behind: int,
    now: datetime,
) -> Reservation:
    """How many of `count` requests of this shape there is money for, and what to write down with them.

    What does not fit is recorded as held, together with the `behind` requests that wait behind these.
    """
    on = now.date()
    measured = measured_tokens(connection).get((model.provider, model.id, prompt_digest))
    tokens = token_estimate(shape, model, measured)
    try:
        prices, one = price_list(model, on), estimate(model, on, tokens, 1)
    except UnpricedError:
        prices, one = None, None
    found = fitting(allowances(connection, terms.budget_usd, terms.cap_id, now), key, count, one, behind)
    _keep_account_of_held(connection, key, found.reason, count - found.count + behind, prompt_digest, shape, one, now)
    if one is None:
        return Reservation(found.count, held=found.reason)
    return Reservation(
        found.count,
        prices,
        (one.expected * found.count).quantize(EXACT),
        (one.high * found.count).quantize(EXACT),
        found.reason,
    )


def _keep_account_of_held(
    connection: DuckDBPyConnection,
    key: HoldKey,
    reason: str | None,
    waiting: int,
    prompt_digest: str,
    shape: RequestShape,
    one: DollarRange | None,
    now: datetime,
) -> None:
    forget_unwanted_holds(connection)
    if reason is None:
        release(connection, key)
        return
    each = one.high.quantize(EXACT) if one else None
    record_hold(
        connection,
        BudgetHold(
            purpose=key.purpose,
            provider=key.provider,
            model=key.model,
            prompt_version=key.prompt_version,
            cap_id=key.cap_id,
            requests=waiting,
            prompt_digest=prompt_digest,
            text_bytes=shape.text_bytes,
            pictures=shape.pictures,
            max_output_tokens=shape.max_output_tokens,
            thinking_budget=shape.thinking_budget,
            effort=shape.effort,
            request_usd=each,
            needed_usd=each * waiting if each is not None else None,
            reason=reason,
            held_at=now,
        ),
    )
