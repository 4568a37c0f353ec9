"""SDK objects as plain values. The SDKs build whatever came without checking it, text instead of an object included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from grabient_assets.providers.faults import UnreadableAnswer

DIGITS = 18
"""The longest count that is believed; int64 has no more."""


def plain(answer: Any, *required: str) -> dict[str, Any]:
    """`answer` as the JSON object that came. Raises UnreadableAnswer when it is none, or lacks one of `required`."""
    value = answer.to_dict(mode="json", warnings=False) if hasattr(answer, "to_dict") else answer
    if not isinstance(value, Mapping):
        raise UnreadableAnswer(f"no JSON object but {str(value)!r}")
    for name in required:
        if not isinstance(value.get(name), str) or not value[name]:
            raise UnreadableAnswer(f"a JSON object without {name}: {dict(value)}")
    return dict(value)


def iso_time(value: object) -> datetime | None:
    """A time such as 2026-11-20T12:00:00Z in UTC, or None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def unix_time(value: object) -> datetime | None:
    """A time in seconds since 1970, or None for anything else: text, or a number beyond the calendar (milliseconds)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def whole_number(value: object) -> int | None:
    """A count as it came, as a number or in digits as JSON carries int64; None for anything else."""
    if isinstance(value, str) and value.isdecimal() and len(value) <= DIGITS:
        return int(value)
    return value if type(value) is int and 0 <= value < 10**DIGITS else None
