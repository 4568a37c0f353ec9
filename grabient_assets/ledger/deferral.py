"""How long what could not be sent is put off."""

from __future__ import annotations

import hashlib
import math
from datetime import timedelta
from typing import TYPE_CHECKING

from grabient_assets.errors import InputFileUnseenError
from grabient_assets.ledger.batches import BatchRecord, deferrals_of_kind

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIRST_DEFERRAL = timedelta(seconds=5)
LONGEST_DEFERRAL = timedelta(minutes=30)
LONGEST_NAMED = timedelta(days=1)
"""The longest wait a provider may ask for: Retry-After has been seen as a number of any size, infinity included."""

FILES_UNSEEN_AT_MOST = 5
"""So many files in a row may be unseen right after their upload. OpenAI has shown them within seconds."""

SPREAD, LONGEST_SPREAD = 0.25, timedelta(minutes=1)
"""By so much of itself a pause is lengthened, and by a minute, at most: pipelines that met the same outage shall not
come back as one."""


def deferral(times_before: int, batch_id: str, named: float | None = None) -> timedelta:
    """Doubling from 5 seconds to half an hour, never less than the `named` seconds of a provider, and spread."""
    pause = min(FIRST_DEFERRAL * 2 ** min(times_before, 10), LONGEST_DEFERRAL)
    if named and not math.isnan(named):
        pause = max(pause, timedelta(seconds=min(named, LONGEST_NAMED.total_seconds())))
    return min(spread(pause, batch_id), LONGEST_NAMED)


def spread(pause: timedelta, batch_id: str) -> timedelta:
    """The pause with its jitter, drawn from the id of the batch: no two have the same, and none is by chance."""
    drawn = int.from_bytes(hashlib.sha256(batch_id.encode()).digest()[:4]) / 2**32
    return pause + min(SPREAD * pause, LONGEST_SPREAD) * drawn


def may_be_seen_yet(connection: DuckDBPyConnection, batch: BatchRecord) -> bool:
    """Whether a file that the provider does not see may only be too new, as not all of the last ones were."""
    kind = InputFileUnseenError.__name__
    return deferrals_of_kind(connection, batch.provider, batch.model, kind, batch.batch_id) < FILES_UNSEEN_AT_MOST
