"""The report on a prompt version (`model_reports`) for 100,000 palettes x 10 models x 2 analyses: two million answers,
ten fields, some 40 million tags.

Inventing the answers takes minutes and is not counted. The report is made in a process of its own, so that its peak of
memory is its own: the function behind the asset, with DuckDB as it uses it, from the tables to the tables.

    .venv/bin/python benchmarks/model_reports.py [--palettes 100000] [--analyses 2] [--keep FOLDER] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEASURE = "--measure"
# As in simulation/annotators.py: how many different tags there are, how many are true of a palette, how many come near.
TAGS = {
    "seasonal": (4, 1, 1),
    "style": (10_000, 4, 8),
    "mood": (10_000, 4, 8),
    "associations": (10_000, 7, 10),
}
RIGHT, TRUE_NAMED, NEAR_NAMED, SAME_AGAIN = 205, 154, 26, 170
"""Of 256: a categorical answer that is right, a true tag named, another one named, a second analysis like the first."""


def main() -> None:
    """Invent the tables, report in a fresh process, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--palettes", type=int, default=100_000)
    options.add_argument("--analyses", type=int, default=2)
    options.add_argument("--keep", type=Path, help="make the tables here, or use those that are here")
    options.add_argument("--profile", action="store_true", help="say where the time goes, which takes longer")
    options.add_argument(MEASURE, action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = chosen.keep or Path(folder)
        os.environ.update(GRABIENT_DATA_DIR=str(data), GRABIENT_MODE="emulator")
        if chosen.measure:
            _measure(profile=chosen.profile)
            return
        started = time.perf_counter()
        if not (data / "grabient.duckdb").exists():
            _invent(chosen.palettes, chosen.analyses)
        print(f"tables made (not counted)  {time.perf_counter() - started:8.1f} s", flush=True)
        command = [sys.executable, __file__, MEASURE, "--keep", str(data), *(["--profile"] * chosen.profile)]
        subprocess.run(command, env={**os.environ}, check=True)


def _measure(*, profile: bool) -> None:
    from datetime import UTC, datetime

    from grabient_assets.groups.calibration.measuring import report_on
    from grabient_assets.settings import load_settings
    from grabient_assets.warehouse.connection import Warehouse

    warehouse, at = Warehouse(load_settings().database), datetime(2026, 11, 1, tzinfo=UTC)
    profiler = cProfile.Profile()
    started, cpu = time.perf_counter(), time.process_time()
    report = profiler.runcall(report_on, warehouse, "v1", at) if profile else report_on(warehouse, "v1", at)
    took, worked = time.perf_counter() - started, time.process_time() - cpu
    assert report is not None
    print(f"{report.panel.palettes} palettes, {len(report.models)} rows of models, {len(report.fields)} fields")
    print(f"report     {took:12.2f} s    CPU {worked:.2f} s    peak memory of the process {_peak_mib():.0f} MiB")
    print(f"(load of the machine just now: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
    print(f"digest of every figure: {_digest(warehouse)}")
    if profile:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(60)


def _digest(warehouse: object) -> str:
    """Of all that was stored, times left out: equal digests are equal figures."""
    from grabient_assets.warehouse.connection import Warehouse

    assert isinstance(warehouse, Warehouse)
    found = hashlib.sha256()
    with warehouse.read() as connection:
        for table in ("model_reports", "field_reports", "panel_reports", "model_skills"):
            time_of = "fitted_at" if table == "model_skills" else "reported_at"
            rows = connection.execute(f"SELECT * EXCLUDE ({time_of}) FROM {table} ORDER BY ALL").fetchall()
            found.update(repr(rows).encode())
    return found.hexdigest()[:16]


def _peak_mib() -> float:
    """On Linux of this program alone: the other figure remembers what the process was before."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _invent(palettes: int, analyses: int) -> None:
    from grabient_assets.gradient.harmony import HARMONIES
    from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES, COLOUR_NAMES, HARMONY_WORDS
    from grabient_assets.groups.tagging.purpose import taggers
    from grabient_assets.settings import PROVIDERS, load_settings
    from grabient_assets.warehouse.connection import Warehouse

    models = taggers(PROVIDERS)
    pools = {field: (_pool(field, *shape), shape[1]) for field, shape in TAGS.items()}
    pools["dominant_colors"] = (_listed("dominant_colors", COLOUR_NAMES, 7), 3)
    pools["harmony"] = (_listed("harmony", HARMONY_WORDS, 4), 1)
    words = {field: _listed(field, values, 1) + "[1]" for field, values in CATEGORICAL_VALUES.items()}
    with Warehouse(load_settings().database).write() as connection:
        connection.execute(
            "CREATE TEMP TABLE target AS SELECT unnest($1::VARCHAR[]) AS provider, unnest($2::VARCHAR[]) AS model",
            [[m.provider for m in models], [m.id for m in models]],
        )
        computed = ", ".join(f"{sql} AS {field}" for field, sql in words.items())
        names, found = _listed("dominant_colors", COLOUR_NAMES, 4), _listed("harmony", HARMONIES, 2)
        clear = f"list_filter({list(CATEGORICAL_VALUES)}, lambda f: hash(i, f, 'clear') % 5 < 2)"
        connection.execute(
            _PALETTES.format(computed=computed, names=names, found=found, clear=clear), {"palettes": palettes}
        )
        pool = ", ".join(f"{sql} AS {field}" for field, (sql, _) in pools.items())
        numbered = "(SELECT seed, substr(seed, 3, 8)::INTEGER AS i FROM palettes)"
        connection.execute(f"CREATE TEMP TABLE pools AS SELECT seed, i, {pool} FROM {numbered}")
        said = [_said_word(field, values) for field, values in CATEGORICAL_VALUES.items()]
        said += [_said_tags(field, true) for field, (_, true) in pools.items()]
        for number in range(0, palettes, 10_000):
            connection.execute(_TAGS.format(said=", ".join(said)), {"first": number, "n": analyses})


def _pool(field: str, tags: int, true: int, near: int) -> str:
    """Words of a palette, the true ones first; low numbers are popular."""
    draw = f"(hash(i, '{field}', k) % 1000000) / 1e6"
    return f"list_transform(range({true + near}), lambda k: 'w' || floor(power({draw}, 2) * {tags})::INTEGER)"


def _listed(field: str, words: tuple[str, ...], count: int) -> str:
    pick = f"{list(words)}[1 + ((hash(i, '{field}') % 1000)::BIGINT + k * 5) % {len(words)}]"
    return f"list_transform(range({count}), lambda k: {pick})"


def _again(field: str, what: str) -> str:
    """The analysis whose mind the answer has: the first one in most cases."""
    return f"CASE WHEN hash(q.i, t.model, '{field}', {what}, a.n, 'again') % 256 < {SAME_AGAIN} THEN 0 ELSE a.n END"


def _said_word(field: str, values: tuple[str, ...]) -> str:
    draw = f"hash(q.i, t.model, '{field}', {_again(field, '0')})"
    wrong = f"{list(values)}[1 + (hash(q.i, t.model, '{field}', 'wrong') % {len(values)})::BIGINT]"
    return f"CASE WHEN {draw} % 256 < {RIGHT} THEN p.{field} ELSE {wrong} END AS {field}"


def _said_tags(field: str, true: int) -> str:
    chance = f"CASE WHEN place <= {true} THEN {TRUE_NAMED} ELSE {NEAR_NAMED} END"
    draw = f"hash(q.i, t.model, '{field}', place, {_again(field, 'place')}) % 256"
    return f"list_distinct(list_filter(q.{field}, lambda tag, place: {draw} < {chance})) AS {field}"


_PALETTES = """
    INSERT INTO palettes BY NAME
    WITH numbered AS (SELECT i, '_g' || lpad(i::VARCHAR, 8, '0') || substr(md5(i::VARCHAR), 1, 27) AS seed
                      FROM range($palettes) AS r(i))
    SELECT seed, seed AS source_seed, seed AS palette_key, 'linear' AS style, 11 AS steps, 90.0 AS angle,
           [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [1, 1, 1], [0, 0.33, 0.67]]::DOUBLE[3][4] AS coeffs,
           [0, 1, 1, 0]::DOUBLE[4] AS globals, {names} AS color_names, {found} AS harmonies, {computed},
           list_transform(range(11), lambda k: '#' || substr(md5((i * 11 + k)::VARCHAR), 1, 6))::VARCHAR[11] AS hex,
           list_transform(range(11), lambda k: list_transform(range(3), lambda c: round(127.5 + 127.5 * cos(
               (hash(i, c) % 628) / 100 + k * (hash(i, c, 'f') % 60) / 100))))::INTEGER[3][11] AS rgb,
           list_transform(range(11), lambda k: [0, 0, 0])::INTEGER[3][11] AS hsl,
           list_transform(range(11), lambda k: [0, 0, 0])::INTEGER[3][11] AS lch, {clear} AS clear_cut,
           now() AS created_at
    FROM numbered
"""
_TAGS = """
    INSERT INTO palette_tags BY NAME
    SELECT q.seed, 'v1' AS prompt_version, t.provider, t.model, a.n::INTEGER AS analysis_index,
           q.seed || '-' || a.n AS custom_id, 'succeeded' AS fate, 0.0003 AS cost_usd, now() AS created_at, {said}
    FROM pools q JOIN palettes p USING (seed) CROSS JOIN target t CROSS JOIN range($n) AS a(n)
    WHERE q.i >= $first AND q.i < $first + 10000
    ORDER BY q.seed, t.provider, t.model, a.n
"""


if __name__ == "__main__":
    main()
