"""The leases of runs: that a run is being executed, for whoever asks on another machine.

Only where the warehouse lies in a PostgreSQL database, which all machines see. Where it lies in a file there is one
machine, and dead_runs.py judges by its processes.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from grabient_assets.errors import GrabientError
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse, open_warehouse
from grabient_assets.warehouse.leases import LeaseLocks
from grabient_assets.warehouse.lock_wait import LockTimeout
from grabient_assets.warehouse.locks import Held

ANSWER_SECONDS = 5.0
"""How long the database is waited for by those who ask about a run: sensors ask within a tick."""

_guard = threading.Lock()
_held: dict[str, Held] = {}


def hold_run(warehouse: Warehouse, run_id: str) -> None:
    """Keep the lease of a run that this process executes, until `let_go_of_run` or the end of the process."""
    locks = warehouse.locks
    if not isinstance(locks, LeaseLocks):
        return
    with _guard:
        if run_id not in _held and (held := locks.keep_for_run(run_id)) is not None:
            _held[run_id] = held


def let_go_of_run(run_id: str) -> None:
    """The run has ended."""
    with _guard:
        held = _held.pop(run_id, None)
    if held is not None:
        held.let_go()


def has_lapsed(run_id: str) -> bool:
    """Whether the run had a lease that its process does not renew any more. False when it has none, when the warehouse
    is a file, or when the database does not answer: then nothing is known."""
    import duckdb

    with suppress(GrabientError, duckdb.Error):
        locks = open_warehouse(load_settings(), LockTimeout(ANSWER_SECONDS)).locks
        return isinstance(locks, LeaseLocks) and locks.run_has_ended(run_id) is True
    return False
