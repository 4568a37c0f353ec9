"""Looking for a batch whose id nobody wrote down, as far as the time of its creation helps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from grabient_assets.providers.contract import BatchState

CLOCK_SKEW = timedelta(hours=24)
"""How far this machine's clock may have been ahead of the provider's. A batch that is overlooked is paid for twice; one
that is considered in vain is only waited for."""


def may_be_ours(created_at: datetime | None, submitted_after: datetime | None) -> bool:
    """Whether a batch that the provider says was created then may have been submitted after that time of ours."""
    return created_at is None or submitted_after is None or created_at >= submitted_after - CLOCK_SKEW


def newest_first(states: Iterable[BatchState]) -> list[BatchState]:
    """The states by the time of creation; those without one last."""
    return sorted(states, key=lambda state: state.created_at or datetime.min.replace(tzinfo=UTC), reverse=True)
