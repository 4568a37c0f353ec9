"""Search over 100,000 palettes: making their vectors, building the index, and finding.

The texts are invented, of 36 words each. Making the tables is not counted. The command is a process of its own, so its
start counts; its first search writes the matrix file. The living process searches a version of invented vectors.

    .venv/bin/python benchmarks/search.py [--palettes 100000] [--dimensions 1024]
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

WORDS = (
    *("misty", "forest", "dawn", "harbour", "dusk", "neon", "diner", "velvet", "ember", "glacier", "meadow", "desert"),
    *("lagoon", "copper", "plum", "orchid", "slate", "quiet", "bold", "warm", "cool", "soft", "deep", "bright", "calm"),
    *("nostalgic", "dreamy", "electric", "rustic", "modern", "retro", "drifts", "sinks", "gives", "way", "towards"),
    *("like", "under", "over", "with", "and", "the", "of", "a", "in", "autumn", "winter", "spring", "summer", "sea"),
)
QUERIES = ("misty forest at dawn", "retro diner", "quiet harbour in winter", "#e07a5f and sand", "neon rain")
SEARCH = [str(Path(sys.executable).parent / "grabient"), "search", "--json", "--limit", "10"]


def main() -> None:
    """Invent, build, measure, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--palettes", type=int, default=100_000)
    options.add_argument("--dimensions", type=int, default=1_024, help="of the invented vectors")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(GRABIENT_DATA_DIR=folder, GRABIENT_MODE="emulator")
        _build_and_find(chosen.palettes)
        _in_a_living_process(chosen.dimensions)


def _build_and_find(count: int) -> None:
    from grabient_assets.groups.search.palette_index import keep_index
    from grabient_assets.settings import load_settings
    from grabient_assets.warehouse.connection import Warehouse

    settings = load_settings()
    warehouse = Warehouse(settings.database)
    _invent(warehouse, count)
    print(f"{count:,} refined palettes; file {settings.database.stat().st_size / 2**20:,.0f} MB")
    for what in ("vectors and index", "once more, nothing to do"):
        started = time.perf_counter()
        kept = keep_index(settings, warehouse, lambda: datetime.now(UTC))
        print(f"{what:<32} {time.perf_counter() - started:8.2f} s   {kept.embedded:,} embedded")
    print(f"file {settings.database.stat().st_size / 2**20:,.0f} MB")
    for extra in ([], ["--where", "temperature=warm"]):
        seconds: list[float] = []
        for query in (QUERIES[0], *QUERIES):
            command = [*SEARCH, query, *extra]
            seconds.append(_seconds(lambda: subprocess.run(command, check=True, capture_output=True)))  # noqa: B023
        print(
            f"{'grabient search ' + ' '.join(extra):<42} median {median(seconds[1:]):.2f} s, slowest {max(seconds):.2f}"
        )


def _invent(warehouse: Any, count: int) -> None:
    dice = random.Random(20261130)
    texts = [" ".join(dice.choices(WORDS, k=36)) for _ in range(count)]
    import pandas

    with warehouse.write() as connection:
        connection.register("invented", pandas.DataFrame({"n": range(count), "text": texts}))
        connection.execute(
            """
            INSERT INTO palettes BY NAME SELECT 'seed' || n AS seed, 'seed' || n AS source_seed,
                'key' || n AS palette_key, 'Palette ' || n AS name, 'linearGradient' AS style, 11 AS steps, 90 AS angle,
                list_value([.5, .5, .5], [.5, .5, .5], [1., 1., 1.], [0., .1, .2]) AS coeffs,
                [0., 1., 1., 0.] AS globals,
                list_transform(range(11), lambda i: '#804020') AS hex,
                list_transform(range(11), lambda i: [128, 64, 32]) AS rgb,
                list_transform(range(11), lambda i: [20, 60, 31]) AS hsl,
                list_transform(range(11), lambda i: [35, 40, 52]) AS lch,
                ['brown'] AS color_names, ['neutral'] AS harmonies,
                if(n % 3 = 0, 'warm', 'cool') AS temperature, 'low' AS contrast, 'dark' AS brightness,
                'muted' AS saturation, [] AS clear_cut, now() AS created_at FROM invented
            """
        )
        connection.execute(
            """
            INSERT INTO palette_tag_refined BY NAME SELECT 'seed' || n AS seed, 'v1' AS prompt_version,
                'v1' AS source_prompt_version, 'opus' AS model, 'key' || n AS custom_id, 'succeeded' AS fate,
                '' AS consensus_digest, if(n % 3 = 0, 'warm', 'cool') AS temperature, 'low' AS contrast,
                'dark' AS brightness, 'muted' AS saturation, ['calm', 'bold'] AS mood, ['retro', 'modern'] AS style,
                ['brown'] AS dominant_colors, [] AS seasonal, ['harbour', 'diner', 'forest', 'desert', 'lagoon'] AS
                associations, text AS embed_text, now() AS created_at FROM invented
            """
        )


def _in_a_living_process(dimensions: int) -> None:
    import numpy

    from grabient_assets.groups.search.loaded_index import LoadedIndex
    from grabient_assets.groups.search.searching import checked_query, searched_version
    from grabient_assets.settings import load_settings
    from grabient_assets.warehouse.connection import Warehouse

    warehouse = Warehouse(load_settings().database)
    made = f"'invented' AS embedder, {dimensions} AS dimensions"
    with warehouse.write() as connection:
        connection.execute(
            f"""
            INSERT INTO index_versions SELECT * REPLACE (2 AS version, 'retired' AS state, {made}) FROM index_versions;
            INSERT INTO index_entries SELECT * REPLACE (2 AS version) FROM index_entries;
            INSERT INTO embeddings
            SELECT * EXCLUDE (numbers, length) REPLACE (
                {made}, list_transform(numbers, lambda number: number / length)::FLOAT[] AS vector)
            FROM (SELECT *, sqrt(list_inner_product(numbers, numbers)) AS length FROM (
                SELECT *, list_transform(range({dimensions}), lambda place: random() - 0.5) AS numbers FROM embeddings
            ))
            """
        )
    dice = numpy.random.default_rng(20261130)
    queries = dice.normal(size=(21, dimensions)).astype(numpy.float32)
    queries /= numpy.linalg.norm(queries, axis=1, keepdims=True)
    vectors = iter([*queries, *queries])
    index = LoadedIndex(warehouse, lambda *_: [next(vectors).tolist()])
    query = checked_query(QUERIES[0])
    found = [_seconds(lambda: index.find(query, 2)) for _ in queries]
    version = searched_version(warehouse, "palettes", 2)
    with warehouse.read() as connection:
        ranked = [_seconds(lambda: index.rank(connection, query, version, next(vectors).tolist())) for _ in queries]
    print(f"{version.present:,} x {dimensions:,} in a living process: the first query {found[0]:.2f} s, then")
    for what, seconds in (("nearest vectors", ranked), ("with the details of the hits", found[1:])):
        print(f"{what:<32} median {1000 * median(seconds):.1f} ms, slowest {1000 * max(seconds):.1f}")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
