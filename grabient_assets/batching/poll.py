"""Asking providers how far their batches are. Reads only; used within the time a sensor tick has."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from grabient_assets.batching.connection import Connect
from grabient_assets.errors import GrabientError
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


def poll_batches(open_batches: Sequence[BatchRecord], connect: Connect, budget: float = TICK_BUDGET_SECONDS) -> Polled:
    """Ask once for every submitted batch, those asked longest ago first, until the time is used up."""
    started = time.monotonic()
    states: dict[str, BatchState] = {}
    troubles: list[str] = []
    asked = 0
    submitted = [b for b in open_batches if b.provider_batch_id is not None]
    for provider, group in groupby(sorted(submitted, key=lambda b: b.provider), key=lambda b: b.provider):
        try:
            with connect(provider) as connection:
                for batch in group:
                    if time.monotonic() - started > budget:
                        break
                    asked += 1
                    assert batch.provider_batch_id is not None
                    states[batch.batch_id] = connection.provider.poll(batch.provider_batch_id)
        except GrabientError as error:
            troubles.append(f"{provider}: {error}")
    return Polled(states, tuple(troubles), len(submitted) - asked)
