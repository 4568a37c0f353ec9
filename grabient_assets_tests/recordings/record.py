"""Records what the pipeline sends and stores, for test_recordings.py to compare with.

    python -m grabient_assets_tests.recordings.record [samples] [real]      default: both, real where its palettes are

Run it where a change is meant to be seen in requests or rows; the difference of the JSON files then names what changed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from grabient_assets_tests.recordings.comparison import recorded_run, recording_of
from grabient_assets_tests.recordings.scenarios import REAL_PALETTES, SCENARIOS

FOLDER = Path(__file__).parent


def recording_file(name: str) -> Path:
    return FOLDER / f"{name}.json"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", choices=[*SCENARIOS, []], metavar="NAME")
    chosen = options.parse_args().names or [name for name in SCENARIOS if name != "real" or REAL_PALETTES.exists()]
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder, SCENARIOS[name](Path(folder)) as done:
            recording = recording_of(*recorded_run(done.house))
        recording_file(name).write_text(json.dumps(recording, indent=1) + "\n", encoding="utf-8")
        sys.stdout.write(f"{recording_file(name)} written\n")


if __name__ == "__main__":
    main()
