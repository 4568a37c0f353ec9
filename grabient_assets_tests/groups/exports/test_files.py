"""What an export holds, in every format: values that trip formats up, what changed since, and what was taken back."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.errors import GrabientError
from grabient_assets.groups.exports.files import Delivered, FileKind, Format, deliver, replacing
from grabient_assets.groups.exports.tables import EXPORT_COLUMNS, USUAL_COLUMNS, Selection
from grabient_assets.groups.exports.upserts import STATEMENT_BYTES, Dialect, upserts
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.postgres import postgres
from grabient_assets_tests.warehouse.results import NOON, palette, refined, refined_palette

NASTY = "O'Hara; -- \"Hafen\"\r\n\\n \\' é 海 \U0001f305\0|{}[],\ttab"
LATER = NOON + timedelta(days=3)
ALL = tuple(EXPORT_COLUMNS)


class Site:
    """A warehouse, and exports of it as a site's owner makes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warehouse = Warehouse(folder / "grabient.duckdb")

    def write(self, *changes: Any) -> None:
        with self.warehouse.write() as connection:
            for change, *arguments in changes:
                change(connection, *arguments)

    def export(self, kind: FileKind, name: str = "out", **selection: Any) -> Delivered:
        wanted: dict[str, Any] = {"prompt_version": "v1", "columns": USUAL_COLUMNS, "target": "site", **selection}
        return deliver(self.warehouse, Selection(**wanted), kind, self.folder / name, io.BytesIO(), datetime.now(UTC))

    def seeds(self, name: str = "out") -> list[str]:
        lines = (self.folder / name).read_text(encoding="utf-8").splitlines()
        return sorted(json.loads(line)["seed"] for line in lines)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two palettes: one of plain words, one of everything else. A third one failed."""
    made = Site(tmp_path)

    def fill(connection: duckdb.DuckDBPyConnection) -> None:
        refined_palette(connection, "plain")
        refined_palette(connection, "odd", NASTY, mood=[], associations=[NASTY, ""], embed_text=NASTY)
        connection.execute("UPDATE palette_images SET url = NULL WHERE seed = 'odd'")
        palette(connection, "failed")
        refined(connection, "failed", error="truncated")

    made.write((fill,))
    return made


ODD = {"name": NASTY, "embed_text": NASTY, "mood": [], "associations": [NASTY, ""], "image_url": None, "steps": 11}


def of_odd(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ODD}


def test_the_columns_are_those_of_the_view(site: Site) -> None:
    assert [row[0] for row in site.rows("DESCRIBE refined_palettes")] == list(ALL)


def test_jsonl(site: Site) -> None:
    assert site.export(FileKind("jsonl"), columns=ALL).rows == 2
    text = (site.folder / "out").read_text(encoding="utf-8")
    rows = {row["seed"]: row for row in map(json.loads, text.split("\n")[:-1])}
    assert list(rows["plain"]) == list(ALL) and of_odd(rows["odd"]) == ODD
    assert (rows["plain"]["refined_at"], rows["plain"]["cost_usd"]) == (
        "2026-11-20T12:00:00.000000+00:00",
        "0.5000000000",
    )
    assert rows["plain"]["tags"] == ["calm", "art deco", "navy", "boat"] and len(rows["plain"]["hex"]) == 11


def test_csv(site: Site) -> None:
    site.export(FileKind("csv"))
    with (site.folder / "out").open(encoding="utf-8", newline="") as file:
        rows = {row["seed"]: row for row in csv.DictReader(file)}
    assert tuple(rows["odd"]) == USUAL_COLUMNS and len(rows) == 2
    lists = {name: json.loads(rows["odd"][name]) for name in ("mood", "associations")}
    assert of_odd({**rows["odd"], **lists, "steps": int(rows["odd"]["steps"]), "image_url": None}) == ODD
    assert rows["odd"]["image_url"] == ""


def test_parquet(site: Site) -> None:
    site.export(FileKind("parquet"), columns=ALL)
    file = str(site.folder / "out")
    found = duckdb.sql(f"SELECT {', '.join(ODD)} FROM read_parquet('{file}') WHERE seed = 'odd'").fetchall()
    assert dict(zip(ODD, found[0], strict=True)) == ODD
    types = {row[0]: row[1] for row in duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet('{file}')").fetchall()}
    assert {types[n] for n in ("hex", "tags", "mood")} == {"VARCHAR[]"}
    assert (types["refined_at"], types["cost_usd"]) == ("TIMESTAMP WITH TIME ZONE", "DECIMAL(18,10)")
    assert duckdb.sql(f"SELECT sum(cost_usd) FROM read_parquet('{file}')").fetchall() == [(Decimal(1),)]


def test_sqlite_takes_the_same_file_twice(site: Site) -> None:
    kind = FileKind("sql", "sqlite", 'my "table"')
    site.export(kind, columns=ALL)
    sql = (site.folder / "out").read_text(encoding="utf-8")
    with sqlite3.connect(":memory:") as database:
        database.row_factory = sqlite3.Row
        found: list[list[dict[str, Any]]] = []
        for _ in range(2):
            database.executescript(sql)
            found.append([dict(row) for row in database.execute('SELECT * FROM "my ""table""" ORDER BY seed')])
        assert found[0] == found[1] and [row["seed"] for row in found[0]] == ["odd", "plain"]
        odd = found[0][0]
        assert of_odd({**odd, **{name: json.loads(odd[name]) for name in ("mood", "associations")}}) == ODD
        assert (odd["refined_at"], odd["cost_usd"], odd["angle"]) == ("2026-11-20T12:00:00+00:00", "0.5000000000", 90.0)

        site.write((refined, "plain"), (refined, "odd", "unreadable now"))
        site.write((lambda c: c.execute("UPDATE palette_tag_refined SET embed_text = 'New.' WHERE seed = 'plain'"),))
        done = site.export(kind, columns=ALL, changed=True)
        assert (done.rows, done.withdrawn) == (1, ("odd",))
        database.executescript((site.folder / "out").read_text(encoding="utf-8"))
        left = database.execute('SELECT seed, embed_text FROM "my ""table"""').fetchall()
        assert [tuple(row) for row in left] == [("plain", "New.")]


