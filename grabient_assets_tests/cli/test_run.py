"""The pipeline from the command line, in emulator mode, on a few palettes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from grabient_assets.cli.demo import ARTISTS
from grabient_assets_tests.cli.running import command, emulator, environment, grabient, palettes, typed
from grabient_assets_tests.pipeline.place import emulator_ended_after

PANEL, ANALYSES = 10, 2
GARBAGE = """
[[rules]]
match = { provider = "anthropic", model = "claude-haiku-5-5", route = "create", times = 1 }
action = { do = "garbage", count = 100 }
"""


def count(data: Path, query: str) -> int:
    with duckdb.connect(str(data / "grabient.duckdb"), read_only=True) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def interrupted(data: Path) -> tuple[int, str]:
    """`grabient run`, stopped by Ctrl-C as soon as it says that pictures are drawn."""
    process = subprocess.Popen(
        command("run"),
        env=environment(data),
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and so would its children: tests may run in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "pictures" in line:
            break
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    return process.wait(60), said


def said(err: str, start: str) -> bool:
    """Whether a line begins so. Warnings about models that are shut down soon come before it, on some days."""
    return any(line.startswith(start) for line in err.splitlines())


def test_from_seeds_to_refined_tags_and_nothing_twice(data: Path, tmp_path: Path):
    file = palettes(tmp_path, 4)
    assert typed(data, "load", file).code == 0
    before = typed(data, "status", "--json").json
    assert (before["palettes"], before["tagged"], before["pending"]) == (4, 0, 0)

    code, err = interrupted(data)
    assert code == 130 and err.splitlines()[-1].startswith("Stopped. ") and "same command again to go on" in err
    assert "Traceback" not in err
    assert typed(data, "status", "--json").json["pending"] == 4

    ended = grabient(data, "run", "--json")
    assert ended.code == 0, ended.err
    status = ended.json
    assert status.pop("elapsed_seconds") > 0
    assert (status["palettes"], status["tagged"], status["refined"]) == (4, 4, 4)
    assert status["pending"] == 0 and status["open_batches"] == [] and 0 < status["cost_usd"] < 1
    assert "anthropic: 16 of 16 requests sent, 16 answered" in ended.err and "consensus: 4 of 4" in ended.err
    assert typed(data, "status", "--json").json == status
    answers = "SELECT count(*) FROM palette_tags"
    assert count(data, answers) == 4 * PANEL * ANALYSES
    batches = count(data, "SELECT count(*) FROM batches")
    requests = count(data, "SELECT count(*) FROM (SELECT DISTINCT custom_id FROM batch_requests)")
    assert requests == 4 * PANEL * ANALYSES + 4

    again = typed(data, "run")
    assert again.code == 0 and said(again.err, "0 palettes need work under v1")
    assert count(data, "SELECT count(*) FROM batches") == batches
    assert "4 of 4 palettes tagged, 4 refined, 4 found by search" in again.out and "0.0000 USD (emulated)" in again.out

    more = typed(data, "run", "--analyses", "3", "--limit", "1", "--json")
    assert more.code == 0 and said(more.err, "1 palette needs work")
    assert count(data, answers) == 4 * PANEL * ANALYSES + PANEL


@pytest.mark.slow
def test_a_run_draws_the_pictures_of_its_palettes_alone(data: Path, tmp_path: Path):
    """The daemon draws those of the others."""
    typed(data, "load", palettes(tmp_path, 4))
    ended = typed(data, "run", "--limit", "1", "--analyses", "1", "--until", "consensus")
    assert ended.code == 0, ended.err
    assert len(list((data / "objects" / "palettes").glob("*.png"))) == 1
    assert count(data, "SELECT count(*) FROM palette_images") == 1
    assert count(data, "SELECT count(*) FROM palettes") == 4


def test_failed_answers_are_asked_again_and_no_others(data: Path, tmp_path: Path):
    script = tmp_path / "faults.toml"
    script.write_text(GARBAGE)
    file = palettes(tmp_path, 3)
    typed(data, "load", file)
    one = tmp_path / "one.txt"
    one.write_text("_gIMgGAgFZgGvgEFgB4gH0gH0gH0gHMgG5gJf\n")
    with emulator(data, "--faults", script, "--polls", "1"):
        ended = typed(data, "run", "--until", "consensus", "--seeds", one, "--analyses", "1", "--json")
        assert ended.code == 0, ended.err
        assert (ended.json["tagged"], ended.json["refined"], ended.json["errors"]) == (1, 0, 1)
        assert count(data, "SELECT count(*) FROM palette_tags") == PANEL
        batches = count(data, "SELECT count(*) FROM batches")

        with duckdb.connect(str(data / "grabient.duckdb")) as connection:  # as if refinement followed
            connection.execute("UPDATE asks SET chained = true")
        dry, listed = typed(data, "retry", "--dry-run", "--json").json, typed(data, "errors", "--json").json["total"]
        assert float(listed["retry_usd"]) == pytest.approx(dry["usd"]["expected"]) and dry["usd"]["expected"] > 0.01
        assert (listed["requests"], listed["follow"], listed["unknown"]) == (1, 1, 0)
        assert "1 request, and 1 refinement that may follow; about " in typed(data, "errors").out
        limited = typed(data, "retry", "--dry-run", "--max-usd", "0.02").out
        assert "Of this, at most 0.02 USD would be spent." in limited
        with duckdb.connect(str(data / "grabient.duckdb")) as connection:
            connection.execute("UPDATE asks SET chained = false")

        asked = typed(data, "retry", "--max-usd", "0.5", "--json").json
        assert asked["tagging"] == [{"provider": "anthropic", "model": "claude-haiku-5-5", "palettes": 1}]
        assert (asked["refinement"], asked["left_out"]) == (0, [])
        capped = "SELECT usd FROM spending_caps JOIN asks USING (cap_id) WHERE model = 'claude-haiku-5-5'"
        assert float(count(data, capped)) == 0.5
        assert count(data, "SELECT count(*) FROM asks WHERE cap_id IS NOT NULL") == 1
        mended = typed(data, "run", "--until", "consensus", "--limit", "1", "--seeds", one, "--analyses", "1")
        assert mended.code == 0, mended.err
        assert count(data, "SELECT count(*) FROM batches") == batches + 1
        status = typed(data, "status", "--json").json
        assert (status["errors"], status["pending"]) == (0, 0)
        assert count(data, "SELECT models FROM tag_consensus") == PANEL
        assert "Nothing failed" in typed(data, "retry").err


def test_time_that_is_up_is_said_and_lost_for_nothing(data: Path, tmp_path: Path):
    typed(data, "load", palettes(tmp_path, 1))
    ended = typed(data, "run", "--timeout", "0", "--analyses", "1", "--json")
    assert ended.code == 1 and "The time is up" in ended.err and "1 palette not done" in ended.err
    assert ended.json["pending"] == 1


@pytest.mark.parametrize(
    ("arguments", "values", "code", "said"),
    [
        (["--prompt-version", "v999"], {}, 2, "there is v1"),
        (["--analyses", "0"], {}, 2, "from 1 to 20"),
        (["--analyses", "21"], {}, 2, "from 1 to 20"),
        (["--analyses", "x"], {}, 2, "from 1 to 20"),
        (["--until", "christmas"], {}, 2, "tags, consensus, refined, indexed"),
        (["--limit", "0"], {}, 2, "--limit"),
        (["--seeds", "/nowhere/seeds.txt"], {}, 2, "There is no palette file"),
        (["--nonsense"], {}, 2, "No such option"),
        ([], {"TAG_ANALYSIS_COUNT": "many"}, 2, "TAG_ANALYSIS_COUNT"),
        ([], {"GRABIENT_MODE": "dry"}, 2, "GRABIENT_MODE"),
        ([], {"GRABIENT_MODE": "live"}, 2, "ANTHROPIC_API_KEY"),
        ([], {}, 1, "grabient load FILE"),
        ([], {"GRABIENT_DATA_DIR": "/proc/nowhere"}, 1, "cannot be made"),
    ],
)
def test_refusals(data: Path, arguments: list[str], values: dict[str, str], code: int, said: str):
    ended = typed(data, "run", *arguments, **values)
    assert ended.code == code and said in ended.err, ended.err
    assert ended.out == "" and "Traceback" not in ended.err


def test_seeds_that_are_not_loaded_are_named(data: Path, tmp_path: Path):
    typed(data, "load", palettes(tmp_path, 1))
    ended = typed(data, "run", "--seeds", palettes(tmp_path, 9))
    assert ended.code == 2 and ": 8 palettes (" in ended.err and "grabient load" in ended.err
    assert ended.err.count(";") == 5, "five are named, then it says that there are more"


LOOPBACK_ONLY = """
import os, socket

