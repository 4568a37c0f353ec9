"""The formats of both systems, row by row. A row that cannot be read has a line and a reason, and the rest is read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grabient_assets.errors import ExportFileError
from grabient_assets.groups.imports import export_file
from grabient_assets.groups.imports.export_file import ExportedRow, exported_rows, opened_export
from grabient_assets_tests.groups.imports.old_systems import (
    TAGS,
    convex_refined,
    convex_tags,
    convex_zip,
    d1_csv,
    d1_sql,
    d1_tags,
    jsonl,
    seed,
)


def rows(path: Path, wanted: Sequence[str] = tuple(export_file.TABLES)) -> list[ExportedRow]:
    with opened_export(path) as file:
        return list(exported_rows(file, path, wanted))


def test_convex_zip(tmp_path: Path) -> None:
    path = convex_zip(tmp_path / "c.zip", {"palette_tags": [convex_tags(), "{bad"], "tag_batches": [{"batchId": "b"}]})
    found = {(one.member, one.line, one.table): one for one in rows(path)}
    assert found["palette_tags/documents.jsonl", 1, "palette_tags"].values["seed"] == seed(1)
    assert found["palette_tags/documents.jsonl", 2, "palette_tags"].problem.startswith("it is not valid JSON")
    assert {one.table for one in rows(path) if not one.line} == {"_tables", "tag_batches"}
    assert [one.line for one in rows(path, ["palette_tag_refined"]) if one.line] == []


def test_jsonl_tells_its_table_by_its_fields(tmp_path: Path) -> None:
    old_form = convex_refined(sourcePromptVersion="x")
    del old_form["cycle"], old_form["embedText"], old_form["sourcePromptVersions"]
    others = {"batchId": "b", "provider": "groq"}, {"version": "h", "content": "c"}, {"seed": "s", "totalModels": 3}
    path = jsonl(
        tmp_path / "d.jsonl",
        convex_tags(),
        "",
        old_form,
        {"seed": "s", "imageUrl": "u"},
        *others,
        {"a": 1},
        "[1]",
    )
    found = [(one.line, one.table, one.problem) for one in rows(path)]
    assert found == [
        (1, "palette_tags", ""),
        (3, "palette_tag_refined", ""),
        (4, "palettes", ""),
        (5, "tag_batches", ""),
        (6, "prompt_versions", ""),
        (7, "palette_tag_consensus", ""),
        (8, "", ""),
        (9, "", "it is JSON, but no object"),
    ]


ANY_ROW = st.dictionaries(
    st.text(min_size=1, max_size=8), st.none() | st.text(max_size=20) | st.floats(allow_nan=False), max_size=4
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANY_ROW, min_size=1, max_size=5), st.text("{}[]\",:'\\x ", max_size=10))
def test_any_jsonl_comes_back(tmp_path: Path, documents: list[dict[str, Any]], noise: str) -> None:
    path = jsonl(tmp_path / "any.jsonl", *documents, "{" + noise)
    *good, last = rows(path)
    assert [(one.values, one.problem) for one in good] == [(document, "") for document in documents]
    assert last.problem or last.values == json.loads("{" + noise)


NASTY = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1, max_size=30)
NASTY_SQL = NASTY | st.sampled_from(["a;\nINSERT INTO palette_tags VALUES ('", "it's\n-- no comment;", '";\n"', "/* ;"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NASTY_SQL, NASTY_SQL), min_size=1, max_size=4), st.booleans())
def test_any_text_of_a_dump_comes_back(tmp_path: Path, texts: list[tuple[Any, Any]], schema: bool) -> None:
    written = [d1_tags(n, id=f"r{n}", tags=one, error=two) for n, (one, two) in enumerate(texts)]
    path = d1_sql(tmp_path / "d.sql", {"palette_tags": written, "likes": [{"palette_id": "x"}]}, schema)
    found = rows(path)
    assert [one.problem for one in found if one.problem] == []
    assert [one.values for one in found if one.table == "palette_tags"] == written
    assert {one.table for one in found} == {"palette_tags", "likes"}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NASTY, NASTY), min_size=1, max_size=4), st.sampled_from(",;\t|"))
def test_any_text_of_a_csv_comes_back(tmp_path: Path, texts: list[tuple[Any, Any]], delimiter: str) -> None:
    written = [d1_tags(n, tags=f"[{one}", error=two and f"]{two}") for n, (one, two) in enumerate(texts)]
    path = d1_csv(tmp_path / "d.csv", *written, delimiter=delimiter)
    found = rows(path)
    assert [one.problem for one in found] == [""] * len(written)
    assert [(one.values["tags"], one.values["error"]) for one in found] == [(w["tags"], w["error"]) for w in written]


def test_a_broken_record_costs_its_line_alone(tmp_path: Path) -> None:
    path = d1_csv(tmp_path / "d.csv", *(d1_tags(n) for n in (1, 2, 3)))
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace('""', '"', 1)
    lines.insert(3, "too,few")
    path.write_text("\n".join(lines))
    found = rows(path)
    assert [(one.line, bool(one.problem)) for one in found] == [(2, True), (3, False), (4, True), (5, False)]
    assert found[2].problem == "it has 2 fields, and the header names 9"


def test_a_broken_statement_costs_its_line_alone(tmp_path: Path) -> None:
    path = d1_sql(tmp_path / "d.sql", {"palette_tags": [d1_tags(n) for n in (1, 2, 3)]}, schema=False)
    first, second, third, *_ = path.read_text().splitlines()[1:]
    path.write_text(
        "\n".join([first.replace("VALUES('", "VALUES(''", 1), second, "INSRT nonsense;", third, "INSERT INTO"])
    )
    found = rows(path)
    assert [one.values["id"] for one in found if not one.problem] == ["r2", "r3"]
    problems = {one.line: one.problem for one in found if one.problem}
    assert set(problems) == {1, 3, 5} and "syntax error" in problems[3]
    assert problems[5] == "the statement does not end"


def test_rows_of_one_statement_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "d.sql"
    path.write_text(f"INSERT INTO palettes VALUES ('{seed(1)}','x',1,2,3),\n('{seed(2)}','x',1,2,3);\n")
    assert [(one.line, one.entry, one.values["id"]) for one in rows(path)] == [(1, 1, seed(1)), (1, 2, seed(2))]


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH 'written.db' AS other;\nCREATE TABLE other.palettes (id);",
        "CREATE TABLE likes AS SELECT 1;",
        "INSERT INTO palettes(id) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;",
    ],
)
def test_a_dump_does_nothing_but_insert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "d.sql"
    path.write_text(f"CREATE TABLE palettes (id);\n{statement}\nINSERT INTO palettes VALUES ('{seed(1)}');\n")
    assert [one.values["id"] for one in rows(path) if one.values] == [seed(1)]
    assert [one.name for one in tmp_path.iterdir()] == ["d.sql"]


def test_text_that_is_not_utf_8_and_lines_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_file, "MAX_ROW", 5_000)
    path = tmp_path / "d.jsonl"
    good = json.dumps(convex_tags()).encode()
    path.write_bytes(good + b'\n{"seed": "\xff"}\n{"a": "' + b"x" * 20_000 + b'"}\n' + good)
    found = [(one.line, one.problem) for one in rows(path)]
    assert found == [
        (1, ""),
        (2, "character 11 (0xff) is not UTF-8"),
        (3, "it is longer than 5000 characters"),
        (4, ""),
    ]
    assert len(rows(path)[2].text) == 200


def test_utf_16_as_powershell_writes_it(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "d.jsonl", convex_tags(tags={**TAGS, "mood": ["café"]}))
    path.write_text(path.read_text(), encoding="utf-16")
    assert [one.values["tags"]["mood"] for one in rows(path)] == [["café"]]


def write_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE palette_tags (id)")


def damaged_zip(path: Path) -> None:
    convex_zip(path, {"palette_tags": [convex_tags(n) for n in range(200)]})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda path: path.write_text(" \n\n"), "holds nothing"),
        (lambda path: path.write_text("[{}]"), "is a JSON array. Give one object a line"),
        (lambda path: path.write_text("id,email\n1,a@b.c\n"), "is no export of palette_tags"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0"), "is no export of palette_tags"),
        (lambda path: path.mkdir(), "is a folder. Give the ZIP"),
        (lambda path: None, "There is no export"),
        (write_database, "is an SQLite database. Give a dump: sqlite3"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and no more"), "cannot be read (File is not a zip file)"),
        (damaged_zip, "cannot be read"),
        (lambda path: convex_zip(path, {}).write_bytes(b"PK\x05\x06" + bytes(18)), "is a ZIP without documents.jsonl"),
    ],
)
def test_a_file_that_cannot_be_read_at_all(tmp_path: Path, write: Any, sentence: str) -> None:
    path = tmp_path / "export"
    write(path)
    with pytest.raises(ExportFileError) as error:
        rows(path)
    assert sentence in str(error.value)
