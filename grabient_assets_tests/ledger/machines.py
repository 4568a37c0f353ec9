"""Machines that share a warehouse in PostgreSQL and an object store; each has a data folder of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from grabient_assets.postgres_settings import PostgresAddress, read_postgres
from grabient_assets.store.folder import FolderStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.ledger.house import House

ELSEWHERE = "elsewhere/0123456789ab/another-boot/1/1/1|killed"
"""The owner of a lease on a machine that is not this one."""


@dataclass
class Machine(House):
    """A house whose tables lie in the database at `address`. Machines below one folder share the object store."""

    address: PostgresAddress = field(kw_only=True)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.warehouse = Warehouse(self.address, LockTimeout(HANGING_SECONDS), self.folder)
        self.store = FolderStore(self.folder.parent / "objects")


def house_at(folder: Path) -> House:
    """What lies at the folder: a machine where GRABIENT_WAREHOUSE names a database, otherwise a house."""
    address = read_postgres(os.environ)
    return House(folder) if address is None else Machine(folder, address=address)