def only_loopback(connect):
    def refusing(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            with open(os.environ["REFUSED"], "a") as file:
                file.write(f"{address}\\n")
            raise OSError("refused by the test")
        return connect(self, address)
    return refusing

socket.socket.connect = only_loopback(socket.socket.connect)
socket.socket.connect_ex = only_loopback(socket.socket.connect_ex)
"""
"""Python runs a module of the name sitecustomize at the start of every process."""


def test_the_demo_ends_with_what_came_of_it_and_where_it_lies(data: Path, tmp_path: Path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(LOOPBACK_ONLY)
    refused = tmp_path / "refused.txt"
    patched = {"PYTHONPATH": str(tmp_path / "site"), "REFUSED": str(refused)}
    check = "import socket; socket.create_connection(('192.0.2.1', 9), 1)"
    subprocess.run([sys.executable, "-c", check], env=environment(data, **patched), capture_output=True, check=False)
    assert refused.read_text() == "('192.0.2.1', 9)\n", "the patch works"

    ended = grabient(data, "demo", TAG_ANALYSIS_COUNT="1", **patched)
    assert ended.code == 0, ended.err
    assert refused.read_text().count("\n") == 1, "nothing but loopback was called"
    lines = ended.out.splitlines()
    assert len(lines) < 75 and sum("  #" in line for line in lines) == 4, "four palettes, and the end fits a window"
    assert "These are 4 of 63 palettes: 63 tagged, 63 refined, 63 found by search, in " in ended.out
    [question] = [place for place, line in enumerate(lines) if " knowledge search " in line]
    searches = [place for place, line in enumerate(lines) if ' search "' in line and place != question]
    hits = [[line.split("  ")[1:] for line in lines[place + 1 : place + 3]] for place in searches]
    assert [found[0][1] for found in hits] == ["Teal and copper", "Sugared violet", "Swimming lesson"]
    assert all(float(score) > 0.2 for found in hits for score, _ in found)
    pictures = Path(next(line for line in lines if line.startswith("Pictures:")).split()[1])
    assert len(list(pictures.glob("*.png"))) == 63
    assert f"Database:  {data / 'grabient.duckdb'}" in lines
    chorus = next(place for place, line in enumerate(lines) if " chorus show" in line)
    assert lines[chorus].endswith(" of 4 artists, painted by gpt-image-2.5-flare:"), "one of them may fail, as in life"
    assert {line.split(":")[0].strip() for line in lines[chorus + 1 : chorus + 5]} == set(ARTISTS)
    edit = next(place for place, line in enumerate(lines) if " edits list " in line)
    assert "v1, and v2 by gpt-image-2.5-sunburst: a full moon" in lines[edit]
    assert re.search(r"v2: .* (1[0-9]|[2-9][0-9])\.\d % .*; stitched, 0\.0 % .*; 0\.0\d+ USD", lines[edit + 1])
    assert lines[question].endswith(" of 3 talks:") and "4 price, technique: Price, value" in lines[question + 2]
    assert ">> When a customer says that your price is too high, do nothing for two seconds. <<" in lines[question + 3]
    start = lines.index("Next:")
    steps = [line.split() for line in lines[start + 1 :: 2]]
    assert [step[1] for step in steps] == ["explain", "dev", "load"]
    assert typed(data, *steps[0][1:]).code == 0
    stray = [line for line in ended.err.splitlines() if not line.startswith("[") and "bundled samples" not in line]
    assert stray == [], "nothing of Dagster or of a library stands between our lines"


def test_the_demo_refuses_live_mode(data: Path):
    ended = typed(data, "demo", GRABIENT_MODE="live", GROQ_API_KEY="gsk_x")
    assert ended.code == 2 and "never spends money" in ended.err and not data.exists()


@pytest.mark.slow
def test_a_folder_whose_name_has_what_shells_and_addresses_mean_something_by(tmp_path: Path):
    data = tmp_path / 'it\'s a #1 "data" ü & 100% 🎨 ~x'
    with emulator_ended_after(data):
        assert typed(data, "load", palettes(tmp_path, 1)).code == 0
        ended = typed(data, "run", "--analyses", "1", "--until", "tags", "--json")
        assert ended.code == 0 and ended.json["tagged"] == 1, ended.err
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([data.name, "palettes-1.jsonl"])
        assert (data / "dagster" / "history" / "runs.db").stat().st_size > 0
    before = sorted(path.name for path in tmp_path.iterdir())
    for name, value in (("GRABIENT_DATA_DIR", str(tmp_path / "a?b")), ("DAGSTER_HOME", str(tmp_path / "a%20b"))):
        for arguments in (("load", palettes(tmp_path, 1)), ("run",), ("status",), ("dev",)):
            ended = typed(tmp_path / "other", *arguments, **{name: value})
            assert ended.code == 2 and ended.err.startswith(f"{name} leads to"), ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == before, "refused before anything is stored"
