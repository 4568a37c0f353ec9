"""The table provider_pauses: until when providers asked not to be asked (`Retry-After`), whichever process asks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from grabient_assets.errors import ProviderBusyError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


LONGEST_PAUSE = timedelta(hours=1)
"""Retry-After has been seen as a number of any size; asking once an hour is too often for nobody."""


def pauses(connection: DuckDBPyConnection, now: datetime) -> dict[str, datetime]:
    """The providers that are not to be asked now, and until when. A time beyond the longest pause was set by a clock
    that ran ahead, and does not count."""
    rows = connection.execute(
        "SELECT provider, until FROM provider_pauses WHERE until > $1 AND until <= $2", [now, now + LONGEST_PAUSE]
    ).fetchall()
    return {provider: until.astimezone(UTC) for provider, until in rows}


def record_pauses(connection: DuckDBPyConnection, found: Mapping[str, datetime]) -> None:
    """Write down until when these providers are left alone."""
    for provider, until in found.items():
        connection.execute("INSERT OR REPLACE INTO provider_pauses VALUES ($1, $2)", [provider, until])


def pause_after(error: Exception, now: datetime) -> datetime | None:
    """Until when the provider that raised this is not to be asked; None when it named no time."""
    named = error.retry_after if isinstance(error, ProviderBusyError) else None
    if not named or math.isnan(named):
        return None
    return now + timedelta(seconds=min(named, LONGEST_PAUSE.total_seconds()))
