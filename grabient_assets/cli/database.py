"""The DuckDB file as every command uses it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from grabient_assets.cli.console import say

if TYPE_CHECKING:
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse. It waits for its turn without end: a person is told on stderr, after a second and every minute,
    whom the command waits for, and may close it there or press Ctrl-C."""
    from grabient_assets.warehouse.connection import Warehouse
    from grabient_assets.warehouse.waiting import Patience

    return Warehouse(settings.database, Patience(math.inf, say))
