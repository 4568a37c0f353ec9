"""Ten talks of an hour from `knowledge new` to their chunks and questions, and vectors of texts that differ.

The emulator is a process of its own and answers in place of YouTube; its work counts in the time, not in the memory.
Fetching is what the asset `sources` does: transcript into the store, text, chunks, windows and questions into the
database. Embedding goes from texts to stored vectors, by the local embedder; its model is loaded before.

    .venv/bin/python benchmarks/knowledge.py [--talks 10] [--parallel 5] [--texts 5000]
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.settings import Settings

WORDS = (
    *("price", "budget", "value", "contract", "customer", "question", "silence", "reason", "call", "later", "boss"),
    *("compare", "supplier", "risk", "pilot", "month", "year", "cost", "problem", "answer", "listen", "repeat", "ask"),
    *("when", "they", "say", "the", "a", "of", "and", "before", "after", "again", "never", "first", "calm", "trust"),
)


def main() -> None:
    """Fetch, embed, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--talks", type=int, default=10)
    options.add_argument("--parallel", type=int, default=5)
    options.add_argument("--texts", type=int, default=5_000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(GRABIENT_DATA_DIR=folder, GRABIENT_MODE="emulator")
        from grabient_assets.settings import load_settings

        settings = load_settings()
        try:
            _fetch(settings, chosen.talks, chosen.parallel)
        finally:
            _end_emulator(Path(folder))
        _embed(settings, chosen.texts)
    print(f"most memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


def _fetch(settings: Settings, talks: int, parallel: int) -> None:
    from grabient_assets.groups.fetching.fetching import cut_missing, fetch_due
    from grabient_assets.groups.knowledge.workflows import Wish, ask_about, make_workflow, plan_workflow
    from grabient_assets.resources.objects import open_store
    from grabient_assets.resources.sources import fetchers
    from grabient_assets.settings import PROVIDERS
    from grabient_assets.warehouse.connection import Warehouse

    warehouse, store = Warehouse(settings.database), open_store(settings)
    reaching = fetchers(settings)
    videos = tuple(f"https://youtu.be/long-{number:06d}" for number in range(talks))

    def ask(connection: DuckDBPyConnection, source_ids: Sequence[str], now: datetime) -> None:
        ask_about(connection, source_ids, "emulator", now)

    started = time.perf_counter()
    with warehouse.read() as connection:
        planned = plan_workflow(connection, Wish("talks", videos), PROVIDERS, settings, _now())
    make_workflow(warehouse, planned, None, "emulator", _now())
    made = time.perf_counter() - started
    done = fetch_due(warehouse, store, reaching, _now, parallel, ask)
    cut_missing(warehouse, store)
    seconds = time.perf_counter() - started
    assert len(done) == talks and not any(one.problem for one in done), done
    with warehouse.read() as connection:
        counts = connection.execute(
            "SELECT (SELECT sum(seconds) / 3600 FROM sources), (SELECT count(*) FROM chunks), "
            "(SELECT count(*) FROM source_windows), (SELECT count(*) FROM asks WHERE purpose = 'extraction')"
        ).fetchone()
    assert counts is not None
    hours, chunks, windows, asks = counts
    print(f"{talks} talks of {hours:.1f} hours: {chunks:,} chunks, {windows:,} windows, {asks:,} questions")
    print(f"made in {made:.2f} s, all in {seconds:.2f} s: {60 * talks / seconds:.1f} talks a minute")


def _embed(settings: Settings, count: int) -> None:
    from grabient_assets.groups.embedding.embedding import chosen_embedder, embed_here
    from grabient_assets.vectors.local_embedder import embed_locally
    from grabient_assets.warehouse.connection import Warehouse

    warehouse, model = Warehouse(settings.database), chosen_embedder()
    assert model.vectors is not None
    embed_locally(["price"], model.vectors.default)
    dice = random.Random(20261201)
    texts = [f"{number} {' '.join(dice.choices(WORDS, k=20))}" for number in range(count)]
    started = time.perf_counter()
    embed_locally(texts, model.vectors.default)
    alone = time.perf_counter() - started
    started = time.perf_counter()
    embed_here(texts, model, "emulator", warehouse, _now)
    seconds = time.perf_counter() - started
    with warehouse.read() as connection:
        row = connection.execute("SELECT count(*) FROM embeddings WHERE error IS NULL").fetchone()
    assert row == (count,), row
    print(f"{count:,} texts by {model.id}: {count / alone:,.0f} vectors a second, {count / seconds:,.0f} stored")


def _now() -> datetime:
    return datetime.now(UTC)


def _end_emulator(data: Path) -> None:
    from grabient_assets.emulator.endpoint import read_endpoint

    endpoint = read_endpoint(data)
    if endpoint:
        with suppress(ProcessLookupError):
            os.kill(endpoint.pid, signal.SIGTERM)


if __name__ == "__main__":
    main()
