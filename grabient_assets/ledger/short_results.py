"""Results with fewer lines than the provider counts.

A file that was truncated at the end of a line looks complete, and so does an empty one. Its missing lines have been
paid for, so it is fetched again. But counts can be wrong as well. So the same result is accepted when it comes twice, a
settling time apart, and after a limit a result that differs each time is accepted too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from grabient_assets.errors import ResultsError
from grabient_assets.ledger import batches
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.providers.contract import BatchState, ReadLine
from grabient_assets.warehouse.connection import Warehouse

SHORT_AT_MOST = timedelta(hours=6)
"""The limit of the wait for results that lack lines and differ at each poll."""


def lines_lacking(state: BatchState, lines: Sequence[bytes], read_line: ReadLine) -> int:
    """How many lines that the provider counts are missing. A duplicate line counts once.

    Where the provider counts only its answers, error lines do not make up for missing ones: a complete file of errors
    may have come beside a truncated file of answers. The two are distinguished only when some request has no line.
    """
    distinct = set(lines)
    lacking = max(0, (state.least_lines or 0) - len(distinct))
    if state.least_answers and not (state.total and len(distinct) >= state.total):
        lacking = max(lacking, state.least_answers - sum(_may_be_answer(line, read_line) for line in distinct))
    return lacking


def _may_be_answer(line: bytes, read_line: ReadLine) -> bool:
    try:
        return read_line(line).has_response
    except ResultsError:
        return True


def is_settling(batch: BatchRecord, settling: timedelta, now: datetime) -> bool:
    """Whether its results were too short a moment ago, so that another fetch would be too early."""
    return batch.short_at is not None and timedelta(0) <= now - batch.short_at < settling


def fetch_again(
    batch: BatchRecord,
    state: BatchState,
    lines: Sequence[bytes],
    read_line: ReadLine,
    warehouse: Warehouse,
    settling: timedelta,
    now: datetime,
) -> bool:
    """Whether to fetch the results once more because lines are missing; the ledger holds the time since when."""
    lacking = lines_lacking(state, lines, read_line)
    if not lacking:
        return False
    digest = hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()
    if digest == batch.short_sha256 and batch.short_at is not None and batch.short_at <= now:
        return now - batch.short_at < settling
    since = batch.short_since if batch.short_since is not None and batch.short_since <= now else now
    if now - since >= SHORT_AT_MOST:
        return False
    reason = (
        f"{batch.provider} counts {lacking} result lines more than came, so the file may have ended too early. It is "
        "fetched again; if the same comes, it is taken as it is."
    )
    seen = {"short_at": now, "short_sha256": digest, "short_since": since}
    with warehouse.write() as connection:
        latest = batches.batch(connection, batch.batch_id)
        if latest is not None and latest.status == "submitted":
            batches.update_batch(connection, batch.batch_id, **seen, error=reason, error_kind="ResultsError")
    return True
