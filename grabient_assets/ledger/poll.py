"""Asking providers how far their batches are. Reads only; used within the time a sensor tick has."""

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
"""When no further batch is asked about. Dagster ends a tick after 60 seconds, and lets the function run on beside the
next one; the last answer may take 20 seconds, and the database may be waited for as long."""


@dataclass(slots=True)
class Polled:
    """What was learned, by batch id.

    `asked`: what its provider was asked about, whatever came of it. `states`: where submitted batches stand. `decided`:
    intended ones that can be adopted, settled or given up now. `troubles`: what is in the way of one, asked or not.
    `left`: how many were left for a later tick. `paused`: until when a provider is left alone, because it asked for
    time now or earlier.
    """

    asked: set[str] = field(default_factory=set)
    states: dict[str, BatchState] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    troubles: dict[str, GrabientError] = field(default_factory=dict)
    left: int = 0
    paused: dict[str, datetime] = field(default_factory=dict)

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
    """Ask once for every batch, in the order given, provider by provider, until the time is used up. A provider that
    asked for time is left alone until it is over."""
    give_up = time.monotonic() + budget
    with warehouse.read() as database:
        polled = Polled(paused=pauses(database, clock()))
    by_provider: dict[str, list[BatchRecord]] = defaultdict(list)
    for batch in open_batches:
        if batch.delivery == "direct":  # nobody need be asked: its process lives, or it can be settled
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
    """Write down what was learned: who was asked, what was in the way, and who asked for time."""
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
