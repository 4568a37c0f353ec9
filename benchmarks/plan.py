"""`grabient plan` for 100,000 palettes x 10 models x 8 analyses: 8 million requests, 2 million of them answered and
half a million in flight.

Making the tables takes a few minutes and is not counted. The plan is made in a process of its own, so that its peak of
memory is its own: the function behind the command, with DuckDB as the command uses it.

Then what a budget costs in time: before every batch it is decided in the intent's transaction which palettes the money
finishes (ledger/funding.py), here over everything that is not answered.

With GRABIENT_WAREHOUSE=postgresql://... it is measured there; `grabient warehouse copy` brings the file of --keep.

    .venv/bin/python benchmarks/plan.py [--palettes 100000] [--analyses 8] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ANSWERED, IN_FLIGHT = 1 / 4, 1 / 16
MEASURE, MEASURE_MONEY = "--measure", "--measure-money"
IN_A_BATCH = 50_000


def main() -> None:
    """Invent the tables, plan in a fresh process, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--palettes", type=int, default=100_000)
    options.add_argument("--analyses", type=int, default=8)
    options.add_argument("--keep", type=Path, help="make the tables here, or use those that are here")
    options.add_argument(MEASURE, action="store_true", help=argparse.SUPPRESS)
    options.add_argument(MEASURE_MONEY, action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = chosen.keep or Path(folder)
        os.environ.update(GRABIENT_DATA_DIR=str(data), GRABIENT_MODE="emulator")
        if chosen.measure:
            _measure(chosen.analyses)
            return
        if chosen.measure_money:
            _measure_money(chosen.analyses)
            return
        started = time.perf_counter()
        if not (data / "grabient.duckdb").exists():
            _invent(chosen.palettes, chosen.analyses)
        print(f"tables made (not counted)  {time.perf_counter() - started:8.1f} s")
        environment = {**os.environ, "GRABIENT_DATA_DIR": str(data)}
        for measure in (MEASURE, MEASURE_MONEY):
            command = [sys.executable, __file__, measure, "--analyses", str(chosen.analyses), "--keep", str(data)]
            subprocess.run(command, env=environment, check=True)


def _measure(analyses: int) -> None:
    from datetime import UTC, datetime

    from grabient_assets.headless.plan_document import plan_document
    from grabient_assets.headless.planning import make_plan
    from grabient_assets.settings import load_settings
    from grabient_assets.warehouse.connection import open_warehouse

    settings = load_settings()
    started, cpu = time.perf_counter(), time.process_time()
    plan = make_plan(open_warehouse(settings), settings, "v1", analyses, None, None, datetime.now(UTC))
    document = json.dumps(plan_document(plan, settings.mode))
    took, worked = time.perf_counter() - started, time.process_time() - cpu
    counts = [one.counts for one in plan.tagging]
    print(f"{plan.palettes} palettes x {len(counts)} models x {analyses} analyses; JSON of {len(document)} bytes")
    for name in ("cached", "in_flight", "failed", "equal"):
        print(f"{name:<10} {sum(getattr(one, name) for one in counts):>12,}")
    print(f"missing    {sum(sum(one.missing.values()) for one in counts):>12,}")
    total = plan.total
    print(f"to be sent {total.requests:>12,} requests in {total.batches} batches, {plan.usd.expected:.2f} USD")
    peak = _peak_mib()
    load = os.getloadavg()[0]
    print(f"plan       {took:12.2f} s    CPU {worked:.2f} s    peak memory of the process {peak:.0f} MiB")
    print(f"(load of the machine just now: {load:.1f} on {os.cpu_count()} cores)")


def _measure_money(analyses: int) -> None:
    from datetime import UTC, datetime
    from decimal import Decimal

    from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
    from grabient_assets.groups.purposes import PURPOSES
    from grabient_assets.groups.tagging.purpose import TAGGING, taggers
    from grabient_assets.ledger.estimates import RequestShape
    from grabient_assets.ledger.money import HoldKey
    from grabient_assets.ledger.request_sizes import keep_request_sizes
    from grabient_assets.ledger.reservation import Terms, reserve
    from grabient_assets.settings import PROVIDERS, load_settings
    from grabient_assets.warehouse.connection import open_warehouse

    prompt, now = load_palette_prompts("v1")["tagging"], datetime.now(UTC)
    model = next(one for one in taggers(PROVIDERS) if one.provider == "openai")
    key = HoldKey(TAGGING.name, model.provider, model.id, "v1", None)
    warehouse = open_warehouse(load_settings())
    for budget in (Decimal(1_000_000), Decimal(1_000)):
        with suppress(_Undone), warehouse.write() as connection:
            _target(connection, prompt.digest)
            connection.execute("DELETE FROM asks")
            connection.execute(_ASKS, {"last": sys.maxsize, "n": analyses})
            keep_request_sizes(connection, PURPOSES, PROVIDERS, now.date())
            ids = connection.execute(_OPEN_IDS, [model.id, round(ANSWERED * 2 * _palettes(connection)), IN_A_BATCH])
            chosen = [row[0] for row in ids.fetchall()]
            started, cpu = time.perf_counter(), time.process_time()
            shape = RequestShape(3_000, 2_000)
            granted = reserve(connection, Terms(PURPOSES, budget), key, model, prompt.digest, shape, chosen, now)
            took, worked = time.perf_counter() - started, time.process_time() - cpu
            print(f"money of a batch of {len(chosen):,} under {budget:,} USD: {len(granted.places):,} of it may go")
            print(
                f"           {took:12.2f} s    CPU {worked:.2f} s    peak memory of the process {_peak_mib():.0f} MiB"
            )
            raise _Undone


class _Undone(Exception):
    """Ends a transaction without a trace."""


def _palettes(connection: DuckDBPyConnection) -> int:
    row = connection.execute("SELECT count(*) FROM palettes").fetchone()
    assert row is not None
    return row[0]


def _peak_mib() -> float:
    """On Linux of this program alone: the other figure remembers what the process was before."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _invent(palettes: int, analyses: int) -> None:
    from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
    from grabient_assets.settings import load_settings
    from grabient_assets.warehouse.connection import Warehouse

    prompt = load_palette_prompts("v1")["tagging"]
    answered, flying = round(palettes * ANSWERED), round(palettes * IN_FLIGHT)
    with Warehouse(load_settings().database).write() as connection:
        _target(connection, prompt.digest)
        connection.execute(_PALETTES, [palettes])
        connection.execute(_BATCHES, [prompt.digest])
        connection.execute(_REQUESTS, {"first": 0, "last": answered + flying, "answered": answered, "n": analyses})
        connection.execute(_TAGS)
        connection.execute(_ASKS, {"last": answered + flying, "n": analyses})


def _target(connection: DuckDBPyConnection, prompt_digest: str) -> None:
    """Whom to ask, as the temporary table `target`."""
    from grabient_assets.groups.tagging.purpose import TAGGING, taggers
    from grabient_assets.ledger.identity import request_digest
    from grabient_assets.settings import PROVIDERS

    models = taggers(PROVIDERS)
    digests = [request_digest(TAGGING.name, "emulator", model, prompt_digest) for model in models]
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE target AS SELECT unnest($1::VARCHAR[]) AS provider, "
        "unnest($2::VARCHAR[]) AS model, unnest($3::VARCHAR[]) AS digest",
        [[m.provider for m in models], [m.id for m in models], digests],
    )


_PALETTES = """
    INSERT INTO palettes BY NAME
    SELECT '_g' || lpad(i::VARCHAR, 8, '0') || substr(md5(i::VARCHAR), 1, 27) AS seed, seed AS source_seed,
           seed AS palette_key, 'linear' AS style, 11 AS steps, 90.0 AS angle, ['Coral', 'Teal'] AS color_names,
           [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [1, 1, 1], [0, 0.33, 0.67]]::DOUBLE[3][4] AS coeffs,
           [0, 1, 1, 0]::DOUBLE[4] AS globals, ['analogous'] AS harmonies, 'warm' AS temperature, 'high' AS contrast,
           list_transform(range(11), lambda k: '#' || substr(md5((i * 11 + k)::VARCHAR), 1, 6))::VARCHAR[11] AS hex,
           list_transform(range(11), lambda k: [(i + k * 13) % 256, (i + k) % 256, k])::INTEGER[3][11] AS rgb,
           list_transform(range(11), lambda k: [(i + k * 13) % 361, (i + k) % 101, k])::INTEGER[3][11] AS hsl,
           list_transform(range(11), lambda k: [(i + k * 13) % 101, (i + k) % 131, k])::INTEGER[3][11] AS lch,
           'light' AS brightness, 'vibrant' AS saturation, []::VARCHAR[] AS clear_cut, now() AS created_at
    FROM range($1) AS r(i)
"""
_BATCHES = """
    INSERT INTO batches BY NAME
    SELECT status || ' ' || model AS batch_id, 'tagging' AS purpose, provider, model, 'v1' AS prompt_version,
           $1 AS prompt_digest, status, 1 AS request_count, 0 AS succeeded, 0 AS failed, '' AS bodies_sha256,
           'emulator' AS account, now() AS intended_at, now() AS submitted_at, 0 AS collect_attempts
    FROM target CROSS JOIN (SELECT unnest(['collected', 'submitted']) AS status)
"""
_REQUESTS = """
    INSERT INTO batch_requests BY NAME
    SELECT CASE WHEN n < $answered THEN 'collected ' ELSE 'submitted ' END || model AS batch_id, seed AS subject,
           analysis_index, palette_key || '-' || digest || '-' || lpad(analysis_index::VARCHAR, 2, '0') AS custom_id,
           CASE WHEN n < $answered THEN 'succeeded' END AS fate, 1500 AS input_tokens, 300 AS output_tokens,
           0.0003 AS cost_usd
    FROM (SELECT *, row_number() OVER (ORDER BY seed) - 1 AS n FROM palettes) AS p CROSS JOIN target,
         unnest(range($n)) AS a(analysis_index)
    WHERE n >= $first AND n < $last ORDER BY model, seed, analysis_index
"""
_TAGS = """
    INSERT INTO palette_tags BY NAME
    SELECT r.subject AS seed, b.prompt_version, b.provider, b.model, r.analysis_index, r.custom_id, r.fate,
           r.input_tokens, r.output_tokens, r.cost_usd, r.batch_id, now() AS created_at, ['calm', 'sea'] AS mood
    FROM batch_requests r JOIN batches b USING (batch_id) WHERE r.fate IS NOT NULL
"""
_ASKS = """
    INSERT INTO asks BY NAME
    SELECT 'tagging' AS purpose, seed AS subject, palette_key AS subject_key, 'v1' AS prompt_version, provider, model,
           digest AS request_digest, palette_key || '-' || digest AS stem, $n AS analyses, true AS chained,
           'open' AS state, now() AS asked_at
    FROM (SELECT *, row_number() OVER (ORDER BY seed) - 1 AS n FROM palettes) AS p CROSS JOIN target WHERE n < $last
"""
_OPEN_IDS = """
    SELECT a.stem || '-' || lpad(i::VARCHAR, 2, '0') FROM asks a, unnest(range(a.analyses)) AS r(i)
    WHERE a.model = $1 AND a.subject IN (SELECT seed FROM palettes ORDER BY seed OFFSET $2) ORDER BY subject, i LIMIT $3
"""


if __name__ == "__main__":
    main()
