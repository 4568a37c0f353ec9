"""The warehouse as a Dagster resource."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import dagster as dg

from grabient_assets.errors import WarehouseLockedError
from grabient_assets.resources.dead_runs import PID_TAG
from grabient_assets.resources.run_leases import hold_run
from grabient_assets.resources.runs import record_begun
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse, open_warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout

RunContext: TypeAlias = dg.AssetExecutionContext | dg.AssetCheckExecutionContext | dg.OpExecutionContext


class WarehouseResource(dg.ConfigurableResource):
    """Where the tables lie: GRABIENT_WAREHOUSE and GRABIENT_DATA_DIR, read when used. Uses are short."""

    run_seconds: float = 3600.0
    """How long a run waits for its turn: it carries paid answers, and a person may have left a shell open."""
    tick_seconds: float = 20.0
    """How long a sensor tick waits in all. Dagster ends it after 60 seconds, and asking providers may take 40."""

    def open(self, context: RunContext) -> Warehouse:
        """The warehouse for a run. It waits for the lock, and logs the holder every minute in the run.

        The run is counted as an attempt here, before it does anything: see `resources/runs.py`. From here on it has a
        lease, by which other machines see that it lives, also while it waits.
        """

        def log_wait(sentence: str) -> None:
            context.log.warning(sentence)
            if PID_TAG in context.run.tags:  # executed by `grabient run`: a person sits before it
                sys.stderr.write(f"{sentence}\n")

        opened = open_warehouse(load_settings(), LockTimeout(self.run_seconds, log_wait))
        hold_run(opened, context.run.run_id)
        record_begun(context.run, opened)
        return opened

    def open_briefly(self) -> Warehouse:
        """The warehouse for a sensor tick, which gives up soon: see `skipped_while_locked`."""
        return open_warehouse(load_settings(), LockTimeout(self.tick_seconds, in_all=True))


def skipped_while_locked(look: Callable[..., Any]) -> Callable[..., Any]:
    """A sensor's function that skips its tick, with the reason, when another program keeps the file to itself."""

    @functools.wraps(look)
    def ticking(*arguments: Any, **named: Any) -> Any:
        try:
            return look(*arguments, **named)
        except WarehouseLockedError as error:
            return dg.SkipReason(str(error))

    return ticking
