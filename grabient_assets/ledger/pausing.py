"""Waiting as long as a provider asks (`Retry-After`), whichever process asks it next."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from grabient_assets.errors import ProviderBusyError
from grabient_assets.ledger.pauses import LONGEST_PAUSE


def pause_after(error: Exception, now: datetime) -> datetime | None:
    """Until when the provider that raised this is not to be asked; None when it named no time."""
    named = error.retry_after if isinstance(error, ProviderBusyError) else None
    if not named or math.isnan(named):
        return None
    return now + timedelta(seconds=min(named, LONGEST_PAUSE.total_seconds()))
