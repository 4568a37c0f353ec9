from __future__ import annotations

from pathlib import Path

import pytest

SLOW_FIRST = ("reliability", "dagster_ui", "pipeline", "cli", "docs", "dagster_cli")
"""Rooms of files that take long go first, so that the workers end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        room = item.path.relative_to(here).parts[0]
        return SLOW_FIRST.index(room) if room in SLOW_FIRST else len(SLOW_FIRST)

    items.sort(key=rank)
