"""Polling providers for the state of their batches. Reads only, within the time of a sensor tick."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from grabient_assets.errors import CredentialsError, GrabientError, ProviderBusyError, ProviderUnreachableError
from grabient_assets.ledger.adopt import look_up
from grabient_assets.ledger.backoff import pause_after, pauses, record_pauses
from grabient_assets.ledger.batches import BatchRecord, record_polled
from grabient_assets.ledger.connection import Connect, Connection
from grabient_assets.ledger.sending_lock import is_being_sent
from grabient_assets.ledger.short_results import is_settling
from grabient_assets.providers.contract import BatchState
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import describe_error

TICK_BUDGET_SECONDS = 20.0
"""The seconds after which no further batch is polled. Dagster ends a tick after 60 seconds, and lets the function run
on beside the next one. The last answer may take 20 seconds, and the wait for the database may take as long."""


@dataclass(slots=True)
class Polled:
    """The results of a round of polls, by batch id.

    `asked`: batches that were polled, whatever the result. `states`: the states of submitted batches. `decided`:
    intended ones that can be adopted, settled or given up now. `troubles`: the errors of batches, polled or not.
    `left`: how many were left for a later tick. `paused`: the end of a provider's pause, which it asked for now or
    earlier.
    """

    asked: set[str] = field(default_factory=set)
    states: dict[str, BatchState] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    troubles: dict[str, GrabientError] = field(default_factory=dict)
    left: int = 0
    paused: dict[str, datetime] = field(default_factory=dict)

    @property
    def ready(self) -> set[str]:
        """Batches that can be handled now."""
        return self.decided | {batch_id for batch_id, state in self.states.items() if state.state == "ended"}


_LEAVES = (CredentialsError, ProviderBusyError, ProviderUnreachableError)
"""After one of these errors the provider's other batches are not polled either."""


def poll_batches(
    open_batches: Sequence[BatchRecord],
    connect: Connect,
    warehouse: Warehouse,
    clock: Callable[[], datetime],
    budget: float = TICK_BUDGET_SECONDS,
) -> Polled:
    """Poll every batch once, in the order given, provider by provider, until the time is used up. A provider that asked
    for a pause is skipped until it is over."""
    give_up = time.monotonic() + budget
    with warehouse.read() as database:
        polled = Polled(paused=pauses(database, clock()))
    by_provider: dict[str, list[BatchRecord]] = defaultdict(list)
    for batch in open_batches:
        if batch.delivery == "direct":  # no poll is needed: its process lives, or it can be settled
            polled.decided |= set() if is_being_sent(warehouse, batch.batch_id) else {batch.batch_id}
        else:
            by_provider[batch.provider].append(batch)
    for provider, group in by_provider.items():
        waiting = list(group)
        if provider in polled.paused:
            polled.left += len(waiting)
            continue
        try:
            with connect(provider) as connection:
                while waiting and time.monotonic() <= give_up:
                    _ask(waiting[0], connection, warehouse, clock(), polled)
                    del waiting[0]
        except Exception as error:  # noqa: BLE001 - one provider; the others are asked
            trouble = (
                error
                if isinstance(error, GrabientError)
                else GrabientError(describe_error(error, f"Asking {provider}"))
            )
            polled.troubles |= {batch.batch_id: trouble for batch in waiting}
            if pause := pause_after(error, clock()):
                polled.paused[provider] = pause
        else:
            polled.left += len(waiting)
    return polled


def record(polled: Polled, warehouse: Warehouse, now: datetime) -> None:
    """Record the results: the polled batches, their errors, and the pauses that providers asked for."""
    with warehouse.write() as database:
        ended = [batch_id for batch_id, state in polled.states.items() if state.state == "ended"]
        record_polled(database, polled.asked, polled.troubles, now, ended)
        record_pauses(database, polled.paused)


def _ask(batch: BatchRecord, connection: Connection, warehouse: Warehouse, now: datetime, polled: Polled) -> None:
    try:
        if is_settling(batch, connection.settling, now):
            return
        polled.asked.add(batch.batch_id)
        if batch.provider_batch_id is not None:
            polled.states[batch.batch_id] = connection.provider.poll(batch.provider_batch_id)
        elif look_up(batch, connection, warehouse, now).verdict != "undecided":
            polled.decided.add(batch.batch_id)
    except _LEAVES:
        raise
    except GrabientError as error:
        polled.troubles[batch.batch_id] = error
    except Exception as error:  # noqa: BLE001 - one batch; the paid answers of others wait
        polled.troubles[batch.batch_id] = GrabientError(describe_error(error, f"Asking about batch {batch.batch_id}"))
