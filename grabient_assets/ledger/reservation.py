"""The reservation of a batch and the rates it is billed at, computed in the transaction that writes its intent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.errors import UnpricedError
from grabient_assets.ledger.budget import allowances
from grabient_assets.ledger.estimates import DollarRange, RequestShape, estimate, measured_tokens, token_estimate
from grabient_assets.ledger.funding import Grant, grant, open_funding, over_budget
from grabient_assets.ledger.money import BudgetHold, HoldKey, forget_unwanted_holds, record_hold, release
from grabient_assets.ledger.request_sizes import kind_of, measure_request, request_prices, rounded_up, size_of
from grabient_assets.registry.model import Delivery, Model
from grabient_assets.registry.price_list import PriceList, price_list

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purposes


@dataclass(frozen=True, slots=True)
class Terms:
    """The money that pays for requests.

    `purposes` share it; `budget_usd`: the most to spend in a month (None: no limit); `cap_id`: the cap they were asked
    under (None: no cap).
    """

    purposes: Purposes
    budget_usd: Decimal | None = None
    cap_id: str | None = None


NO_LIMIT = Terms({})


@dataclass(frozen=True, slots=True)
class Reservation:
    """The requests that may be sent, at these `places`.

    `prices`, `estimated_usd` and `reserved_usd` are None at an unknown price, the latter two also when the sizes of a
    request are not known. `held` is the sentence about the requests for which there is no money.
    """

    places: Sequence[int]
    prices: PriceList | None = None
    estimated_usd: Decimal | None = None
    reserved_usd: Decimal | None = None
    held: str | None = None


def reserve(
    connection: DuckDBPyConnection,
    terms: Terms,
    key: HoldKey,
    model: Model,
    prompt_digest: str,
    shape: RequestShape,
    custom_ids: Sequence[str],
    now: datetime,
    delivery: Delivery = "batch",
) -> Reservation:
    """The requests, all of this shape, that there is money for, and the sums to record with them.

    Money goes to whole subjects (funding.py). Requests that have to wait, these or others of the key, are recorded as
    held.
    """
    on = now.date()
    tokens = token_estimate(shape, model, measured_tokens(connection).get((model.provider, model.id, prompt_digest)))
    prices, one = None, None
    with suppress(UnpricedError):
        prices = price_list(model, on, delivery)
        one = rounded_up(estimate(model, on, tokens, 1, delivery))
    places, held = range(len(custom_ids)), None
    if allowances(connection, terms.budget_usd, [terms.cap_id] if terms.cap_id else [], now):
        measure_request(connection, size_of(kind_of(key), prompt_digest, shape, delivery=delivery))
        places, held = _affordable(connection, terms, key, one, custom_ids, now)
    else:
        release(connection, key)
    if one is None:
        return Reservation(places, prices, held=held)
    return Reservation(places, prices, one.expected * len(places), one.high * len(places), held)


def sendable(
    connection: DuckDBPyConnection, purposes: Purposes, budget: Decimal | None, keys: Sequence[HoldKey], now: datetime
) -> tuple[dict[HoldKey, Grant], tuple[str, ...]]:
    """The requests that may be sent under each key now, so that no other line is written. Left out are keys with
    nothing to wait for, and keys without a known price. Also the sentences about keys under which nothing may be sent.

    The decision on a single request is made when it is intended.
    """
    if budget is None and all(key.cap_id is None for key in keys):
        return {}, ()
    prices = request_prices(connection, now)
    funding = open_funding(connection, purposes, budget, now, prices, [key.cap_id for key in keys])
    if funding is None:
        return {}, ()
    found, waiting = dict[HoldKey, Grant](), dict[str, None]()
    for key in keys:
        one = prices.get(kind_of(key))
        if one is None or not funding.limits_of(key.cap_id):
            continue
        found[key] = granted = grant(connection, funding, key, one)
        if granted.is_empty:
            reason = over_budget(funding, purposes[key.purpose].noun, key, one)
            waiting[reason] = None
            _keep_account_of_held(connection, key, reason, granted.held, one, now)
    return found, tuple(waiting)


def _affordable(
    connection: DuckDBPyConnection,
    terms: Terms,
    key: HoldKey,
    one: DollarRange | None,
    custom_ids: Sequence[str],
    now: datetime,
) -> tuple[Sequence[int], str | None]:
    """The places of the requests that there is money for, and the sentence about those that have to wait."""
    prices = request_prices(connection, now) | {kind_of(key): one}
    all_of_them = one.high * len(custom_ids) if one else Decimal(0)  # some of them, no open ask may want
    funding = open_funding(connection, terms.purposes, terms.budget_usd, now, prices, [terms.cap_id], all_of_them)
    if funding is None:
        _keep_account_of_held(connection, key, None, 0, one, now)
        return range(len(custom_ids)), None
    granted = grant(connection, funding, key, one)
    places = granted.admitted(custom_ids)
    outside = [place for place, custom_id in enumerate(custom_ids) if custom_id[:-3] not in granted.requests]
    spare = 0
    if one is not None:
        limits = funding.limits_of(terms.cap_id)
        left = min(funding.limits[limit].left for limit in limits)
        free = min(max(Decimal(0), funding.limits[limit].left - funding.kept[limit]) for limit in limits)
        places = places[: _times(one.high, left, len(places))]
        spare = _times(one.high, free, len(outside))
    held = granted.held + len(outside) - spare
    reason = None
    if held:
        each = one.high if one else Decimal(0)
        reason = over_budget(funding, terms.purposes[key.purpose].noun, key, one, len(outside) - spare, each * spare)
    _keep_account_of_held(connection, key, reason, held, one, now)
    return sorted([*places, *outside[:spare]]), reason


def _times(high: Decimal, usd: Decimal, most: int) -> int:
    """How often so much fits into the dollars, `most` at most."""
    return min(most, int(usd / high)) if high else most


def _keep_account_of_held(
    connection: DuckDBPyConnection,
    key: HoldKey,
    reason: str | None,
    waiting: int,
    one: DollarRange | None,
    now: datetime,
) -> None:
    forget_unwanted_holds(connection)
    if reason is None:
        release(connection, key)
        return
    record_hold(
        connection,
        BudgetHold(
            purpose=key.purpose,
            provider=key.provider,
            model=key.model,
            prompt_version=key.prompt_version,
            cap_id=key.cap_id,
            requests=waiting,
            request_usd=one.high if one else None,
            needed_usd=one.high * waiting if one else None,
            reason=reason,
            held_at=now,
        ),
    )
