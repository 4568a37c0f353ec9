"""Telling a provider to stop a batch, and noting in the ledger that a person wants it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from grabient_assets.errors import (
    BatchUnknownError,
    ProviderBusyError,
    ProviderError,
    ProviderUnreachableError,
    RequestRejectedError,
    ResultsError,
)
from grabient_assets.ledger import batches
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.connection import Connection
from grabient_assets.providers.contract import BatchState
from grabient_assets.warehouse.connection import Warehouse

UNCLEAR = (ProviderBusyError, ProviderUnreachableError, ResultsError)
"""After one of these nobody knows whether the call to stop counted; it is made again while the batch runs."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the batch stands by the provider's latest word. `trouble`: what the call to stop met, while it runs on."""

    state: BatchState
    trouble: ProviderError | None = None

    @property
    def refused(self) -> bool:
        """Whether the provider will not stop it, although it has it."""
        return self.trouble is not None and not isinstance(self.trouble, UNCLEAR)


def tell_to_stop(
    batch: BatchRecord, connection: Connection, warehouse: Warehouse, now: datetime, *, asked: bool
) -> Standing:
    """Look where the batch stands and, while it runs and was not `asked` to yet, ask the provider to stop it.

    The wish is in the ledger before the provider is told, because what is unanswered then is not asked again; it is
    taken back when the provider refuses. Raises what looking raises: only that says that the provider does not have it.
    """
    assert batch.provider_batch_id is not None
    provider, known = connection.provider, batch.provider_batch_id
    state = provider.poll(known)
    if batch.cancel_asked_at is None:
        _note_wish(batch.batch_id, warehouse, now)
    if state.state != "running" or asked:
        return Standing(state)
    try:
        provider.cancel(known)
    except UNCLEAR as error:
        return Standing(state, error)
    except ProviderError as error:
        # What has ended cannot be cancelled, and it may have ended between the two calls.
        state = provider.poll(known)
        if state.state != "running":
            return Standing(state)
        _note_wish(batch.batch_id, warehouse, None)
        return Standing(state, _not_stoppable(batch, state, error))
    return Standing(state)


def _not_stoppable(batch: BatchRecord, state: BatchState, error: ProviderError) -> ProviderError:
    if not isinstance(error, BatchUnknownError):
        return error
    return RequestRejectedError(
        batch.provider,
        f"{batch.provider} answered 404 to the call that stops batch {batch.batch_id}, but it has the batch "
        f"({state.raw_status or state.state}). It goes on, may be billed, and is collected when it has ended. "
        f"`grabient cancel {batch.batch_id}` tries again.",
    )


def _note_wish(batch_id: str, warehouse: Warehouse, now: datetime | None) -> None:
    """Not of a batch that another process has ended meanwhile: its answers were settled without it."""
    with warehouse.write() as connection:
        latest = batches.batch(connection, batch_id)
        if latest is not None and latest.status == "submitted":
            batches.update_batch(connection, batch_id, cancel_asked_at=now)
