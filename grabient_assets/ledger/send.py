"""One round of submissions to a provider: the requests to send, and the consequences of a refusal for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

from grabient_assets.errors import (
    CredentialsError,
    ModelUnavailableError,
    OverBudgetError,
    RegistryError,
    RequestRejectedError,
    UnpricedError,
)
from grabient_assets.ledger.asks import stop_asks
from grabient_assets.ledger.backoff import LONGEST_NAMED, limits_with_room
from grabient_assets.ledger.batches import BatchRecord, put_off_until
from grabient_assets.ledger.direct import MOST_CALLS
from grabient_assets.ledger.due import DueTarget
from grabient_assets.ledger.settling import AnswerReader
from grabient_assets.ledger.submit import Order, PreparedRequest, Submitted, split, submit_batch
from grabient_assets.providers.contract import BatchProvider
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Delivery, Kind, Model
from grabient_assets.registry.price_list import price_list
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

MOST_REQUESTS: Mapping[Kind, int] = {"image": 40, "vector": 10_000}
"""The most requests of a batch by the kind of its answers, which are all in memory when they are collected: an image
has up to 4 MB, a vector 34 KB."""


class Due(Protocol):
    """A request that is due. `allow_unpriced`: it may be sent at an unknown cost."""

    @property
    def allow_unpriced(self) -> bool: ...


D = TypeVar("D", bound=Due)


@dataclass(frozen=True, slots=True)
class Sent:
    """Batches that were created or tried, and a sentence for everything that was stopped or deferred.

    `held`: sentences about requests that wait for money and are sent automatically later. `closed`: the provider takes
    nothing more for now, so the rest of its requests stay due.
    """

    batches: tuple[Submitted, ...] = ()
    complaints: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    closed: bool = False

    def __add__(self, other: Sent) -> Sent:
        return Sent(
            self.batches + other.batches,
            self.complaints + other.complaints,
            self.held + other.held,
            self.closed or other.closed,
        )


def closed_until(provider: str, warehouse: Warehouse, now: datetime) -> datetime | None:
    """The end of the pause that the provider asked for, or None when it may be asked."""
    with warehouse.read() as connection:
        return put_off_until(connection, provider, now, LONGEST_NAMED)


def orderable(
    purpose: str,
    provider: str,
    target: DueTarget,
    due: Sequence[D],
    warehouse: Warehouse,
    now: datetime,
    priced: Callable[[Model], object] = lambda _: None,
) -> tuple[Model | None, list[D], Sent]:
    """The model, and the requests that may be sent to it; the asks of the others are stopped, with the reason.

    Nothing may be sent to a model that is unknown or shut down, or that does not take this delivery. At an unknown
    price only requests that allow it are sent: `priced` raises UnpricedError when the sizes of a request are not known.
    """
    model_id, delivery = target.model, target.delivery
    try:
        registry = load_registry()
        model = registry.model(provider, model_id)
        registry.usable(model, now.date())
    except RegistryError as error:
        return None, [], Sent(complaints=(_stop(warehouse, purpose, provider, model_id, str(error), now),))
    if delivery not in model.deliveries:
        how = "in batches" if delivery == "batch" else "by direct calls"
        reason = f"{model_id} ({provider}) is not asked {how}, only {model.deliveries[0]}. Ask it that way."
        reason = _stop(warehouse, purpose, provider, model_id, reason, now, delivery=delivery)
        return None, [], Sent(complaints=(reason,))
    try:
        price_list(model, now.date(), delivery)
        priced(model)
    except UnpricedError as error:
        allowed = [one for one in due if one.allow_unpriced]
        if len(allowed) == len(due):
            return model, allowed, Sent()
        reason = _stop(warehouse, purpose, provider, model_id, str(error), now, spare_unpriced=True, delivery=delivery)
        return model if allowed else None, allowed, Sent(complaints=(reason,))
    return model, list(due), Sent()


def send_requests(
    order: Order,
    requests: Iterable[PreparedRequest],
    provider: BatchProvider,
    warehouse: Warehouse,
    store: ObjectStore,
    clock: Callable[[], datetime],
    reader: Callable[[BatchRecord], AnswerReader] | None = None,
) -> Sent:
    """Send the requests of one model, in as many batches as the provider's limits and its queue require.

    They are prepared as they are read, a batch at a time: a million request lines, or ten thousand pictures, are more
    than a machine's memory.

    A refused key or plan stops every ask of the provider; a refused model or request stops the asks of that model. So
    the subjects go on without it, and the reason stays with the asks until they are asked again. Requests without money
    stay asked.
    """
    sent = Sent()
    limits = limits_with_room(provider.limits, order.model.provider, order.model.id, warehouse, clock())
    most = min(limits.max_requests, MOST_REQUESTS.get(order.kind, limits.max_requests))
    if order.delivery == "direct":
        most = 1 if order.apart else min(most, MOST_CALLS)
    parts = split(requests, replace(limits, max_requests=most))
    while True:
        try:
            part = next(parts, None)
        except RequestRejectedError as error:  # a request that the model cannot take is detected when its line is made
            reason = _stop(warehouse, order.purpose, order.model.provider, order.model.id, str(error), clock())
            return sent + Sent(complaints=(reason,))
        if part is None:
            return sent
        try:
            submitted = submit_batch(order, part, provider, warehouse, store, clock, reader)
        except OverBudgetError as error:
            return replace(sent, held=(str(error),))
        if submitted is None:
            continue
        sent = replace(sent, batches=(*sent.batches, submitted), held=(submitted.held,) if submitted.held else ())
        if submitted.error is None:
            continue
        reason, model = str(submitted.error), order.model
        match submitted.error:
            case CredentialsError():
                _stop(warehouse, order.purpose, model.provider, None, reason, clock())
                return sent + Sent(complaints=(reason,), closed=True)
            case ModelUnavailableError() | RequestRejectedError():
                _stop(warehouse, order.purpose, model.provider, model.id, reason, clock())
                return sent + Sent(complaints=(reason,))
            case _:
                return sent + Sent(complaints=(reason,), closed=True)


def _stop(
    warehouse: Warehouse,
    purpose: str,
    provider: str,
    model: str | None,
    reason: str,
    now: datetime,
    *,
    spare_unpriced: bool = False,
    delivery: Delivery | None = None,
) -> str:
    with warehouse.write() as connection:
        stop_asks(connection, purpose, provider, model, reason, now, spare_unpriced=spare_unpriced, delivery=delivery)
    return reason
