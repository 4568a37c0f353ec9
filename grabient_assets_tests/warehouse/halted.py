"""A process that is halted inside a schema change: `python -m grabient_assets_tests.warehouse.halted FILE STEPS`.

The function `halt()` of its SQL says so on standard output and then waits until the process is killed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from grabient_assets.warehouse.migrations import migrate


def halt() -> int:
    """Say that it is reached, and never come back."""
    sys.stdout.write("halted\n")
    sys.stdout.flush()
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    file, steps = Path(sys.argv[1]), Path(sys.argv[2])
    with duckdb.connect(str(file)) as connection:
        connection.create_function("halt", halt, [], "INTEGER", side_effects=True)
        migrate(connection, file, steps)
