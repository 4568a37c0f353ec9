"""Smaller batches for a queue that is too small for large ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from grabient_assets.ledger.queue_refusals import queue_refusals
from grabient_assets.registry.model import BatchLimits
from grabient_assets.warehouse.connection import Warehouse

REFUSALS = 2
"""Once a queue may be full of something else."""
FEWEST = 20
"""No batch is made smaller than this: a queue that has no room for so few is full, not small."""
REMEMBERED = timedelta(days=1)
"""Then the whole size is tried again: limits grow with what an account has paid."""


def limits_with_room(
    limits: BatchLimits, provider: str, model: str, warehouse: Warehouse, now: datetime
) -> BatchLimits:
    """The provider's limits, and half of what its queue refused again and again; never less than what went through."""
    with warehouse.read() as connection:
        found = queue_refusals(connection, provider, model, now - REMEMBERED)
    if found.times < REFUSALS:
        return limits
    most = max(found.accepted, found.smallest // 2, FEWEST)
    return replace(limits, max_requests=min(limits.max_requests, most))
