"""Asking providers how far their batches are. Reads only; used within the time a sensor tick has."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from grabient_assets.batching.adopt import look_up
from grabient_assets.batching.connection import Connect, Connection
from grabient_assets.batching.short_results import is_settling
from grabient_assets.errors import CredentialsError, GrabientError, ProviderBusyError, ProviderUnreachableError
from grabient_assets.providers.contract import BatchState
from grabient_assets.warehouse.batches import BatchRecord
from grabient_assets.warehouse.connection import Warehouse

TICK_BUDGET_SECONDS = 30.0
"""Dagster ends a sensor tick after 60 seconds, and lets the function run on beside the next one."""


@dataclass(slots=True)
class Polled:
    """What was learned, by batch id.

    `states`: where submitted batches stand. `decided`: intended ones that can be adopted or given up now. `troubles`:
    why one could not be asked. `left`: how many were left for the next tick.
    """

    states: dict[str, BatchState] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    troubles: dict[str, GrabientError] = field(default_factory=dict)
    left: int = 0

    @property
    def ready(self) -> set[str]:
        """Batches with which something can be done."""
        return self.decided | {batch_id for batch_id, state in self.states.items() if state.state == "ended"}


_LEAVES = (CredentialsError, ProviderBusyError, ProviderUnreachableError)
"""After one of these the provider is not asked about its other batches either."""


def poll_batches(
    open_batches: Sequence[BatchRecord],
    connect: Connect,
    warehouse: Warehouse,
    clock: Callable[[], datetime],
    budget: float = TICK_BUDGET_SECONDS,
) -> Polled:
    """Ask once for every batch, in the order given, provider by provider, until the time is used up."""
    give_up = time.monotonic() + budget
    polled = Polled()
    by_provider: dict[str, list[BatchRecord]] = defaultdict(list)
    for batch in open_batches:
        by_provider[batch.provider].append(batch)
    for provider, group in by_provider.items():
        waiting = list(group)
        try:
            with connect(provider) as connection:
                while waiting and time.monotonic() <= give_up:
                    _ask(waiting[0], connection, warehouse, clock(), polled)
                    del waiting[0]
        except GrabientError as error:
            polled.troubles |= {batch.batch_id: error for batch in waiting}
        else:
            polled.left += len(waiting)
    return polled


def _ask(batch: BatchRecord, connection: Connection, warehouse: Warehouse, now: datetime, polled: Polled) -> None:
    try:
        if is_settling(batch, connection.settling, now):
            return
        if batch.provider_batch_id is not None:
            polled.states[batch.batch_id] = connection.provider.poll(batch.provider_batch_id)
        elif look_up(batch, connection, warehouse, now).verdict != "undecided":
            polled.decided.add(batch.batch_id)
    except _LEAVES:
        raise
    except GrabientError as error:
        polled.troubles[batch.batch_id] = error
