from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from grabient_assets_tests.cli.running import grabient, palettes

SEED = "_gIMgGAgFZgGvgEFgB4gH0gH0gH0gHMgG5gJf"


def table(data: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(data / "grabient.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_palettes_are_loaded_once_and_become_partitions_in_order(data: Path, tmp_path: Path):
    file = palettes(tmp_path, 3)
    file.write_text(file.read_text() + "nonsense\n")
    first = grabient(data, "load", file, "--json")
    assert first.code == 0
    assert first.json["accepted"] == 3 and first.json["known"] == 0
    assert [(line["line"], line["text"]) for line in first.json["rejected"]] == [(4, "nonsense")]
    assert first.json["seeds"][0] == SEED
    assert table(data, "SELECT source, line, text FROM rejected_palettes") == [(str(file), 4, "nonsense")]
    again = grabient(data, "load", file)
    assert again.code == 0
    assert "0 accepted, 3 known already, 1 rejected" in again.out and "line 4: it is not valid JSON" in again.out
    assert "rejected_palettes" in again.out
    index = data / "dagster" / "history" / "runs" / "index.db"
    with closing(sqlite3.connect(index)) as database:
        keys = database.execute("SELECT partition FROM dynamic_partitions ORDER BY id").fetchall()
    assert [key for (key,) in keys] == first.json["seeds"]


def test_strict_stores_nothing(data: Path, tmp_path: Path):
    file = tmp_path / "some.txt"
    file.write_text(f"{SEED}\nnonsense\n")
    ended = grabient(data, "load", file, "--strict", "--json")
    assert ended.code == 1 and "Nothing was stored" in ended.err
    assert ended.json == {"accepted": 0, "known": 0, "rejected": ended.json["rejected"], "seeds": []}
    assert ended.json["rejected"][0]["line"] == 2
    assert not data.exists()


def test_many_rejected_lines_are_counted_not_listed(data: Path, tmp_path: Path):
    file = tmp_path / "some.txt"
    file.write_text("".join(f"nonsense-{n}\n" for n in range(50)))
    ended = grabient(data, "load", file)
    assert ended.code == 1 and "No line of" in ended.err
    assert ended.out.count("\n  line ") == 20 and "and 30 more" in ended.out
    assert table(data, "SELECT count(*) FROM rejected_palettes") == [(50,)]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "There is no palette file"), (b"", "holds nothing"), (b"# only words\n\n", "holds only blank lines")],
)
def test_unusable_files(data: Path, tmp_path: Path, content: bytes | None, said: str):
    file = tmp_path / "some.txt"
    if content is not None:
        file.write_bytes(content)
    ended = grabient(data, "load", file)
    assert (ended.code, ended.out) == (2, "") and said in ended.err
    assert not data.exists()


def test_a_folder_is_no_palette_file(data: Path, tmp_path: Path):
    ended = grabient(data, "load", tmp_path)
    assert ended.code == 2 and "is a folder" in ended.err


def test_a_data_folder_that_cannot_be(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for data in (tmp_path / "file" / "data", Path("/proc/nowhere")):
        ended = grabient(data, "load", palettes(tmp_path, 1))
        assert ended.code == 1 and "cannot be made" in ended.err and "GRABIENT_DATA_DIR" in ended.err
        assert "Traceback" not in ended.err
