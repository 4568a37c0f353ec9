"""Work on the shape of the program changes no request line and no row: both are compared with what was recorded.

When they are meant to change, `python -m grabient_assets_tests.recordings.record` records anew.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from grabient_assets_tests.ledger.house import ADDRESS
from grabient_assets_tests.new_tables import NewTables
from grabient_assets_tests.recordings.comparison import Run, differences, run_of
from grabient_assets_tests.recordings.names import Names
from grabient_assets_tests.recordings.record import recording_file
from grabient_assets_tests.recordings.request_lines import Lines
from grabient_assets_tests.recordings.scenarios import REAL_PALETTES, SCENARIOS
from grabient_assets_tests.recordings.tables import Table

RUN = Run(
    {"tagging groq qwen": Lines(("a-00", "b-00", "c-00"), ("one", "two", "three"))},
    {"asks": Table(("seed",), {"seed": ["2", "1"], "state": ["open", "closed"]})},
)


def check(name: str, folder: Path) -> None:
    recording = json.loads(recording_file(name).read_text(encoding="utf-8"))
    with SCENARIOS[name](folder) as done:
        found = differences(recording, run_of(done.house))
    assert not found, "\n".join(["The run is not as it was recorded.", *found])


def test_sample_palettes_give_the_recorded_requests_and_rows(tmp_path: Path) -> None:
    check("samples", tmp_path)


def test_the_same_where_the_tables_lie_in_postgresql(tmp_path: Path, new_tables: NewTables) -> None:
    (tmp_path / ADDRESS).write_text(new_tables.new_database(), encoding="utf-8")
    check("samples", tmp_path)
    assert not list(tmp_path.rglob("grabient.duckdb"))


@pytest.mark.slow
@pytest.mark.skipif(not REAL_PALETTES.exists(), reason="the real palettes are not beside this checkout")
def test_real_palettes_give_the_recorded_requests_and_rows(tmp_path: Path) -> None:
    check("real", tmp_path)


def test_the_order_of_rows_makes_no_difference() -> None:
    turned = Table(("seed",), {"seed": ["1", "2"], "state": ["closed", "open"]})
    assert differences(RUN.document(), replace(RUN, tables={"asks": turned})) == []


def test_a_line_that_differs_is_named() -> None:
    other = Lines(("a-00", "b-00", "c-00"), ("one", "zwei", "drei"))
    [said] = differences(RUN.document(), replace(RUN, requests={"tagging groq qwen": other}))
    assert said == "Requests tagging groq qwen: the first line that differs is b-00."
    fewer = Lines(("a-00", "c-00"), ("one", "three"))
    [said] = differences(RUN.document(), replace(RUN, requests={"tagging groq qwen": fewer}))
    assert said == "Requests tagging groq qwen: 2 lines, 3 are recorded; the first line that differs is c-00."


def test_a_column_that_differs_is_named() -> None:
    other = Table(("seed",), {"seed": ["2", "1"], "state": ["open", "open"]})
    assert differences(RUN.document(), replace(RUN, tables={"asks": other})) == [
        "Table asks: column state has other values."
    ]
    more = Table(("seed",), {"seed": ["2", "1", "3"], "state": ["open", "closed", "open"]})
    assert differences(RUN.document(), replace(RUN, tables={"asks": more})) == ["Table asks: 3 rows; 2 are recorded."]


def test_new_names_have_to_be_declared() -> None:
    today = {
        "wishes": Table(("subject",), {"subject": ["2", "1"], "state": ["open", "closed"], "kind": ["x", "x"]}),
        "subjects": Table((), {}),
    }
    assert differences(RUN.document(), replace(RUN, tables=Names(left_out={}).recorded(today))) == [
        "Table asks is recorded and gone, and nothing in RENAMED leads to it.",
        "Table subjects is not recorded, and not in ADDED.",
        "Table wishes is not recorded, and not in ADDED.",
    ]
    names = Names({"wishes": "asks"}, {}, frozenset({"subjects"}), {})
    assert differences(RUN.document(), replace(RUN, tables=names.recorded(today))) == [
        "Table asks: column seed is recorded and gone, and nothing in RENAMED leads to it.",
        "Table asks: column kind is not recorded, and not in ADDED.",
        "Table asks: column subject is not recorded, and not in ADDED.",
    ]
    names = replace(names, renamed={("wishes", "subject"): "seed"}, added=names.added | {("wishes", "kind")})
    assert differences(RUN.document(), replace(RUN, tables=names.recorded(today))) == []
    assert names.unknown(today) == []
    assert replace(names, left_out={("asks", "gone"): "why"}).unknown(today) == ["asks.gone"]
