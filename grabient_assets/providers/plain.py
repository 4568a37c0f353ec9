"""SDK objects as plain values. The SDKs build whatever came without checking it, text instead of an object included."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from grabient_assets.providers.faults import UnreadableAnswer


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
    """A time such as 2026-11-20T12:00:00Z, or None."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def unix_time(value: object) -> datetime | None:
    """A time in seconds since 1970, or None."""
    return datetime.fromtimestamp(value, UTC) if isinstance(value, (int, float)) and value > 0 else None
