"""How long the commands take that do nothing yet: the price of starting.

.venv/bin/python benchmarks/startup.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from grabient_assets.settings import PROJECT_DIR

BIN = Path(sys.executable).parent
COMMANDS = (
    ("grabient", "--help"),
    ("grabient", "palette", "_gH0gH0gH0gH0gH0gH0gPogPogPogAAgFNgKb", "--json"),
    ("grabient", "status", "--json"),
    ("dagster", "definitions", "validate", "-w", "workspace.yaml"),
)
RUNS = 5


def main() -> None:
    """Run each command five times after one warm-up and print the median and the fastest."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "GRABIENT_DATA_DIR": folder, "GRABIENT_MODE": "emulator"}
        environment.pop("DAGSTER_HOME", None)
        for command in COMMANDS:
            seconds = [_seconds(command, environment) for _ in range(RUNS + 1)][1:]
            print(f"{' '.join(command):<75} median {median(seconds):5.2f} s   fastest {min(seconds):5.2f} s")


def _seconds(command: tuple[str, ...], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        [str(BIN / command[0]), *command[1:]], env=environment, cwd=PROJECT_DIR, check=True, capture_output=True
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
