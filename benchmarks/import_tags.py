"""`grabient import-tags` with a large file: the time it takes, and the most memory it holds. With 200 MB it takes half
an hour.

The file is a `palette_tags/documents.jsonl` of Convex with six models per palette, or with --sql a dump of D1. It is
imported twice, each time in a process of its own: the second time everything is known.

    .venv/bin/python benchmarks/import_tags.py [--mb 20] [--sql]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODELS = (
    ("groq", "gpt-oss-120b"),
    ("groq", "llama-3.3-70b"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-5-nano"),
    ("anthropic", "claude-3.5-haiku"),
    ("google", "gemini-2.0-flash"),
)
NOON = 1_765_022_400_000


def main() -> None:
    """Write the file, import it twice, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--mb", type=int, default=20)
    options.add_argument("--sql", action="store_true")
    options.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.measure:
        _measure(chosen.measure)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "export"
        rows = _invent(file, chosen.mb * 1_000_000, chosen.sql)
        print(f"{rows:,} rows, {file.stat().st_size / 1e6:.0f} MB")
        environment = {**os.environ, "GRABIENT_DATA_DIR": f"{folder}/data", "GRABIENT_MODE": "emulator"}
        for _ in range(2):
            subprocess.run([sys.executable, __file__, "--measure", str(file)], env=environment, check=True)


def _measure(file: Path) -> None:
    from grabient_assets.cli.import_tags import import_tags

    started = time.perf_counter()
    import_tags(file)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  {time.perf_counter() - started:.0f} s, peak {peak:.0f} MB")


def _invent(file: Path, size: int, sql: bool) -> int:
    from grabient_assets.gradient.seed import decode_seed

    dice, rows, written = random.Random(1), 0, 0
    words = [f"word{number}" for number in range(500)]
    with file.open("w") as out:
        while written < size:
            seed = decode_seed(",".join(f"{dice.randrange(1000) / 1000:.3f}" for _ in range(12))).canonical
            for provider, model in MODELS:
                tags = {
                    "temperature": "cool",
                    "contrast": dice.choice(["low", "medium", "high"]),
                    "brightness": "dark",
                    "saturation": "muted",
                    **{name: dice.sample(words, 5) for name in ("mood", "style", "associations")},
                    "dominant_colors": ["navy", "blue"],
                    "harmony": ["analogous"],
                    "seasonal": ["winter"],
                }
                out.write(_line(rows, seed, provider, model, tags, sql))
                rows += 1
            written = out.tell()
    return rows


def _line(number: int, seed: str, provider: str, model: str, tags: object, sql: bool) -> str:
    if sql:
        return (
            f"INSERT INTO palette_tags VALUES('r{number}','{seed}','{provider}','{model}',1,'08cd06cd08cd',"
            f"'{json.dumps(tags)}',NULL,{NOON});\n"
        )
    row = {"_id": f"k{number}", "_creationTime": NOON, "seed": seed, "provider": provider, "model": model}
    row |= {"analysisIndex": 0, "promptVersion": "08cd06cd08cd", "tags": tags}
    return json.dumps({**row, "usage": {"inputTokens": 1000, "outputTokens": 200}}) + "\n"


if __name__ == "__main__":
    main()