def test_postgres_takes_the_same_file_twice(site: Site) -> None:
    site.export(FileKind("sql", "postgres"), columns=ALL)
    sql = (site.folder / "out").read_text(encoding="utf-8")
    with postgres() as server:
        query = "SELECT row_to_json(r) FROM refined_palettes r ORDER BY seed;"
        first = server.psql(sql + query)
        assert server.psql(sql + query) == first
        odd, plain = map(json.loads, first.splitlines())
        without_nul = json.loads(json.dumps(ODD).replace("\\u0000", "\\ufffd"))
        assert of_odd(odd) == without_nul
        assert (plain["seed"], plain["cost_usd"], plain["tags"]) == ("plain", 0.5, ["calm", "art deco", "navy", "boat"])
        assert datetime.fromisoformat(plain["refined_at"]) == NOON
        off = f"SET standard_conforming_strings = off; SET backslash_quote = on; {sql.replace('BEGIN;', '')}"
        assert server.psql(off + query) == first, "where a backslash escapes in plain literals"
        site.write((refined, "odd", "unreadable now"))
        site.export(FileKind("sql", "postgres"), columns=ALL, changed=True)
        server.psql((site.folder / "out").read_text(encoding="utf-8"))
        assert server.psql("SELECT seed FROM refined_palettes;") == "plain\n"


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.tuples(words, words | st.none(), st.lists(words, max_size=3), st.integers(0, 99))


