"""Dagster under many palettes: every palette under two prompt versions, through all assets that report each of them.

The ledger is made first (not counted). Then the project's own runs report it to Dagster, each stage in a process of its
own; then every sensor that reads partitions ticks once, and a real dagster-webserver answers the queries of its pages.
On SQLite, with the project's event log, or on a PostgreSQL server that is started for it (with the durability it has
by default).

    .venv/bin/python benchmarks/dagster_scale.py [--palettes 2000] [--on sqlite | postgresql] [--keep FOLDER]

`--keep` makes the ledger in a folder, or takes a copy of the one that is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from scaling.ledger import VERSIONS, make_ledger
from scaling.pages import measure_pages
from scaling.server import postgresql
from scaling.stages import STAGES, Stage, in_own_process, print_stage, sizes, ticks

from grabient_assets.settings import PROJECT_DIR

SENSORS = ("palettes_loaded", "tagging_due", "tagging_completed", "batches_ended", "refinement_due", "texts_waiting")
SENSORS += ("refinement_failed", "consensus_settled", "refinement_settled")


def main() -> None:
    """Make the ledger, report it, ask the pages, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--palettes", type=int, default=2_000, help="20000 and 100000 take minutes to an hour")
    options.add_argument("--on", choices=("sqlite", "postgresql"), default="sqlite")
    options.add_argument("--keep", type=Path, help="make the ledger here, or use the one that is here")
    options.add_argument("--stage", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.stage == "ticks":
        print(json.dumps(ticks(SENSORS)))
    elif chosen.stage:
        print_stage(chosen.stage)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end too
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            _measure(chosen.palettes, chosen.on, chosen.keep, Path(folder), stack)


def _measure(palettes: int, on: str, keep: Path | None, folder: Path, stack: ExitStack) -> None:
    data, home = folder / "data", folder / "home"
    made = keep or data
    environment = {"GRABIENT_MODE": "emulator", "TAG_ANALYSIS_COUNT": "1", "GRABIENT_PROMPT_VERSION": VERSIONS[0]}
    os.environ.update(environment, GRABIENT_DATA_DIR=str(made))
    started = time.perf_counter()
    if not (made / "grabient.duckdb").exists():
        make_ledger(made, palettes)
    if made != data:
        shutil.copytree(made, data, copy_function=_copied)
    _say(f"ledger made (not counted)   {time.perf_counter() - started:8.1f} s")

    os.environ.update(GRABIENT_DATA_DIR=str(data), DAGSTER_HOME=str(home))
    home.mkdir()
    config = (PROJECT_DIR / "dagster.yaml").read_text(encoding="utf-8")
    server = stack.enter_context(postgresql()) if on == "postgresql" else None
    if server:
        config += f"storage:\n  postgres:\n    postgres_url: {server.url}\n"
    (home / "dagster.yaml").write_text(config, encoding="utf-8")
    before = server.size() if server else 0

    _say(f"\n{palettes:,} palettes x {len(VERSIONS)} versions on {on}\n")
    _say("Seconds of Dagster by the clock; its CPU here and of the server; then all of the stage.\n")
    _say("| stage | events | runs | Dagster, s | CPU | server | all, s | CPU | peak MiB |\n|---" + "|--:" * 8 + "|")
    total = Stage("together", 0, 0, 0, 0, 0, 0, 0)
    worked = 0.0
    for name in STAGES:
        at = server.cpu() if server else 0.0
        one = in_own_process(Path(__file__), name)
        at = server.cpu() - at if server else 0.0
        total, worked = total + one, worked + at
        _say(_row(one, at))
    _say(_row(total, worked))
    used = server.size() - before if server else sizes(home)
    _say(f"\nbytes of Dagster's records  {used / 2**20:8.0f} MiB, {used / palettes / 1024:.1f} KiB a palette")
    done = subprocess.run([sys.executable, __file__, "--stage", "ticks"], check=True, capture_output=True, text=True)
    _say("\n| sensor, nothing to report | seconds |\n|---|--:|")
    for name, took in json.loads(done.stdout.splitlines()[-1]).items():
        _say(f"| {name} | {took:.2f} |")
    measure_pages(home, _say)
    _say(f"\n(load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")


def _row(one: Stage, server: float) -> str:
    dagster = f"{one.dagster:.1f} | {one.dagster_cpu:.1f} | {server:.1f}"
    return (
        f"| {one.name} | {one.events:,} | {one.runs} | {dagster} | {one.seconds:.1f} | {one.cpu:.1f} | {one.peak:.0f} |"
    )


def _copied(source: str, target: str) -> None:
    """Pictures are linked, everything else is copied."""
    if source.endswith(".png"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
