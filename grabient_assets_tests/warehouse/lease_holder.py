"""A process that holds a lease: `python -m grabient_assets_tests.warehouse.lease_holder NAME [RENEW_SECONDS]`.

It says "held", then answers each line that it reads with whether the lease still stands, and lets go at the end of its
input. GRABIENT_WAREHOUSE and PGPASSWORD name the database.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from grabient_assets.postgres_settings import read_postgres
from grabient_assets.warehouse import leases
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.locks import LockName


def main(name: str, renew_seconds: str | None = None) -> None:
    """Hold it."""
    if renew_seconds is not None:
        leases.RENEW_SECONDS = float(renew_seconds)
    address = read_postgres(os.environ)
    assert address is not None
    held = Warehouse(address, folder=Path("/nonexistent")).locks.take([LockName(name, "none")])
    sys.stdout.write(f"{'held' if held else 'taken'}\n")
    sys.stdout.flush()
    if held is None:
        return
    with held:
        for _ in sys.stdin:
            sys.stdout.write(f"{held.stands()}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
