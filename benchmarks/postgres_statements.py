"""Which statements take long with the tables in PostgreSQL: the runs that report a collected ledger, on both.

The ledger is made (scaling/ledger.py), reported once from the file, then copied into a PostgreSQL server that is
started for it and reported from there, with Dagster's records in SQLite both times. Every statement that DuckDB is
given is timed; those that take longest in PostgreSQL are printed with how often they ran and how long they took in the
file. The first line says how long copying took: every row passes COPY.

    .venv/bin/python benchmarks/postgres_statements.py [--palettes 2000] [--most 15]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scaling.ledger import VERSIONS, make_ledger
from scaling.server import postgresql
from scaling.stages import print_stage

from grabient_assets.postgres_settings import parse_postgres
from grabient_assets.settings import PROJECT_DIR

STAGES = ("partitions", "load", "collected")
SHOWN = 110
"""Characters of a statement."""

_CHOSEN = re.compile(r"^WITH chosen AS \(.*? AS prompt_version\),? ")
"""What many statements begin with: the palettes that they are about."""

Times = dict[str, list[float]]
"""By the text of the statement: how often, and seconds."""


def main() -> None:
    """Make the ledger, report it twice, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--palettes", type=int, default=2_000)
    options.add_argument("--most", type=int, default=15, help="how many statements are shown")
    options.add_argument("--stage", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.stage:
        _print_times(chosen.stage)
        return
    with tempfile.TemporaryDirectory() as name, postgresql() as server:
        folder = Path(name)
        data = folder / "data"
        os.environ.update(GRABIENT_MODE="emulator", TAG_ANALYSIS_COUNT="1", GRABIENT_PROMPT_VERSION=VERSIONS[0])
        os.environ.update(GRABIENT_DATA_DIR=str(data), GRABIENT_BATCH_REPORTS="summary")
        make_ledger(data, chosen.palettes)
        url = server.url.replace("+psycopg2", "")
        rows, seconds = _copied(data, folder / "copy.duckdb", url)
        _say(f"{rows:,} rows copied into PostgreSQL in {seconds:.1f} s\n")
        found = {where: _times(folder, where, address) for where, address in (("file", ""), ("PostgreSQL", url))}
        _show(found["file"], found["PostgreSQL"], chosen.most)


def _copied(data: Path, copy: Path, url: str) -> tuple[int, float]:
    """Rows, and seconds."""
    from grabient_assets.warehouse.connection import Warehouse
    from grabient_assets.warehouse.copying import copy_warehouse

    shutil.copyfile(data / "grabient.duckdb", copy)
    target = Warehouse(parse_postgres(url, "the server"), folder=data)
    began = time.perf_counter()
    done = copy_warehouse(Warehouse(copy), target, datetime.now(UTC), lambda _: None)
    return done.rows, time.perf_counter() - began


def _times(folder: Path, where: str, address: str) -> Times:
    home = folder / f"dagster of {where}"
    home.mkdir()
    shutil.copyfile(PROJECT_DIR / "dagster.yaml", home / "dagster.yaml")
    environment = {**os.environ, "DAGSTER_HOME": str(home), "GRABIENT_WAREHOUSE": address}
    found: Times = {}
    for stage in STAGES:
        command = [sys.executable, __file__, "--stage", stage]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
    return found


def _print_times(stage: str) -> None:
    """What a process of `_times` does: the stage, with every statement timed."""
    from grabient_assets.warehouse.duckdb_file import DuckDBFile
    from grabient_assets.warehouse.postgres import PostgresDatabase

    times: Times = defaultdict(lambda: [0, 0.0])
    for tables in (DuckDBFile, PostgresDatabase):
        _time_all(tables, times)
    print_stage(stage)
    print(json.dumps(times))


class Timed:
    """A connection whose statements are timed."""

    def __init__(self, connection: Any, times: Times) -> None:
        self._connection, self._times = connection, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, query: Any, *given: Any, **more: Any) -> Any:
        began = time.perf_counter()
        try:
            return self._connection.execute(query, *given, **more)
        finally:
            entry = self._times[_CHOSEN.sub("", " ".join(str(query).split()))[:SHOWN]]
            entry[0] += 1
            entry[1] += time.perf_counter() - began


def _time_all(tables: Any, times: Times) -> None:
    read, transactions = tables.read, tables.transactions

    @contextmanager
    def timed_read(self: Any, staged: Path | None = None) -> Iterator[Timed]:
        began = time.perf_counter()
        with read(self, staged) as connection:
            times["(a reader begins)"][0] += 1
            times["(a reader begins)"][1] += time.perf_counter() - began
            yield Timed(connection, times)

    @contextmanager
    def timed_transactions(self: Any, staged: Path | None = None) -> Iterator[Any]:
        with transactions(self, staged) as transaction:

            @contextmanager
            def timed() -> Iterator[Timed]:
                with transaction() as connection:
                    yield Timed(connection, times)

            yield timed

    tables.read, tables.transactions = timed_read, timed_transactions


def _show(file: Times, database: Times, most: int) -> None:
    sums = [sum(seconds for _, seconds in found.values()) for found in (database, file)]
    _say("| statement | times | PostgreSQL, s | file, s |\n|---|--:|--:|--:|")
    for text, (count, seconds) in sorted(database.items(), key=lambda item: -item[1][1])[:most]:
        _say(f"| `{text.replace('|', '∣')}` | {count:.0f} | {seconds:.2f} | {file.get(text, [0, 0.0])[1]:.2f} |")
    _say(f"| all | | {sums[0]:.2f} | {sums[1]:.2f} |")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
