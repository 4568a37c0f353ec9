"""The DuckDB file as a Dagster resource."""

from __future__ import annotations

import dagster as dg

from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse


class WarehouseResource(dg.ConfigurableResource):
    """Where the tables lie: GRABIENT_DATA_DIR, read when used. Connections are short; nobody holds the file."""

    def open(self) -> Warehouse:
        """The warehouse. Nothing is opened before `read()` or `write()` is called on it."""
        return Warehouse(load_settings().database)
