"""Results with fewer lines than the provider counts.

A file that ends too early at the end of a line looks whole, and so does an empty one. What is not in it has been paid
for, so it is fetched again. But counts can be wrong as well: what comes twice, a settling time apart, is taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from grabient_assets.providers.contract import BatchState
from grabient_assets.warehouse import batches
from grabient_assets.warehouse.batches import BatchRecord
from grabient_assets.warehouse.connection import Warehouse


def lines_lacking(state: BatchState, lines: Sequence[bytes]) -> int:
    """How many lines the provider counts that are not there. One that came twice counts once."""
    return max(0, (state.least_lines or 0) - len(set(lines)))


def is_settling(batch: BatchRecord, settling: timedelta, now: datetime) -> bool:
    """Whether its results were too short a moment ago, so that fetching them again would tell nothing yet."""
    return batch.short_at is not None and timedelta(0) <= now - batch.short_at < settling


def fetch_again(
    batch: BatchRecord,
    state: BatchState,
    lines: Sequence[bytes],
    warehouse: Warehouse,
    settling: timedelta,
    now: datetime,
) -> bool:
    """Whether the results are to be fetched once more because lines are lacking; the ledger says since when."""
    lacking = lines_lacking(state, lines)
    if not lacking:
        return False
    digest = hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()
    if digest == batch.short_sha256 and batch.short_at is not None and batch.short_at <= now:
        return now - batch.short_at < settling
    reason = (
        f"{batch.provider} counts {lacking} result lines more than came, so the file may have ended too early. It is "
        "fetched again; if the same comes, it is taken as it is."
    )
    with warehouse.write() as connection:
        batches.update_batch(
            connection, batch.batch_id, short_at=now, short_sha256=digest, error=reason, error_kind="ResultsError"
        )
    return True
