"""The DuckDB file as every command uses it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def opened_as_it_is(settings: Settings) -> Iterator[Warehouse]:
    """The same for a command that only reads: where there is no file yet an empty one elsewhere; none is made here."""
    import tempfile
    from pathlib import Path

    from grabient_assets.warehouse.connection import Warehouse

    found = open_warehouse(settings)
    if found.exists():
        yield found
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Warehouse(Path(folder) / settings.database.name)
