"""The main job as a person runs it: `grabient load` and `grabient run`, from an empty folder to embed_text.

Ten models, two analyses, the emulator answering. Wall time, CPU, peak memory and what was written of the commands (the
emulator is a process of its own and is not counted). With GRABIENT_WAREHOUSE=postgresql://... (an empty database) the
tables lie there.

    .venv/bin/python benchmarks/main_job.py [FILE | NUMBER]      default: the bundled palettes; or so many made ones
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grabient_assets.groups.palettes.palette_file import SAMPLES

SEED = 1
"""Of the made palettes: the same number gives the same palettes."""
BLOCK = 512
"""Bytes in a block of `ru_oublock`, on Linux."""


def main() -> None:
    """Run the commands and print what they took."""
    with tempfile.TemporaryDirectory() as folder:
        file = _palettes(sys.argv[1] if len(sys.argv) > 1 else str(SAMPLES), Path(folder))
        environment = {
            **os.environ,
            "GRABIENT_DATA_DIR": f"{folder}/data",
            "GRABIENT_MODE": "emulator",
            "TAG_ANALYSIS_COUNT": "2",
        }
        environment.pop("DAGSTER_HOME", None)
        loading = _timed(["load", str(file)], environment)
        running = _timed(["run"], environment)
        again = _timed(["run"], environment)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = json.loads(
            subprocess.run(_command(["status", "--json"]), env=environment, check=True, capture_output=True).stdout
        )
    print(f"{said['palettes']} palettes, {said['refined']} refined, {said['errors']} failed answers")
    print(f"load                 {loading:8.1f} s")
    print(f"run, all of it       {running:8.1f} s")
    print(f"run, nothing to do   {again:8.1f} s")
    print(f"CPU of all three     {used.ru_utime + used.ru_stime:8.1f} s")
    print(f"peak memory          {used.ru_maxrss / 1024:8.0f} MiB")
    print(f"written              {used.ru_oublock * BLOCK / 2**20:8.0f} MiB")


def _palettes(argument: str, folder: Path) -> Path:
    """The file to load."""
    if not argument.isdigit():
        return Path(argument)
    chance = random.Random(SEED)
    file = folder / "palettes.jsonl"
    with file.open("w", encoding="utf-8") as out:
        for number in range(int(argument)):
            numbers = [round(chance.uniform(low, high), 3) for low, high in RANGES for _ in "rgb"]
            out.write(json.dumps({"seed": ",".join(map(str, numbers)), "name": f"Palette {number}"}) + "\n")
    return file


RANGES = ((0.3, 0.7), (0.2, 0.5), (0.4, 1.2), (0.0, 1.0))
"""Of a, b, c and d in a + b cos(2 pi (c t + d)): colours that fill much of the cube."""


def _timed(arguments: list[str], environment: dict[str, str]) -> float:
    """Seconds. The emulator breaks off one refinement in some hundred, as models do; `run` then ends with 1."""
    started = time.perf_counter()
    ended = subprocess.run(_command(arguments), env=environment, check=False, capture_output=True, text=True)
    if ended.returncode not in (0, 1 if arguments == ["run"] else 0):
        sys.exit(ended.stderr)
    return time.perf_counter() - started


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "grabient_assets.cli.main", *arguments]


if __name__ == "__main__":
    main()
