"""The main job as a person runs it: `grabient load` and `grabient run`, from an empty folder to embed_text.

Ten models, two analyses, the emulator answering. Wall time and peak memory of the two commands (the emulator is a
process of its own and is not counted).

    .venv/bin/python benchmarks/main_job.py [FILE]      default: the bundled palettes
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grabient_assets.groups.palettes.palette_file import SAMPLES


def main() -> None:
    """Run both commands and print what they took."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "GRABIENT_DATA_DIR": folder,
            "GRABIENT_MODE": "emulator",
            "TAG_ANALYSIS_COUNT": "2",
        }
        environment.pop("DAGSTER_HOME", None)
        loading = _timed(["load", str(file)], environment)
        running = _timed(["run"], environment)
        again = _timed(["run"], environment)
        said = json.loads(
            subprocess.run(_command(["status", "--json"]), env=environment, check=True, capture_output=True).stdout
        )
    print(f"{said['palettes']} palettes, {said['refined']} refined, {said['errors']} failed answers")
    print(f"load                 {loading:8.1f} s")
    print(f"run, all of it       {running:8.1f} s")
    print(f"run, nothing to do   {again:8.1f} s")
    print(f"peak memory          {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:8.0f} MiB")


def _timed(arguments: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(_command(arguments), env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "grabient_assets.cli.main", *arguments]


if __name__ == "__main__":
    main()
