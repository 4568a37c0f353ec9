"""Reconciling a create call whose result is unknown with the provider's list of batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from grabient_assets.errors import ProviderError
from grabient_assets.ledger import batches
from grabient_assets.ledger.backoff import deferral
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.sending_lock import is_being_sent
from grabient_assets.providers.contract import BatchState
from grabient_assets.warehouse.connection import Warehouse


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What is known of an intended batch.

    `ours`: the provider has it, as `state`. `absent`: it certainly does not exist. `undecided`: its sender still runs,
    an open candidate cannot be distinguished from it, or an absent batch may still appear. `unread`: a candidate's
    results did not arrive within the caller's time; a caller with more time may decide. `unlisted`: the first lookup
    did not find it, so the settling time begins. `postdated`: its send time lies in the future, because the clock was
    set back since; so the time gives no age.
    """

    verdict: Literal["ours", "absent", "undecided", "unread", "unlisted", "postdated"]
    state: BatchState | None = None


def look_up(batch: BatchRecord, connection: Connection, warehouse: Warehouse, now: datetime) -> Whereabouts:
    """Ask the provider for the intended batch. Changes nothing.

    Raises ProviderError when the batch is not listed and was sent with another credential or to another address: its
    absence proves nothing then, and it must not be sent again.
    """
    if is_being_sent(warehouse, batch.batch_id):
        return Whereabouts("undecided")
    if batch.sent_after is not None and batch.sent_after > now:
        return Whereabouts("postdated")
    with warehouse.read() as database:
        custom_ids = [r.custom_id for r in batches.requests_of(database, batch.batch_id)]
        accounted = batches.known_provider_ids(database, batch.provider)
    candidates = connection.provider.find(
        label=batch.batch_id,
        custom_ids=custom_ids,
        submitted_after=batch.sent_after,
        request_count=batch.request_count,
        input_file_id=batch.input_file_id,
        accounted=accounted,
    )
    proven = [state for state in candidates if state.label == batch.batch_id]
    if proven:
        return Whereabouts("ours", proven[0])
    if candidates:
        return Whereabouts("unread" if any(state.unread for state in candidates) else "undecided")
    if connection.account != batch.account:
        raise ProviderError(
            batch.provider,
            f"Nobody saw the end of the create call of batch {batch.batch_id}, and it was sent with another key or to "
            f"another address than are set now, so it cannot be looked for. Set the {batch.provider} key and address "
            f"of that time again, or give it up: `grabient cancel {batch.batch_id} --give-up`.",
        )
    if batch.missed_at is None or batch.missed_at > now:
        return Whereabouts("unlisted")
    return Whereabouts("absent" if now - batch.missed_at >= connection.settling else "undecided")


def adopt_batch(
    batch: BatchRecord, connection: Connection, warehouse: Warehouse, clock: Callable[[], datetime]
) -> BatchRecord:
    """Look the intended batch up at the provider and record the result.

    Ours: the batch is `submitted` under the provider's id. Absent: it is `deferred`, so that its requests are due
    again, at once for the first deferral in a row, otherwise after a growing backoff. Undecided or unread: it stays as
    it is and is looked up again later. Unlisted: the settling time begins now. The time of sending proves nothing: a
    process that was killed may have spent all that time on the upload, and the call may still arrive. Postdated: it is
    searched among all batches from now on.
    """
    found = look_up(batch, connection, warehouse, clock())
    if found.verdict in ("undecided", "unread") or is_being_sent(warehouse, batch.batch_id):
        return batch
    now = clock()
    with warehouse.write() as database:
        latest = batches.batch(database, batch.batch_id)
        if latest is None or latest.status != "intended":
            return latest or batch  # the sender has finished meanwhile
        if found.state is not None:
            batches.record_receipt(
                database,
                batch.batch_id,
                provider_batch_id=found.state.provider_batch_id,
                raw_status=found.state.raw_status,
                submitted_at=found.state.created_at or now,
            )
        elif found.verdict == "absent":
            batches.set_all_fates(database, batch.batch_id, "errored", "Not sent: the create call never arrived.")
            reason = "The create call had no answer and the provider lists no such batch: its requests are due again."
            times_before = batches.deferrals(database, batch.provider, exclude=batch.batch_id)
            pause = deferral(times_before - 1, batch.batch_id) if times_before else timedelta(0)
            batches.update_batch(database, batch.batch_id, status="deferred", retry_at=now + pause, error=reason)
        elif found.verdict == "unlisted":
            batches.update_batch(database, batch.batch_id, missed_at=now)
        else:
            batches.update_batch(database, batch.batch_id, sent_after=None)
        return batches.batch(database, batch.batch_id) or batch
