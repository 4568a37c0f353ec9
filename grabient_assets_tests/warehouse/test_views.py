"""The views for people: what can be used is in them, sums are numbers that other programs read, and a copy made by
DuckDB itself can be read back."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.warehouse.contents import contents, value
from grabient_assets_tests.warehouse.results import NOON, answer, palette, refined, refined_palette


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "grabient.duckdb"


def test_what_can_be_used_has_no_failures(path: Path) -> None:
    with Warehouse(path).write() as connection:
        refined_palette(connection, "good")
        palette(connection, "bad", "Quay")
        answer(connection, "bad", error="no JSON")
        refined(connection, "bad", error="truncated")
        found = connection.execute("SELECT * FROM refined_palettes")
        names = [column[0] for column in found.description or ()]
        assert [dict(zip(names, row, strict=True)) for row in found.fetchall()] == [
            {
                "seed": "good",
                "prompt_version": "v1",
                "source_seed": "source-good",
                "palette_key": "key-good",
                "name": "Harbour",
                "display_style": "linearSwatches",
                "steps": 11,
                "angle": 90.0,
                "hex": ["#0000ff"] * 11,
                "temperature": "cool",
                "contrast": "low",
                "brightness": "dark",
                "saturation": "muted",
                "mood": ["calm"],
                "style": ["art deco", "calm"],
                "dominant_colors": ["navy"],
                "seasonal": [],
                "associations": ["boat"],
                "tags": ["calm", "art deco", "navy", "boat"],
                "embed_text": "A calm harbour.",
                "image_key": "palettes/good.png",
                "image_url": "https://images.example.com/good.png",
                "model": "opus",
                "refined_at": NOON,
                "cost_usd": Decimal("0.5"),
            }
        ]
        assert connection.execute("SELECT seed FROM usable_tags").fetchall() == [("good",)]


def test_sums_are_whole_numbers_and_dollars(path: Path) -> None:
    with Warehouse(path).read() as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'main'"
        ).fetchall()
    assert len(columns) > 200
    assert [column for column in columns if "HUGEINT" in column[2]] == []
    dollars = {column[2] for column in columns if column[1].endswith("_usd")}
    assert dollars == {"DECIMAL(18,10)"}
    tokens = {column[2] for column in columns if column[0].startswith("cost_by") and column[1].endswith("_tokens")}
    assert tokens == {"BIGINT", "INTEGER"}, "sums, and those of one request"


def test_a_column_more_in_what_a_view_reads_changes_no_view(path: Path) -> None:
    """As a migration adds it to a table, or to a view that others read."""
    with Warehouse(path).write() as connection:

        def columns() -> dict[str, list[str]]:
            views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1").fetchall()
            return {
                view: [column[0] for column in connection.execute(f"SELECT * FROM {view}").description or ()]
                for (view,) in views
            }

        before = columns()
        assert len(before) >= 12
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary").fetchall():
            connection.execute(f"ALTER TABLE {table} ADD COLUMN one_more VARCHAR")
        assert columns() == before
        for view in before:
            [(sql,)] = connection.execute("SELECT sql FROM duckdb_views() WHERE view_name = $1", [view]).fetchall()
            query = sql[sql.index(" AS ") + 4 :].rstrip(";")
            connection.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT *, 1 AS one_more FROM ({query})")
            after = columns()
            assert after == before | {view: [*before[view], "one_more"]}, view
            connection.execute(sql.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))


@pytest.mark.parametrize("options", ["", "(FORMAT parquet)"])
def test_a_copy_made_by_duckdb_is_read_into_an_empty_file(path: Path, options: str, tmp_path: Path) -> None:
    """With a row in every table, then one with texts that a format may trip over."""
    with Warehouse(path).write() as connection:
        connection.execute("SELECT 1")
        tables = connection.execute(
            "SELECT table_name, list(data_type ORDER BY column_index) FROM duckdb_columns() "
            "WHERE NOT internal AND table_name IN (SELECT table_name FROM duckdb_tables()) GROUP BY 1"
        ).fetchall()
        for table, types in tables:
            if table != "schema_migrations":
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join(value(one) for one in types)})")
        refined_palette(connection, "odd", name="\"Ein; Hafen,\n'é' NULL\\", associations=["a, b", "[c]", "", 'd"e'])
    folder, copy = tmp_path / "copy", tmp_path / "copy.duckdb"
    with duckdb.connect(str(path), read_only=True) as shell:
        shell.execute(f"EXPORT DATABASE '{folder}' {options}")
    with duckdb.connect(str(copy)) as shell:
        shell.execute(f"IMPORT DATABASE '{folder}'")
    assert contents(copy) == contents(path)
    with Warehouse(copy).read() as there, duckdb.connect(str(path), read_only=True) as here:
        views = [row[0] for row in here.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()]
        assert len(views) >= 12
        for view in views:
            query = f"SELECT * FROM {view} ORDER BY ALL"
            assert there.execute(query).fetchall() == here.execute(query).fetchall(), view
