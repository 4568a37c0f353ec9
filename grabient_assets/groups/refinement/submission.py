"""Sending palettes to the refiner: picture, colours and consensus, one batch per prompt version and file limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby

from grabient_assets import interrupts
from grabient_assets.errors import PromptError, StoreError
from grabient_assets.groups.refinement.asking import PURPOSE, ask_for_refinement
from grabient_assets.groups.requests import keep_request_sizes, refinement_spec
from grabient_assets.groups.tagging.consensus import consensus_for_prompt
from grabient_assets.groups.tagging.tallying import stored_consensus
from grabient_assets.ledger.ask_terms import tagging_terms
from grabient_assets.ledger.asks import SubjectVersion, unchain
from grabient_assets.ledger.batches import with_error_code
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.holding import still_held
from grabient_assets.ledger.money import HoldKey
from grabient_assets.ledger.outdated import stop_outdated_asks
from grabient_assets.ledger.palettes import ImageRecord, images, palettes
from grabient_assets.ledger.refined import (
    DueRefinement,
    chained_refinements,
    close_finished_refinements,
    due_refinements,
    share_refinements,
)
from grabient_assets.ledger.reservation import Terms, sendable
from grabient_assets.ledger.send import Sent, closed_until, orderable, send_requests
from grabient_assets.ledger.submit import Order, PreparedRequest
from grabient_assets.ledger.tag_consensus import consensus
from grabient_assets.ledger.tagging_ends import complete_tagging
from grabient_assets.ledger.wordings import keep_wording
from grabient_assets.partitions import by_version
from grabient_assets.prompting.load import load_prompt_set
from grabient_assets.prompting.prompt import Prompt
from grabient_assets.providers.contract import PICTURE_NOT_FETCHED, ImageInput
from grabient_assets.registry.model import Model
from grabient_assets.settings import PROMPTS_DIR
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

READ_AT_ONCE = 5_000
"""The colours and votes of so many palettes are read from the database at a time."""


def ask_for_chained(
    warehouse: Warehouse, providers: Sequence[str], answers_from: str, now: datetime
) -> tuple[str, ...]:
    """Ask for the refinement of every completely tagged palette that was to go on by itself.

    A prompt version that cannot be used any more, because its folder is gone or reads otherwise, does not go on: that
    must not keep the others back. Returns a sentence for each.
    """
    with warehouse.read() as connection:
        tagged = [t.partition for t in complete_tagging(connection, providers) if t.answers]
        by_terms = tagging_terms(connection, chained_refinements(connection, tagged))
    complaints: list[str] = []
    for terms, partitions in by_terms.items():
        for version, seeds in by_version(partitions).items():
            chosen = [SubjectVersion(version, seed) for seed in seeds]
            try:
                ask_for_refinement(
                    chosen, answers_from, warehouse, now, allow_unpriced=terms.allow_unpriced, cap_id=terms.cap_id
                )
            except PromptError as error:
                with warehouse.write() as connection:
                    unchain(connection, chosen)
                complaints.append(f"{counted(len(chosen), 'palette')} not refined. {error}")
    return tuple(complaints)


@interrupts.heeded()
def submit_due_refinements(
    connection: Connection,
    warehouse: Warehouse,
    store: ObjectStore,
    clock: Callable[[], datetime],
    *,
    by_url: bool,
    run_id: str | None = None,
    announce: Callable[[Sequence[DueRefinement]], None] = lambda _: None,
) -> Sent:
    """Send every refinement that is due. `by_url`: pictures go as addresses instead of bytes, but for those that the
    provider could not fetch before.

    `announce` is told what goes out, before the first of it does.
    """
    name = connection.provider.name
    sent = Sent(complaints=stop_outdated_asks(PURPOSE, connection, warehouse, clock()))
    with warehouse.write() as database:
        due_at = ledger_time(database, clock())
        share_refinements(database)
        close_finished_refinements(database, clock())
        keep_request_sizes(database, connection.usable, due_at.date())
        held = still_held(database, connection.budget_usd, due_at, PURPOSE, name)
        due = [one for one in due_refinements(database) if hold_key(name, one) not in held]
        granted, waiting = sendable(database, connection.budget_usd, list({hold_key(name, one) for one in due}), due_at)
    sent += Sent(held=tuple(dict.fromkeys([*held.values(), *waiting])))
    wait = closed_until(name, warehouse, clock())
    if due and wait:
        return sent + Sent(complaints=(f"{name} takes nothing before {wait:%H:%M:%S} UTC.",), closed=True)
    if due:
        announce(due)
    for (version, model_id, cap), group in groupby(due, key=lambda d: (d.partition.prompt_version, d.model, d.cap_id)):
        model, chosen, stopped = orderable(PURPOSE, name, model_id, list(group), warehouse, clock())
        sent += stopped
        if model is None:
            continue
        prompt = load_prompt_set(PROMPTS_DIR, version).refinement
        lost: list[str] = []
        terms = Terms(connection.budget_usd, cap)
        allowed = granted.get(HoldKey(PURPOSE, name, model_id, version, cap))
        if allowed is not None:
            chosen = [chosen[place] for place in allowed.admitted([one.custom_id for one in chosen])]
        requests = _prepared(chosen, prompt, model, connection, warehouse, store, clock(), by_url, lost)
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
        sent += Sent(complaints=tuple(lost))
        if sent.closed:
            break
    return sent


def hold_key(provider: str, due: DueRefinement) -> HoldKey:
    """Under which this request is held back when there is no money for it."""
    return HoldKey(PURPOSE, provider, due.model, due.partition.prompt_version, due.cap_id)


def _prepared(
    due: Sequence[DueRefinement],
    prompt: Prompt,
    model: Model,
    connection: Connection,
    warehouse: Warehouse,
    store: ObjectStore,
    now: datetime,
    by_url: bool,
    lost: list[str],
) -> Iterator[PreparedRequest]:
    """The request lines, made as they are read; a palette whose picture cannot be read is left out, and the reason
    goes to `lost`. Raises RequestRejectedError when the model cannot take one."""
    with warehouse.write() as database:
        keep_wording(database, prompt, now)
    for start in range(0, len(due), READ_AT_ONCE):
        part = due[start : start + READ_AT_ONCE]
        seeds = {d.partition.subject for d in part}
        with warehouse.read() as database:
            rows = {record.seed: record for record in palettes(database, seeds)}
            pictures = images(database, seeds)
            unfetched = with_error_code(database, PICTURE_NOT_FETCHED, [d.custom_id for d in part])
            votes = {
                (record.prompt_version, record.seed): record
                for record in consensus(database, [d.partition for d in part])
            }
        for one in part:
            seed = one.partition.subject
            try:
                picture = _image(pictures[seed], store, by_url and one.custom_id not in unfetched)
            except StoreError as error:
                lost.append(str(error))
                continue
            counts = consensus_for_prompt(stored_consensus(votes[one.partition.prompt_version, seed]))
            spec = refinement_spec(one.custom_id, rows[seed].colours(), counts, prompt, picture)
            line = connection.provider.request_line(spec, model)
            yield PreparedRequest(one.custom_id, seed, 0, line, 1, _bytes_in_line(picture))


def _image(record: ImageRecord, store: ObjectStore, by_url: bool) -> ImageInput:
    if by_url and record.url:
        return ImageInput(url=record.url)
    return ImageInput(data=store.get(record.object_key))


def _bytes_in_line(picture: ImageInput) -> int:
    """Base64 writes three bytes as four characters; an address counts as text."""
    return 4 * ((len(picture.data) + 2) // 3) if picture.data else 0
