"""Databases of PostgreSQL with our tables, empty, one for each test that asks."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

from grabient_assets.postgres_settings import PostgresAddress, parse_postgres
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.postgres_engine import give_up
from grabient_assets_tests.postgres import HOST, USER, Server

TEMPLATE = "empty_tables"


class NewTables:
    """A server. Making tables takes ten times as long as copying a database that has them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._numbers = count(1)
        server.create_database(TEMPLATE)
        address = parse_postgres(self._with_password(TEMPLATE), "the test")
        with tempfile.TemporaryDirectory() as folder, Warehouse(address, folder=Path(folder)).write():
            pass
        give_up(address)  # a database that somebody is connected to cannot be copied

    def new_database(self) -> str:
        """The address of a new database, with the password."""
        name = f"tables_{next(self._numbers)}"
        self.server.psql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self._with_password(name)

    def new_address(self) -> PostgresAddress:
        """The same, read."""
        return parse_postgres(self.new_database(), "the test")

    def _with_password(self, database: str) -> str:
        return f"postgresql://{USER}:{self.server.password}@{HOST}:{self.server.port}/{database}"
