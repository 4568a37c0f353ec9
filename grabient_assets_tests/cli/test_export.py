"""`grabient export` as a person types it, and what docs/how-to/export.md tells people to type."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sqlite3
import subprocess
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from grabient_assets.groups.exports.tables import EXPORT_COLUMNS
from grabient_assets.settings import PROJECT_DIR
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import command, environment, grabient, type_in, typed
from grabient_assets_tests.docs.how_to import commands
from grabient_assets_tests.warehouse.results import NOON, refined, refined_palette

PAGE = (PROJECT_DIR / "docs" / "how-to" / "export.md").read_text(encoding="utf-8")


@pytest.fixture
def refined_data(data: Path) -> Path:
    with Warehouse(data / "grabient.duckdb").write() as connection:
        for seed in ("one", "two"):
            refined_palette(connection, seed, "Harbour 'at dusk'")
    return data


def test_the_page_on_exports(refined_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    jsonl, csv_file, parquet, sql, changed, postgres, dated = commands("export.md")
    done = type_in(refined_data, jsonl)
    lines = Path("palettes.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["seed"] for line in sorted(lines)] == ["one", "two"] and done.out == ""
    size = Path("palettes.jsonl").stat().st_size
    assert done.err == f"Exported 2 palettes of v1 as jsonl to palettes.jsonl ({size:,} bytes) (emulated).\n"
    assert type_in(refined_data, csv_file).code == 0
    with Path("palettes.csv").open(encoding="utf-8", newline="") as file:
        assert [list(row) for row in csv.DictReader(file)] == [["seed", "name", "hex", "embed_text"]] * 2
    assert type_in(refined_data, parquet).code == 0
    assert duckdb.sql("SELECT count(*) FROM 'palettes.parquet'").fetchall() == [(2,)]
    assert type_in(refined_data, sql).code == 0

    with Warehouse(refined_data / "grabient.duckdb").write() as connection:
        refined(connection, "one", created_at=NOON + timedelta(hours=1), embed_text="New.")
        refined(connection, "two", error="unreadable now")
    later = type_in(refined_data, changed)
    assert re.match(r"Exported 1 palette of v1 as sql, changed since 20\d\d-\d\d-\d\d \d\d:\d\d UTC to ch", later.err)
    assert later.err.splitlines()[1] == (
        "Taken back: 1 palette exported before has no usable refinement any more (two). The file deletes it."
    )
    site = sqlite3.connect("site.db")
    for name in ("palettes.sql", "changes.sql", "changes.sql"):
        site.executescript(Path(name).read_text(encoding="utf-8"))
    assert site.execute("SELECT seed, embed_text FROM refined_palettes").fetchall() == [("one", "New.")]
    the_old_table_of_d1(site)
    the_old_documents_of_convex()

    assert type_in(refined_data, postgres).code == 0
    assert Path("tags.sql").read_text(encoding="utf-8").count('"tags" (') == 2
    shown = type_in(refined_data, dated)
    assert json.loads(shown.out)["embed_text"] == "New."
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def the_old_table_of_d1(site: sqlite3.Connection) -> None:
    site.execute(
        "CREATE TABLE palette_tag_refinements (id INTEGER PRIMARY KEY, seed TEXT, model TEXT, prompt_version TEXT, "
        "source_prompt_version TEXT, input_summary TEXT, refined_tags TEXT, analysis TEXT, error TEXT, created_at INT)"
    )
    site.execute("INSERT INTO palette_tag_refinements (seed, refined_tags) VALUES ('source-one', 'old'), ('x', 'old')")
    script = re.search(r"run by grabient_assets_tests/docs -->\n```sql\n(.*?)```", PAGE, re.DOTALL)
    assert script is not None
    for _ in range(2):
        site.executescript(script[1])
    found = site.execute("SELECT seed, refined_tags, created_at FROM palette_tag_refinements ORDER BY seed").fetchall()
    assert [row[0] for row in found] == ["source-one", "x"]
    tags = json.loads(found[0][1])
    assert (tags["mood"], tags["seasonal"], tags["embed_text"], len(tags)) == (["calm"], [], "New.", 10)
    assert found[0][2] == (NOON + timedelta(hours=1)).timestamp() * 1000


def the_old_documents_of_convex() -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    line = re.search(r"^jq -c .+ > palette_tag_refined.jsonl$", PAGE, re.MULTILINE)
    assert line is not None
    subprocess.run(line[0], shell=True, check=True)
    documents = [json.loads(one) for one in Path("palette_tag_refined.jsonl").read_text(encoding="utf-8").splitlines()]
    one = next(document for document in documents if document["seed"] == "source-one")
    assert (one["promptVersion"], one["cycle"], one["embedText"]) == ("v1", 1, "A calm harbour.")
    assert one["tags"]["associations"] == ["boat"] and len(one["tags"]) == 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "xml"), "--format is 'xml'; it must be one of jsonl, csv, parquet, sql."),
        (("--format", "sql", "--dialect", "mysql"), "--dialect is 'mysql'; it must be one of sqlite, postgres."),
        (("--since", "yesterday"), "--since is 'yesterday'; it must be a day such as 2026-11-20, or last."),
        (("--columns", "seed,colour"), f"--columns names 'colour'; there is {', '.join(EXPORT_COLUMNS)}."),
        (("--columns", " ,"), "--columns names no column; there is seed, "),
        (("--format", "sql", "--columns", "name"), "--columns lacks seed, which tells the rows of the table apart."),
        (("--prompt-version", "v9"), "There is no prompt version 'v9'; there is v1"),
        (("--out", "/"), "--out is /, a folder. Name a file in it."),
        (("--out", "/nowhere/at/all"), "--out is /nowhere/at/all, and there is no folder /nowhere/at. Make it first."),
    ],
)
def test_what_it_cannot_take(data: Path, arguments: tuple[str, ...], said: str) -> None:
    done = typed(data, "export", *arguments)
    assert (done.code, done.out) == (2, "") and done.err.startswith(said)


def test_the_database_itself_is_not_written_over(refined_data: Path) -> None:
    file = refined_data / "grabient.duckdb"
    before = file.read_bytes()
    done = typed(refined_data, "export", "--out", file)
    assert done.code == 2 and "the database itself" in done.err and file.read_bytes() == before


def test_nothing_is_made_where_nothing_is(data: Path) -> None:
    done = typed(data, "export")
    assert (done.code, done.out) == (0, "") and done.err.startswith("Exported 0 palettes of v1 as jsonl")
    assert not data.exists()


def test_an_export_that_is_cut_off_is_given_again(refined_data: Path) -> None:
    """Through a pipe that nobody reads, as `grabient export | head -0` does."""
    with subprocess.Popen(
        command("export"), env=environment(refined_data), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode != 0 and "Traceback" not in said
    with Warehouse(refined_data / "grabient.duckdb").read() as connection:
        assert connection.execute("SELECT * FROM exported_palettes").fetchall() == []
    piped = grabient(refined_data, "export", "--since", "last")
    assert piped.code == 0 and len(piped.out.splitlines()) == 2
    assert "changed since" not in piped.err and ", for the first time" in piped.err
