"""Records what the pipeline sends and stores, for test_recordings.py to compare with.

    python -m grabient_assets_tests.recordings.record [--rows FOLDER] [samples] [real]

Without a name: both, the real one where its palettes are. To be run when requests or rows are meant to be others. With
--rows no recording is written, but the request lines and rows themselves: two checkouts are compared with
`diff -r`, when a test says that something differs and one wants to see what.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from grabient_assets_tests.recordings.comparison import Run, run_of
from grabient_assets_tests.recordings.scenarios import REAL_PALETTES, SCENARIOS

HERE = Path(__file__).parent


def recording_file(name: str) -> Path:
    return HERE / f"{name}.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" or ".join(SCENARIOS))
    parser.add_argument("--rows", type=Path, metavar="FOLDER", help="write request lines and rows there instead")
    options = parser.parse_args()
    if unknown := set(options.names) - SCENARIOS.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    for name in options.names or [name for name in SCENARIOS if name != "real" or REAL_PALETTES.exists()]:
        with tempfile.TemporaryDirectory() as folder, SCENARIOS[name](Path(folder)) as done:
            run = run_of(done.house)
        if options.rows:
            _write_rows(run, options.rows / name)
        else:
            recording_file(name).write_text(json.dumps(run.document(), indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(f"{options.rows / name if options.rows else recording_file(name)} written\n")


def _write_rows(run: Run, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in run.requests.items():
        (folder / f"{name.replace('/', '-')}.jsonl").write_text("\n".join(lines.texts) + "\n", encoding="utf-8")
    for name, table in run.tables.items():
        rows = [
            "{" + ", ".join(f'"{column}": {values[row]}' for column, values in table.columns.items()) + "}\n"
            for row in table.order(table.key)
        ]
        (folder / f"{name}.jsonl").write_text("".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
