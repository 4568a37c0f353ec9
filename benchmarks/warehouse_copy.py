"""How long `grabient warehouse copy` takes from a file to PostgreSQL and back.

Makes a file with so many answers (100,000 unless told; one in ten with a vector of 256 numbers), starts a PostgreSQL
server of its own and prints seconds, rows and megabytes. Nothing is kept.

    .venv/bin/python benchmarks/warehouse_copy.py [100000]
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from grabient_assets.postgres_settings import parse_postgres
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.copied_values import tables
from grabient_assets.warehouse.copying import copy_warehouse

VALUES = {
    "VARCHAR": "md5(i::VARCHAR)",
    "VARCHAR[]": "[md5(i::VARCHAR), 'calm', 'Hafen']",
    "JSON": "'{\"a\": 1}'",
    "DECIMAL(18,10)": "(i % 1000) / 1e6",
    "TIMESTAMP WITH TIME ZONE": "now()",
    "BOOLEAN": "i % 2 = 0",
    "FLOAT[]": "list_transform(range(256), lambda n: sin(i + n)::FLOAT)",
}
"""A value of a type, made of the number i."""


def fill(path: Path, answers: int) -> None:
    """Answers with their requests, and vectors."""
    counts = {"palette_tags": answers, "batch_requests": answers, "asks": answers, "embeddings": answers // 10}
    with Warehouse(path).write() as connection:
        for table, count in counts.items():
            values = ", ".join(_value(name, kind) for name, kind in tables()[table])
            connection.execute(f"INSERT INTO {table} SELECT {values} FROM range({count}) AS r(i)")


def _value(name: str, kind: str) -> str:
    if name == "answer_text":
        return "repeat(md5(i::VARCHAR), 30)"  # 960 characters, as an answer has
    return VALUES.get(kind, f"(i % 1000)::{kind}")


def main(answers: int) -> None:
    """Print a line for each direction."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from grabient_assets_tests.postgres import postgres  # not installed, so found from here

    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as name, postgres() as server:
        folder = Path(name)
        address = parse_postgres(server.create_database("copies"), "the server", server.password)
        places = [Warehouse(folder / "from.duckdb"), Warehouse(address, folder=folder), Warehouse(folder / "to.duckdb")]
        fill(places[0].path, answers)
        for source, target in pairwise(places):
            began, worked = time.perf_counter(), time.process_time()
            done = copy_warehouse(source, target, now, lambda _: None)
            seconds, cpu = time.perf_counter() - began, time.process_time() - worked
            sys.stdout.write(
                f"{done.rows:,} rows to {target.place}: {seconds:.1f} s, {cpu:.1f} s of CPU beside the server's\n"
            )
        size = int(server.psql("SELECT pg_database_size('copies')")) / 1e6
        sys.stdout.write(f"file {places[0].path.stat().st_size / 1e6:,.0f} MB, database {size:,.0f} MB\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
