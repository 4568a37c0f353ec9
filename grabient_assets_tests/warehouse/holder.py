"""A process at the DuckDB file: `python holder.py write FILE NUMBER` adds rows through the warehouse, `python holder.py
hold FILE` keeps the file open until its standard input ends."""

from __future__ import annotations

import sys
from pathlib import Path

from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout


def write(path: Path, number: int) -> None:
    """Ten rows, each in a transaction of its own."""
    for n in range(10):
        with Warehouse(path, LockTimeout(30)).write() as connection:
            connection.execute(
                "INSERT INTO prompt_versions VALUES (?, ?, 'd', 't', 'm', now())", [f"v{number}", str(n)]
            )


def hold(path: Path, read_only: bool) -> None:
    """Say so when the file is held."""
    import duckdb

    with duckdb.connect(str(path), read_only=read_only):
        sys.stdout.write("held\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    what, file = sys.argv[1], Path(sys.argv[2])
    write(file, int(sys.argv[3])) if what == "write" else hold(file, what == "hold-reading")