@given(st.lists(values, max_size=5, unique_by=lambda row: row[0]))
def test_any_text_comes_back_from_sqlite(rows: list[tuple[Any, ...]]) -> None:
    columns = ("seed", "name", "mood", "steps")
    sql = "".join(upserts(iter(rows), columns, (), "sqlite", "t"))
    with sqlite3.connect(":memory:") as database:
        for _ in range(2):
            database.executescript(sql)
        found = database.execute("SELECT * FROM t").fetchall()
    assert {row[0]: (row[1], json.loads(row[2]), row[3]) for row in found} == {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_a_statement_stays_short_and_says_each_row_once(dialect: Dialect) -> None:
    rows = [(f"s{number}", "x" * 700) for number in range(500)]
    gone = [f"gone-{'y' * 60}{number}" for number in range(1000)]
    written = list(upserts(iter(rows), ("seed", "name"), gone, dialect, "t"))
    assert max(map(len, written)) < STATEMENT_BYTES + 1000
    text = "".join(written)
    assert [text.count(f"'s{number}'") for number in (0, 1, 499)] == [1, 1, 1]
    assert text.count("INSERT INTO") == 8 and text.count("DELETE FROM") == 2


def test_what_changed_since_the_last_export(site: Site) -> None:
    kind = FileKind("jsonl")
    first = site.export(kind, changed=True)
    assert (first.rows, first.before, site.seeds()) == (2, None, ["odd", "plain"])
    again = site.export(kind, changed=True)
    assert (again.rows, again.withdrawn, (site.folder / "out").read_bytes()) == (0, (), b"")
    assert again.before is not None

    site.write((lambda c: refined(c, "plain", created_at=LATER),))  # the same words, refined again
    assert site.export(kind, changed=True, target="other").rows == 2, "each target has its own last export"
    assert site.export(kind, changed=True).rows == 1 and site.seeds() == ["plain"]
    site.write((lambda c: c.execute("UPDATE palette_images SET url = 'https://elsewhere/' WHERE seed = 'odd'"),))
    site.export(kind, changed=True)
    assert site.seeds() == ["odd"], "the address of its picture is another"
    assert site.export(kind, changed=True, columns=("seed", "name")).rows == 2, "the target sees other columns"

    site.export(kind)
    site.write((lambda c: refined_palette(c, "new", created_at=LATER),))
    dated = site.export(kind, since=date(2026, 11, 21))
    assert (dated.rows, site.seeds()) == (2, ["new", "plain"])
    assert site.export(kind, changed=True).rows == 0, "a dated export counts for the rows it has"


def test_what_was_taken_back_is_said_once(site: Site) -> None:
    kind = FileKind("jsonl")
    site.export(kind)
    site.write(
        (refined, "odd", "unreadable now"),
        (lambda c: c.execute("DELETE FROM palette_tag_refined WHERE seed = 'plain'"),),
    )
    done = site.export(kind, changed=True)
    assert (done.rows, done.withdrawn) == (0, ("odd", "plain"))
    assert site.export(kind, changed=True).withdrawn == ()
    site.write((refined, "odd"))
    assert site.export(kind, changed=True).rows == 1, "back again"


def test_another_prompt_version_replaces_the_rows_of_its_palettes(site: Site) -> None:
    kind = FileKind("jsonl")
    site.export(kind)
    site.write((lambda c: refined(c, "plain", prompt_version="v2"),))
    done = site.export(kind, changed=True, prompt_version="v2")
    assert (done.rows, done.withdrawn) == (1, ()), "the other palette is still usable under v1, and stays"
    assert site.rows("SELECT seed, prompt_version FROM exported_palettes ORDER BY 1") == [
        ("odd", "v1"),
        ("plain", "v2"),
    ]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "sql"])
def test_an_export_that_cannot_be_written_is_none(site: Site, form: Format) -> None:
    (site.folder / "taken").mkdir()
    with pytest.raises(GrabientError, match=r"nowhere/out cannot be written \(.+\).*nothing counts as exported"):
        site.export(FileKind(form), "nowhere/out")
    with (
        pytest.raises(GrabientError, match=r"taken cannot be written \(Is a directory\)"),
        replacing(site.folder / "taken") as partial,
    ):
        partial.touch()
    assert not [path for path in site.folder.iterdir() if "partial" in path.name]
    assert site.rows("SELECT * FROM exported_palettes") == []


class Broken(io.BytesIO):
    """Whoever reads has gone."""

    def write(self, data: Any, /) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_an_export_that_nobody_took_does_not_count(site: Site) -> None:
    selection = Selection("v1", USUAL_COLUMNS, "site")
    with pytest.raises(BrokenPipeError):
        deliver(site.warehouse, selection, FileKind("jsonl"), None, Broken(), NOON)
    assert site.rows("SELECT * FROM exported_palettes") == []
    taken = io.BytesIO()
    assert deliver(site.warehouse, selection, FileKind("jsonl"), None, taken, NOON).rows == 2
    assert len(taken.getvalue().splitlines()) == 2
    assert len(site.rows("SELECT * FROM exported_palettes")) == 2
