"""Collecting 14,560 answers: 182 palettes x 8 analyses x 10 models, the case of the source document.

Timed: from download to committed rows and consensus. Sending and the emulator's own work are not. The old system
slept 728 s over the same number of answers (50 ms each). With GRABIENT_WAREHOUSE=postgresql://... (an empty database)
the tables lie there.

    .venv/bin/python benchmarks/collection.py [--palettes 182] [--analyses 8]
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import random
import tempfile
import time
from datetime import UTC, datetime

OLD_SYSTEM_SECONDS_PER_ANSWER = 0.05


def main() -> None:
    """Prepare, collect, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--palettes", type=int, default=182)
    options.add_argument("--analyses", type=int, default=8)
    options.add_argument("--profile", action="store_true", help="print where the time went")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(GRABIENT_DATA_DIR=folder, GRABIENT_MODE="emulator")
        _run(chosen.palettes, chosen.analyses, chosen.profile)


def _run(palettes: int, analyses: int, profile: bool) -> None:
    from grabient_assets.emulator.endpoint import ensure_emulator
    from grabient_assets.groups.purposes import PURPOSES
    from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags
    from grabient_assets.groups.tagging.collection import complete_palettes
    from grabient_assets.groups.tagging.purpose import TAGGING
    from grabient_assets.groups.tagging.tags import TagReader
    from grabient_assets.ledger.asks import SubjectVersion
    from grabient_assets.ledger.batches import open_batches
    from grabient_assets.ledger.round import collect_batches
    from grabient_assets.ledger.submission import Submission, submit_due
    from grabient_assets.resources.objects import open_store
    from grabient_assets.resources.providers import ProvidersResource
    from grabient_assets.settings import PROVIDERS, load_settings
    from grabient_assets.warehouse.connection import open_warehouse

    settings = load_settings()
    warehouse, store, providers = open_warehouse(settings), open_store(settings), ProvidersResource()
    ensure_emulator(settings.data_dir, polls=1)
    partitions = [SubjectVersion("v1", seed) for seed in _invent(palettes, warehouse)]
    ask_for_tags(TaggingAsk(partitions, PROVIDERS, analyses, "emulator"), warehouse, _now())
    sending = time.perf_counter()
    for name in PROVIDERS:
        with providers.connect(name) as connection:
            submit_due(TAGGING, Submission(connection, PURPOSES, warehouse, store, _now))
    sending = time.perf_counter() - sending
    with warehouse.read() as database:
        batches = open_batches(database)
    for batch in batches:
        with providers.connect(batch.provider) as connection:
            while connection.provider.poll(batch.provider_batch_id or "").state != "ended":
                pass

    profiler = cProfile.Profile()
    started, cpu = time.perf_counter(), time.process_time()
    if profile:
        profiler.enable()
    done = collect_batches(
        [b.batch_id for b in batches], providers.connect, warehouse, store, lambda _: TagReader(), _now
    )
    collected = time.perf_counter()
    complete_palettes(warehouse, PROVIDERS, _now)
    finished = time.perf_counter()
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
    answers = sum(one.batch.request_count for one in done.collected)
    usable = sum(one.batch.succeeded for one in done.collected)
    took = finished - started
    print(f"{answers} answers in {len(done.collected)} batches, {usable} usable; troubles: {list(done.troubles)}")
    print(f"sending (not counted)      {sending:8.2f} s")
    print(f"download, archive, rows    {collected - started:8.2f} s")
    print(f"consensus                  {finished - collected:8.2f} s")
    print(f"together                   {took:8.2f} s   CPU {time.process_time() - cpu:.2f} s")
    slept = answers * OLD_SYSTEM_SECONDS_PER_ANSWER
    print(f"the old system slept       {slept:8.2f} s   {slept / took:.0f} times as long")


def _invent(count: int, warehouse: object) -> list[str]:
    """Palettes with coefficients in the usual range, the same ones every time."""
    from grabient_assets.gradient.seed import decode_seed
    from grabient_assets.groups.palettes.loading import ensure_palettes

    dice = random.Random(20261120)
    rows = (",".join(f"{dice.uniform(0.1, 1):.3f}" for _ in range(12)) for _ in range(count))
    seeds = [decode_seed(row).canonical for row in rows]
    ensure_palettes(warehouse, seeds, _now())  # pyright: ignore[reportArgumentType]
    return seeds


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
