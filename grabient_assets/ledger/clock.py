"""The time of the ledger: the wall clock, except that it never goes back.

Comparisons of times decide what is due: an answer counts for a retry when it came after the ask, and a request is not
sent again when it was collected after it was found to be due. A clock that is set back would reverse such an order, and
the same request would be paid for again. So these times are taken here, inside the transaction that writes them.
Durations are measured on the wall clock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def ledger_time(connection: DuckDBPyConnection, wall: datetime) -> datetime:
    """`wall`, or a microsecond after the newest time ever taken, whichever is later. UTC."""
    connection.execute("UPDATE ledger_clock SET latest = greatest(latest + INTERVAL 1 MICROSECOND, $1)", [wall])
    row = connection.execute("SELECT latest FROM ledger_clock").fetchone()
    assert row is not None
    return row[0].astimezone(UTC)
