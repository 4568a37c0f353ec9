"""A refactoring changes no request line and no row: both are compared with what was recorded before it.

After a change that is meant to be seen, `python -m grabient_assets_tests.recordings.record` records anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grabient_assets_tests.recordings.comparison import LEFT_OUT, differences, recorded_run
from grabient_assets_tests.recordings.record import recording_file
from grabient_assets_tests.recordings.scenarios import REAL_PALETTES, SCENARIOS


def check(name: str, folder: Path) -> None:
    recording = json.loads(recording_file(name).read_text(encoding="utf-8"))
    with SCENARIOS[name](folder) as done:
        found = differences(recording, *recorded_run(done.house))
    assert not found, "\n".join(["The run is not as it was recorded.", *found])


def test_sample_palettes_give_the_recorded_requests_and_rows(tmp_path: Path) -> None:
    check("samples", tmp_path)


@pytest.mark.skipif(not REAL_PALETTES.exists(), reason=f"the real palettes are not there: no {REAL_PALETTES}")
def test_real_palettes_give_the_recorded_requests_and_rows(tmp_path: Path) -> None:
    check("real", tmp_path)


def test_what_is_left_out_is_a_table_or_column_of_today() -> None:
    pass
