"""Sending the due requests of a purpose to one provider: one batch per prompt version, model, cap and file limit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from grabient_assets import interrupts
from grabient_assets.ledger.admission import stop_outdated_asks
from grabient_assets.ledger.asking import take_over
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.due import DueTarget, due_requests, due_targets
from grabient_assets.ledger.estimates import estimate, token_estimate
from grabient_assets.ledger.held_work import still_held
from grabient_assets.ledger.prompts import keep_wording
from grabient_assets.ledger.purpose import Purpose, Purposes
from grabient_assets.ledger.request_sizes import keep_request_sizes, request_shape
from grabient_assets.ledger.reservation import Terms, sendable
from grabient_assets.ledger.send import Sent, closed_until, orderable, send_requests
from grabient_assets.ledger.submit import Order
from grabient_assets.registry.model import Delivery, Model
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse


@dataclass(frozen=True, slots=True)
class Submission:
    """One round of sending: the provider, the tables and objects to read, and the clock.

    `purposes` are all that share the money. With `images_by_url`, pictures go as addresses instead of bytes. `lost`
    takes a sentence for each request whose line cannot be made.
    """

    connection: Connection
    purposes: Purposes
    warehouse: Warehouse
    store: ObjectStore
    clock: Callable[[], datetime]
    images_by_url: bool = False
    lost: list[str] = field(default_factory=list)


def _refuse_unpriced(purpose: Purpose, target: DueTarget, now: datetime, model: Model) -> None:
    """Raise UnpricedError for an image whose highest cost is not known."""
    if model.kind == "image":
        shape = request_shape(0, 0, purpose.prompt(target.prompt_version, model).parameters, model)
        estimate(model, now.date(), token_estimate(shape, model), 1, target.delivery)


@interrupts.heeded()
def submit_due(
    purpose: Purpose,
    submission: Submission,
    run_id: str | None = None,
    announce: Callable[[Sequence[DueTarget]], None] = lambda _: None,
    among: Collection[str] | None = None,
    delivery: Delivery | None = None,
) -> Sent:
    """Send every request of the purpose that is due at this provider, or those about the subjects `among`, or of one
    `delivery`. A refused model never delays the others.

    `announce` gets the plan before the first batch is sent.
    """
    connection, warehouse, clock = submission.connection, submission.warehouse, submission.clock
    name, purposes = connection.provider.name, submission.purposes
    sent = Sent(complaints=stop_outdated_asks(purpose, connection, warehouse, clock()))
    with warehouse.write() as database:
        due_at = ledger_time(database, clock())
        take_over(database, purpose, clock())
        keep_request_sizes(database, purposes, connection.usable, due_at.date())
        held = still_held(database, purposes, connection.budget_usd, due_at, purpose.name, name)
        targets = [one for one in due_targets(database, purpose, name) if one.hold_key(purpose.name, name) not in held]
        targets = [one for one in targets if delivery in (None, one.delivery)]
        keys = [one.hold_key(purpose.name, name) for one in targets]
        granted, waiting = sendable(database, purposes, connection.budget_usd, keys, due_at)
    sent += Sent(held=tuple(dict.fromkeys([*held.values(), *waiting])))
    wait = closed_until(name, warehouse, clock())
    if targets and wait:
        return sent + Sent(complaints=(f"{name} takes nothing before {wait:%H:%M:%S} UTC.",), closed=True)
    if targets:
        announce(targets)
    for target in targets:
        with warehouse.read() as database:  # one model at a time: the requests of a whole panel may not fit into memory
            due = due_requests(database, purpose, name, target)
        if among is not None:
            due = [one for one in due if one.subject in among]
        model, chosen, stopped = orderable(
            purpose.name, name, target, due, warehouse, clock(), partial(_refuse_unpriced, purpose, target, clock())
        )
        sent += stopped
        if model is None:
            continue
        prompt = purpose.prompt(target.prompt_version, model)
        allowed = granted.get(target.hold_key(purpose.name, name))
        if allowed is not None:
            chosen = [chosen[place] for place in allowed.admitted([request.custom_id for request in chosen])]
        with warehouse.write() as database:
            keep_wording(database, prompt, clock())
        order = Order(
            purpose.name,
            model,
            target.prompt_version,
            prompt.digest,
            connection.account,
            run_id,
            due_at,
            prompt.parameters,
            Terms(purposes, connection.budget_usd, target.cap_id),
            purpose.kind,
            target.delivery,
            purpose.apart and target.delivery == "direct",
        )
        requests = purpose.prepare(chosen, prompt, model, submission)
        sent += send_requests(
            order,
            requests,
            connection.provider,
            warehouse,
            submission.store,
            clock,
            lambda batch: purpose.reader(batch, warehouse, submission.store),
        )
        sent += Sent(complaints=tuple(submission.lost))
        submission.lost.clear()
        if sent.closed:
            break
    return sent
