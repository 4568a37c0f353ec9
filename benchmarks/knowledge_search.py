"""Search over 100,000 entries of knowledge in two workflows, in a process that lives longer.

The entries are invented, of 20 words each; every tenth stands in both workflows. Making the tables is not counted. The
first search of the process writes the matrix file and loads it.

    .venv/bin/python benchmarks/knowledge_search.py [--entries 100000]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

WORDS = (
    *("price", "budget", "value", "contract", "customer", "question", "silence", "reason", "call", "later", "boss"),
    *("compare", "supplier", "risk", "pilot", "month", "year", "cost", "problem", "answer", "listen", "repeat", "ask"),
    *("when", "they", "say", "the", "a", "of", "and", "before", "after", "again", "never", "first", "calm", "trust"),
)
SOURCES = 1_340
"""No multiple of 3, so that each has all nine areas: 12,060 cells."""
QUERIES = ("the price is too high", "I have to think about it", "no budget this year", "they are happy with another")


def main() -> None:
    """Invent, build, measure, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--entries", type=int, default=100_000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(GRABIENT_DATA_DIR=folder, GRABIENT_MODE="emulator")
        _build_and_find(chosen.entries)


def _build_and_find(count: int) -> None:
    from grabient_assets.groups.retrieval.entry_index import keep_knowledge
    from grabient_assets.groups.retrieval.searching import knowledge_query, knowledge_search
    from grabient_assets.settings import load_settings
    from grabient_assets.warehouse.connection import Warehouse

    settings = load_settings()
    warehouse = Warehouse(settings.database)
    _invent(warehouse.path, count)

    def clock() -> datetime:
        return datetime.now(UTC)

    for what in ("vectors and index", "once more, nothing to do"):
        started = time.perf_counter()
        kept = keep_knowledge(settings, warehouse, clock)
        assert kept.synced is not None
        vectors = kept.synced.version.present
        print(f"{what:<34} {time.perf_counter() - started:8.2f} s   {kept.embedded:,} embedded, {vectors:,} vectors")
    search = knowledge_search(settings, warehouse, clock)
    print(f"first search                       {_seconds(lambda: search.find(knowledge_query(QUERIES[0]))):8.2f} s")
    chosen: dict[str, dict[str, Any]] = {
        "all": {},
        "areas 4, 7, 8": {"areas": [4, 7, 8]},
        "one workflow": {"workflow": "wf_a"},
    }
    for what, more in chosen.items():
        queries = [knowledge_query(text, **more) for text in QUERIES * 5]
        found = [1000 * _seconds(lambda: search.find(query)) for query in queries]  # noqa: B023
        print(f"search, {what:<26} median {median(found):.1f} ms, slowest {max(found):.1f}")


def _invent(path: Path, count: int) -> None:
    import pandas

    from grabient_assets.warehouse.connection import Warehouse

    dice = random.Random(20261201)
    texts = [" ".join(dice.choices(WORDS, k=20)) for _ in range(count)]
    extractors = json.dumps([{"provider": "google", "model": "invented"}])
    with Warehouse(path).write() as connection:
        connection.register("invented", pandas.DataFrame({"n": range(count), "text": texts}))
        connection.execute(
            f"""
            CREATE TEMP TABLE cells AS SELECT DISTINCT source_id, focus_area FROM (
                SELECT 'yt_' || n % {SOURCES} AS source_id, n % 9 + 1 AS focus_area FROM invented);
            INSERT INTO workflows BY NAME SELECT unnest(['wf_a', 'wf_b']) AS workflow_id, 'invented' AS name,
                'youtube' AS type, 'v1' AS prompt_version, range(1, 10) AS areas, '{extractors}' AS extractors,
                1000 AS chunk_size, 100 AS overlap, 'wordllama-256' AS embedder, 'local' AS store,
                false AS skip_hopeless, now() AS made_at;
            INSERT INTO sources BY NAME SELECT DISTINCT source_id, 'video' AS kind, source_id AS locator,
                'Talk ' || source_id AS title, 'text' AS object_key, sha256(source_id) AS content_sha256,
                now() AS made_at FROM cells;
            INSERT INTO source_windows BY NAME SELECT source_id, content_sha256, 0 AS part, content_sha256 AS
                window_sha256, title, 0 AS char_start, 40000 AS char_end, '[]' AS segments FROM sources;
            INSERT INTO workflow_sources BY NAME
                SELECT CASE WHEN source_id[4:]::INTEGER < {SOURCES // 2} THEN 'wf_a' ELSE 'wf_b' END AS workflow_id,
                       source_id, 0 AS position, 0 AS priority, now() AS added_at FROM sources
                UNION ALL BY NAME
                SELECT 'wf_b' AS workflow_id, source_id, 0 AS position, 0 AS priority, now() AS added_at
                FROM sources WHERE source_id[4:]::INTEGER < {SOURCES // 10};
            INSERT INTO extractions BY NAME SELECT source_id || '|fa' || focus_area || '|w00' AS subject, source_id,
                focus_area, 0 AS part, 'v1' AS prompt_version, 'google' AS provider, 'invented' AS model,
                left(sha256('fa' || focus_area || '|' || sha256(source_id)), 24) || '-x' AS custom_id,
                'succeeded' AS fate, now() AS created_at FROM cells;
            INSERT INTO knowledge_entries BY NAME SELECT sha256(n::VARCHAR)[:32] AS entry_id, x.source_id, x.focus_area,
                0 AS part, 'v1' AS prompt_version, 'google' AS provider, 'invented' AS model, 'technique' AS type,
                text AS content, sha256(text) AS content_sha256, '' AS speaker_perspective, '' AS notes, text AS quote,
                n % 40000 AS quote_start, n % 40000 + 80 AS quote_end, (n % 3600)::DOUBLE AS t_start, 'ok' AS state,
                x.custom_id, now() AS created_at
            FROM invented i JOIN extractions x
                ON x.source_id = 'yt_' || i.n % {SOURCES} AND x.focus_area = i.n % 9 + 1;
            INSERT INTO chunks BY NAME SELECT source_id || '-' || place AS chunk_id, source_id, place AS position,
                1000 * place AS char_start, 1000 * place + 1100 AS char_end, 1 AS tokens, repeat('word ', 220) AS text,
                'x' AS content_sha256, 'chunks-1' AS chunker
            FROM sources, (SELECT unnest(range(40)) AS place);
            """
        )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
