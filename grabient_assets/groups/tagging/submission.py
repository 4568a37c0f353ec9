"""Sending what is due to one provider: one batch per prompt version, model and file limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from grabient_assets import interrupts
from grabient_assets.groups.requests import keep_request_sizes, tagging_spec
from grabient_assets.groups.tagging.asking import PURPOSE
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.holding import still_held
from grabient_assets.ledger.money import HoldKey
from grabient_assets.ledger.outdated import stop_outdated_asks
from grabient_assets.ledger.palettes import palettes
from grabient_assets.ledger.reservation import Terms, sendable
from grabient_assets.ledger.send import Sent, closed_until, orderable, send_requests
from grabient_assets.ledger.submit import Order, PreparedRequest
from grabient_assets.ledger.tagging_due import DueRequest, DueTarget, due_tagging, due_targets
from grabient_assets.ledger.tagging_ends import close_finished_tagging
from grabient_assets.ledger.tags import share_answers
from grabient_assets.ledger.wordings import keep_wording
from grabient_assets.prompting.load import load_prompt_set
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.providers.contract import BatchProvider
from grabient_assets.registry.model import Model
from grabient_assets.settings import PROMPTS_DIR
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

READ_AT_ONCE = 20_000
"""The colours of so many requests are read from the database at a time."""


@interrupts.heeded()
def submit_due_tagging(
    connection: Connection,
    warehouse: Warehouse,
    store: ObjectStore,
    clock: Callable[[], datetime],
    run_id: str | None = None,
    announce: Callable[[Sequence[DueTarget]], None] = lambda _: None,
) -> Sent:
    """Send every tagging request that is due at this provider. A refused model never keeps the others back.

    `announce` is told what goes out, before the first of it does.
    """
    name = connection.provider.name
    sent = Sent(complaints=stop_outdated_asks(PURPOSE, connection, warehouse, clock()))
    with warehouse.write() as database:
        due_at = ledger_time(database, clock())
        share_answers(database)
        close_finished_tagging(database, clock())
        keep_request_sizes(database, connection.usable, due_at.date())
        held = still_held(database, connection.budget_usd, due_at, PURPOSE, name)
        targets = [target for target in due_targets(database, name) if hold_key(name, target) not in held]
        granted, waiting = sendable(database, connection.budget_usd, [hold_key(name, one) for one in targets], due_at)
    sent += Sent(held=tuple(dict.fromkeys([*held.values(), *waiting])))
    wait = closed_until(name, warehouse, clock())
    if targets and wait:
        return sent + Sent(complaints=(f"{name} takes nothing before {wait:%H:%M:%S} UTC.",), closed=True)
    if targets:
        announce(targets)
    for target in targets:
        with warehouse.read() as database:  # one model at a time: a panel's worth of requests may not fit into memory
            due = due_tagging(database, name, target)
        version, model_id = target.prompt_version, target.model
        model, chosen, stopped = orderable(PURPOSE, name, model_id, due, warehouse, clock())
        sent += stopped
        if model is None:
            continue
        prompt = load_prompt_set(PROMPTS_DIR, version).tagging
        terms = Terms(connection.budget_usd, target.cap_id)
        allowed = granted.get(hold_key(name, target))
        if allowed is not None:
            chosen = [chosen[place] for place in allowed.admitted([request.custom_id for request in chosen])]
        requests = _prepared(chosen, prompt, model, connection.provider, warehouse, clock())
        order = Order(
            PURPOSE,
            model,
            version,
            prompt.digest,
            connection.account,
            run_id,
            due_at,
            prompt.parameters,
            terms,
        )
        sent += send_requests(order, requests, connection.provider, warehouse, store, clock)
        if sent.closed:
            break
    return sent


def hold_key(provider: str, target: DueTarget) -> HoldKey:
    """Under which these requests are held back when there is no money for them."""
    return HoldKey(PURPOSE, provider, target.model, target.prompt_version, target.cap_id)


def _prepared(
    due: Sequence[DueRequest],
    prompt: Prompt,
    model: Model,
    provider: BatchProvider,
    warehouse: Warehouse,
    now: datetime,
) -> Iterator[PreparedRequest]:
    """The request lines, made as they are read. Raises RequestRejectedError when the model cannot take one."""
    with warehouse.write() as database:
        keep_wording(database, prompt, now)
    for start in range(0, len(due), READ_AT_ONCE):
        part = due[start : start + READ_AT_ONCE]
        with warehouse.read() as database:
            rows = {record.seed: record for record in palettes(database, {r.subject for r in part})}
        for r in part:
            line = provider.request_line(tagging_spec(r.custom_id, rows[r.subject].colours(), prompt), model)
            yield PreparedRequest(r.custom_id, r.subject, r.analysis_index, line)
