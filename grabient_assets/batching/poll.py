"""Asking providers how far their batches are. Reads only; used within the time a sensor tick has."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from grabient_assets.batching.connection import Connect
from grabient_assets.errors import CredentialsError, GrabientError, ProviderBusyError, ProviderUnreachableError
from grabient_assets.providers.contract import BatchState
from grabient_assets.warehouse.batches import BatchRecord

TICK_BUDGET_SECONDS = 30.0
"""Dagster ends a sensor tick after 60 seconds, and lets the function run on beside the next one."""


@dataclass(frozen=True, slots=True)
class Polled:
    """The answers, by batch id; sentences for what could not be asked; and how many were left for the next tick."""

    states: dict[str, BatchState]
    troubles: tuple[str, ...]
    left: int


_LEAVES = (CredentialsError, ProviderBusyError, ProviderUnreachableError)
"""After one of these the provider is not asked about its other batches either."""


def poll_batches(open_batches: Sequence[BatchRecord], connect: Connect, budget: float = TICK_BUDGET_SECONDS) -> Polled:
    """Ask once for every submitted batch, in the order given, provider by provider, until the time is used up."""
    started = time.monotonic()
    states: dict[str, BatchState] = {}
    troubles: list[str] = []
    asked = 0
    by_provider: dict[str, list[tuple[str, str]]] = {}
    for batch in open_batches:
        if batch.provider_batch_id is not None:
            by_provider.setdefault(batch.provider, []).append((batch.batch_id, batch.provider_batch_id))
    for provider, group in by_provider.items():
        try:
            with connect(provider) as connection:
                for batch_id, provider_batch_id in group:
                    if time.monotonic() - started > budget:
                        break
                    asked += 1
                    try:
                        states[batch_id] = connection.provider.poll(provider_batch_id)
                    except _LEAVES:
                        raise
                    except GrabientError as error:
                        troubles.append(f"batch {batch_id}: {error}")
        except GrabientError as error:
            troubles.append(f"{provider}: {error}")
    return Polled(states, tuple(troubles), sum(map(len, by_provider.values())) - asked)
