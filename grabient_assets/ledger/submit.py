"""Sending requests: the intent first, then one create call, then the provider's id.

This order makes a kill safe at any moment. Before the create call the ledger holds the batch and its requests
(`intended`); a process that finds such a batch later looks it up at the provider before anything is sent again
(adopt.py). The create call is made once, without retries.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from grabient_assets import interrupts
from grabient_assets.errors import (
    AmbiguousSubmissionError,
    CredentialsError,
    InputFileUnseenError,
    ModelUnavailableError,
    OverBudgetError,
    ProviderBusyError,
    ProviderError,
    ProviderUnreachableError,
    RequestRejectedError,
    StoreError,
    WarehouseError,
)
from grabient_assets.ledger import batches, direct
from grabient_assets.ledger.archive import archive_requests
from grabient_assets.ledger.asks import no_longer_asked
from grabient_assets.ledger.backoff import deferral, may_be_seen_yet
from grabient_assets.ledger.batches import BatchRecord, RequestRecord
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.estimates import RequestShape
from grabient_assets.ledger.money import HoldKey
from grabient_assets.ledger.request_sizes import request_shape
from grabient_assets.ledger.reservation import NO_LIMIT, Reservation, Terms, reserve
from grabient_assets.ledger.sending_lock import lost, sending
from grabient_assets.ledger.settling import AnswerReader
from grabient_assets.providers.contract import BatchFile, BatchLimits, BatchProvider
from grabient_assets.registry.model import Delivery, Kind, Model
from grabient_assets.registry.price_list import to_json
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.locks import Held


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """One line of a batch file, and what it is about.

    `pictures` are sent with it; `picture_bytes` of the line are theirs, the rest is text.
    """

    custom_id: str
    subject: str
    analysis_index: int
    line: bytes
    pictures: int = 0
    picture_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """The common properties of all requests of a submission.

    `account` is a digest of credential and endpoint. `due_at` is when the requests were found to be due: a request that
    another process has sent and collected since then is not sent again. `parameters` are the prompt's, `terms` name the
    money that pays, `kind` is the kind of the answers. `apart`: as in Purpose; a request whose ask was stopped since it
    was found to be due is then not sent.
    """

    purpose: str
    model: Model
    prompt_version: str
    prompt_digest: str
    account: str
    run_id: str | None
    due_at: datetime | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    terms: Terms = NO_LIMIT
    kind: Kind = "text"
    delivery: Delivery = "batch"
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Submitted:
    """The result of one create call: the ledger's record of the batch, and the error if the call failed.

    `held` is the sentence about requests that were left out because there is no money for them.
    """

    batch: BatchRecord
    error: ProviderError | None = None
    held: str | None = None


def split(requests: Iterable[PreparedRequest], limits: BatchLimits) -> Iterator[list[PreparedRequest]]:
    """The requests in their order, split so that no part exceeds the lines or bytes that the provider takes."""
    part: list[PreparedRequest] = []
    size = 0
    for request in requests:
        length = len(request.line) + 1
        if part and (len(part) == limits.max_requests or size + length > limits.max_bytes):
            yield part
            part, size = [], 0
        part.append(request)
        size += length
    if part:
        yield part


def submit_batch(
    order: Order,
    requests: Sequence[PreparedRequest],
    provider: BatchProvider,
    warehouse: Warehouse,
    store: ObjectStore,
    clock: Callable[[], datetime],
    reader: Callable[[BatchRecord], AnswerReader] | None = None,
) -> Submitted | None:
    """Send the requests as one batch, leaving out those that another batch is carrying; None when none is left.

    Requests of a direct order are asked one by one, and the `reader` stores their answers.

    Only requests that there is money for are sent. Raises OverBudgetError when there is none for a single one,
    StoreError when the requests cannot be archived: then nothing was sent, and they are due again.
    """
    with ExitStack() as lock:
        intended = _intend(order, requests, warehouse, clock(), lock)
        if intended is None:
            return None
        if intended.batch is None:
            raise OverBudgetError(intended.held or "")
        assert intended.lock is not None
        if order.delivery == "direct":
            assert reader is not None
            carried = [(r.custom_id, r.line) for r in intended.carried]
            sent = _ask(intended.batch, carried, order, provider, warehouse, store, clock, reader, intended.lock)
        else:
            model, carried = order.model, intended.carried
            sent = _create(intended.batch, carried, model, provider, warehouse, store, clock, intended.lock)
        return replace(sent, held=intended.held)


@dataclass(frozen=True, slots=True)
class _Intended:
    """The batch with the requests it carries and the lock that says it is being sent; none when there is no money.
    `held`: the sentence about the requests left out."""

    batch: BatchRecord | None
    carried: list[PreparedRequest]
    held: str | None
    lock: Held | None = None


def _create(
    batch: BatchRecord,
    carried: Sequence[PreparedRequest],
    model: Model,
    provider: BatchProvider,
    warehouse: Warehouse,
    store: ObjectStore,
    clock: Callable[[], datetime],
    lock: Held,
) -> Submitted:
    lines = [r.line for r in carried]
    assert batch.requests_key is not None
    try:
        archive_requests(store, batch.requests_key, lines)
        with interrupts.sending_while(lock.stands):
            accepted = provider.submit(BatchFile(batch.batch_id, model, lines, [r.custom_id for r in carried]))
    except StoreError as error:  # before the create call
        with interrupts.finishing(), suppress(WarehouseError):  # a full disk under both: the intent is reconciled later
            _record_failure(warehouse, batch, error, clock())
        raise
    except ProviderError as error:
        with interrupts.finishing():
            error = _rejected_if_repeated(warehouse, batch, error)
            return Submitted(_record_failure(warehouse, batch, error, clock()), error)
    except interrupts.Interrupted as stopped:
        if not stopped.unfinished:
            _record_never_sent(warehouse, batch, clock())
        raise
    except interrupts.LetGo:  # it stays intended: whoever took it over has the last word
        raise lost(warehouse, batch.batch_id) from None
    receipt = {
        "provider_batch_id": accepted.provider_batch_id,
        "input_file_id": accepted.input_file_id,
        "raw_status": accepted.raw_status,
        "submitted_at": clock(),
    }
    with interrupts.finishing(), warehouse.write() as connection:
        batches.record_receipt(connection, batch.batch_id, **receipt)
    return Submitted(replace(batch, status="submitted", **receipt))


def _ask(
    batch: BatchRecord,
    lines: Sequence[tuple[str, bytes]],
    order: Order,
    provider: BatchProvider,
    warehouse: Warehouse,
    store: ObjectStore,
    clock: Callable[[], datetime],
    reader: Callable[[BatchRecord], AnswerReader],
    lock: Held,
) -> Submitted:
    """One call for each line. Results are stored whatever ends the calls; after a kill, the next process that finds the
    batch stores them."""

    def collected(error: ProviderError | None) -> BatchRecord | None:
        with interrupts.finishing():
            return direct.collect_calls(batch, order.model, warehouse, store, reader, clock, error)

    assert batch.requests_key is not None
    try:
        archive_requests(store, batch.requests_key, [line for _, line in lines])
        error = direct.make_calls(batch, lines, order.model, provider, warehouse, clock, lock, lets_go=order.apart)
    except StoreError as error:  # before the first call
        with interrupts.finishing(), suppress(WarehouseError):
            _record_failure(warehouse, batch, error, clock())
        raise
    except interrupts.Interrupted:
        if collected(None) is None:
            _record_never_sent(warehouse, batch, clock())
        raise
    done = collected(error)
    if done is not None:
        return Submitted(done, error)
    with interrupts.finishing():
        if error is None:  # a person stopped it, and changed their mind
            return Submitted(direct.record_never_begun(batch, warehouse, clock()))
        return Submitted(_record_failure(warehouse, batch, error, clock()), error)


def _intend(
    order: Order,
    requests: Sequence[PreparedRequest],
    warehouse: Warehouse,
    wall: datetime,
    lock: ExitStack,
) -> _Intended | None:
    """Write the intent. It is marked as being sent from before it becomes visible until `lock` closes."""
    with warehouse.write() as connection:
        taken = batches.taken(connection, [r.custom_id for r in requests], order.due_at)
        if order.apart:
            taken |= no_longer_asked(connection, [r.custom_id for r in requests])
        free = [r for r in requests if r.custom_id not in taken]
        if not free:
            return None
        now = ledger_time(connection, wall)
        key = HoldKey(order.purpose, order.model.provider, order.model.id, order.prompt_version, order.terms.cap_id)
        shape = _mean_shape(free, order)
        ids = [r.custom_id for r in free]
        granted = reserve(
            connection, order.terms, key, order.model, order.prompt_digest, shape, ids, now, order.delivery
        )
        carried = [free[place] for place in granted.places]
        if not carried:
            return _Intended(None, [], granted.held)
        batch = _batch(order, carried, granted, shape.max_output_tokens, now, wall)
        held = lock.enter_context(sending(warehouse, batch.batch_id))
        rows = [RequestRecord(batch.batch_id, r.custom_id, r.subject, r.analysis_index) for r in carried]
        batches.insert_intent(connection, batch, rows)
    return _Intended(batch, carried, granted.held, held)


def _mean_shape(requests: Sequence[PreparedRequest], order: Order) -> RequestShape:
    """The shape of a request in the middle: they differ by a few digits only."""
    text = sum(len(r.line) - r.picture_bytes for r in requests)
    pictures = max(r.pictures for r in requests)
    return request_shape(math.ceil(text / len(requests)), pictures, order.parameters, order.model)


def _batch(
    order: Order,
    carried: Sequence[PreparedRequest],
    granted: Reservation,
    max_output_tokens: int,
    now: datetime,
    wall: datetime,
) -> BatchRecord:
    digest = hashlib.sha256()
    for request in carried:
        digest.update(request.line)
    batch_id = _batch_id(order, carried, now)
    return BatchRecord(
        batch_id=batch_id,
        purpose=order.purpose,
        provider=order.model.provider,
        model=order.model.id,
        prompt_version=order.prompt_version,
        prompt_digest=order.prompt_digest,
        status="intended",
        request_count=len(carried),
        bodies_sha256=digest.hexdigest(),
        account=order.account,
        intended_at=now,
        sent_after=wall,
        submit_run_id=order.run_id,
        requests_key=f"batches/{batch_id}/requests.jsonl.gz",
        cap_id=order.terms.cap_id,
        prices=to_json(granted.prices) if granted.prices else None,
        max_output_tokens=None if order.kind == "image" else max_output_tokens,
        estimated_usd=granted.estimated_usd,
        reserved_usd=granted.reserved_usd,
        delivery=order.delivery,
        kind=order.kind,
    )


def _batch_id(order: Order, carried: Sequence[PreparedRequest], now: datetime) -> str:
    """Unique over data folders that share a provider account, because the batch is found by this label."""
    identity = "\n".join([order.model.provider, order.model.id, now.isoformat(), *sorted(r.custom_id for r in carried)])
    return f"{order.purpose}-{now:%Y%m%dT%H%M%S}-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"


def _record_never_sent(warehouse: Warehouse, batch: BatchRecord, now: datetime) -> None:
    """The program was stopped before the create call: the requests are due at once, and no lookup is needed."""
    why = "Not sent: the program was stopped before the create call. Its requests are due again."
    with interrupts.finishing(), warehouse.write() as connection:
        batches.set_all_fates(connection, batch.batch_id, "errored", why)
        batches.update_batch(connection, batch.batch_id, status="deferred", retry_at=now, error=why)


def _rejected_if_repeated(warehouse: Warehouse, batch: BatchRecord, error: ProviderError) -> ProviderError:
    """The error, or a rejection when several files in a row were not seen: they cannot all be too new."""
    if not isinstance(error, InputFileUnseenError):
        return error
    with warehouse.read() as connection:
        if may_be_seen_yet(connection, batch):
            return error
    return RequestRejectedError(batch.provider, f"{error} So it was with one file after the other.")


def _record_failure(
    warehouse: Warehouse, batch: BatchRecord, error: ProviderError | StoreError, now: datetime
) -> BatchRecord:
    kind = StoreError if isinstance(error, StoreError) else type(error)
    changes: dict[str, object] = {"error": str(error), "error_kind": kind.__name__}
    match error:
        case AmbiguousSubmissionError():
            pass  # it stays intended: only the provider knows
        case CredentialsError() | ModelUnavailableError() | RequestRejectedError():
            changes["status"] = "refused"
        case ProviderBusyError() | ProviderUnreachableError() | ProviderError() | StoreError():
            changes["status"] = "deferred"
    with warehouse.write() as connection:
        if changes.get("status") == "deferred" and not isinstance(error, StoreError):  # no pause of the provider
            times_before = batches.deferrals(connection, batch.provider)
            changes["retry_at"] = now + deferral(times_before, batch.batch_id, getattr(error, "retry_after", None))
        if "status" in changes:
            batches.set_all_fates(connection, batch.batch_id, "errored", f"Not sent: {error}")
        batches.update_batch(connection, batch.batch_id, **changes)
    return replace(batch, **changes)
