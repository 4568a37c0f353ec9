from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from grabient_assets.gradient.seed import decode_seed
from grabient_assets.groups.palettes.palette_line import SEED_COLUMNS
from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.cli.running import command, environment, grabient, palettes, typed

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
        keys = database.execute(
            "SELECT partition FROM dynamic_partitions WHERE partitions_def_name = 'seeds' ORDER BY id"
        ).fetchall()
    assert [key for (key,) in keys] == first.json["seeds"]


def test_several_bad_entries_of_a_line_are_all_kept(data: Path, tmp_path: Path):
    file = tmp_path / "one-line.json"
    file.write_text(f'["bad one","worse","{SEED}","last"]')
    for times in ("1 accepted, 0 known", "0 accepted, 1 known"):
        ended = typed(data, "load", file)
        assert ended.code == 0 and times in ended.out, ended.err
        assert [line[:20] for line in ended.out.splitlines() if line.startswith("  line")] == [
            "  line 1: its seed c", "  line 1, entry 2: i", "  line 1, entry 4: i",
        ]  # fmt: skip
    stored = table(data, "SELECT line, entry, text, reason <> '' FROM rejected_palettes ORDER BY entry")
    assert stored == [(1, 1, '"bad one"', True), (1, 2, '"worse"', True), (1, 4, '"last"', True)]
    assert [one["entry"] for one in typed(data, "load", file, "--json").json["rejected"]] == [1, 2, 4]


def test_what_comes_through_a_pipe_is_a_file_like_another(data: Path, tmp_path: Path):
    content = f'{{"seed":"{SEED}","name":"{"n" * 101}"}}\nnonsense\n'.encode()
    for name, known in (("-", 0), ("/dev/stdin", 1)):
        done = subprocess.run(
            command("load", name, "--json"), env=environment(data), input=content, capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert (said["known"], said["seeds"], len(said["rejected"])) == (known, [SEED], 1)
        assert said["notes"] == [{"line": 1, "note": "its name has 101 characters; the first 100 are kept"}]
    assert table(data, "SELECT source, line FROM rejected_palettes") == [("standard input", 2)]
    assert table(data, "SELECT name FROM palettes") == [("n" * 100,)]
    file = tmp_path / "long-name.jsonl"
    file.write_bytes(content)
    assert "  line 1: its name has 101 characters; the first 100 are kept" in typed(data, "load", file).out


def test_strict_stores_nothing(data: Path, tmp_path: Path):
    file = tmp_path / "some.txt"
    file.write_text(f"{SEED}\nnonsense\n")
    ended = grabient(data, "load", file, "--strict", "--json")
    assert ended.code == 1 and "Nothing was stored" in ended.err
    assert ended.json == {"accepted": 0, "known": 0, "rejected": ended.json["rejected"], "notes": [], "seeds": []}
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
    for data, said in ((tmp_path / "file" / "data", "is a file, where"), (Path("/proc/nowhere"), "cannot be made")):
        ended = grabient(data, "load", palettes(tmp_path, 1))
        assert ended.code == 1 and said in ended.err and "GRABIENT_DATA_DIR" in ended.err
        assert "Traceback" not in ended.err


def test_a_preset_with_alpha_is_asked_about_at_a_terminal_alone(data: Path, tmp_path: Path):
    file = tmp_path / "presets.txt"
    file.write_text("0.5,0.4,0.4,1,0.5,0.4,0.3,0,0.5,0.5,0.5,0,0,0.1,0.2,0\n")
    ended = typed(data, "load", file)
    assert (ended.code, ended.out) == (2, "") and "Say which: grabient load --sixteen preset" in ended.err
    assert typed(data, "load", file, "--sixteen", "alpha").code == 2 and not data.exists()
    ours, theirs = os.openpty()
    asking = subprocess.Popen(
        command("load", file, "--json"), env=environment(data), stdin=theirs, stderr=theirs, stdout=subprocess.PIPE
    )
    os.close(theirs)
    said = b""
    while b"[y/n]" not in said:
        said += os.read(ours, 1000)
    os.write(ours, b"y\n")
    out, _ = asking.communicate(timeout=60)
    os.close(ours)
    seed = decode_seed("0.5,0.4,0.4,0.5,0.4,0.3,0.5,0.5,0.5,0,0.1,0.2").canonical
    assert b"Are they presets with alpha?" in said and json.loads(out)["seeds"] == [seed]
    assert typed(data, "load", file, "--sixteen", "preset", "--json").json["known"] == 1
    assert typed(data, "load", file, "--sixteen", "modifiers", "--json").json["seeds"] != [seed]


def test_the_help_names_the_columns_of_a_file(data: Path):
    said = " ".join(typed(data, "load", "--help").out.split())
    readme = " ".join((PROJECT_DIR / "README.md").read_text(encoding="utf-8").split())
    for column in (*SEED_COLUMNS, "style", "steps", "angle", "name"):
        assert re.search(rf"\b{column}\b", said) and f"`{column}`" in readme
