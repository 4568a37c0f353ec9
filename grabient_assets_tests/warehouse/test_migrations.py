"""The schema of a file: made, brought up to date with a copy kept, or refused."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

import duckdb
import pytest

from grabient_assets.errors import WarehouseError, WarehouseTooNewError
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.migrations import SQL, current_version, migrate, newest_version


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "grabient.duckdb"


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """A folder with the real first step, and one that is yet to come."""
    folder = tmp_path / "sql"
    folder.mkdir()
    first = resources.files("grabient_assets.warehouse") / "sql" / "0001_pipeline.sql"
    (folder / "0001_pipeline.sql").write_text(first.read_text())
    return folder


def applied(path: Path) -> list[tuple[int, str]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute("SELECT number, name FROM schema_migrations ORDER BY 1").fetchall()


def test_a_fresh_file_gets_every_step_once(path: Path) -> None:
    for _ in range(2):
        warehouse = Warehouse(path)
        with warehouse.read() as connection:
            assert current_version(connection) == newest_version()
        with warehouse.write() as connection:
            assert current_version(connection) == newest_version()
    found = applied(path)
    assert found[0] == (1, "0001_pipeline.sql")
    assert [name for _, name in found] == sorted(step.name for step in SQL.iterdir() if step.name.endswith(".sql"))
    assert [p.name for p in path.parent.iterdir()] == ["grabient.duckdb"]


def test_an_older_file_is_copied_and_brought_up_to_date(path: Path, steps: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        migrate(connection, path, steps)
        connection.execute("INSERT INTO prompt_versions VALUES ('v1', 'tagging', 'd', 't', 'm', now())")
    steps = Path(shutil.copytree(steps, steps.with_name("later")))  # a folder is read once
    (steps / "0002_more.sql").write_text(
        "ALTER TABLE prompt_versions ADD COLUMN more VARCHAR; CREATE TABLE extra(a INT)"
    )
    (steps / "0003_last.sql").write_text("INSERT INTO extra VALUES (3)")
    with duckdb.connect(str(path)) as connection:
        migrate(connection, path, steps)
        assert connection.execute("SELECT digest, more FROM prompt_versions").fetchall() == [("d", None)]
        assert connection.execute("SELECT a FROM extra").fetchall() == [(3,)]
        migrate(connection, path, steps)
        assert connection.execute("SELECT a FROM extra").fetchall() == [(3,)]
    assert applied(path) == [(1, "0001_pipeline.sql"), (2, "0002_more.sql"), (3, "0003_last.sql")]
    copy = path.with_name("grabient.duckdb.before-0002")
    assert applied(copy) == [(1, "0001_pipeline.sql")]
    with duckdb.connect(str(copy), read_only=True) as connection:
        assert connection.execute("SELECT digest FROM prompt_versions").fetchall() == [("d",)]


def test_a_step_that_fails_leaves_the_version_before_it(path: Path, steps: Path) -> None:
    (steps / "0002_bad.sql").write_text("CREATE TABLE half(a INT); SELECT * FROM nowhere")
    with duckdb.connect(str(path)) as connection, pytest.raises(duckdb.CatalogException):
        migrate(connection, path, steps)
    assert applied(path) == [(1, "0001_pipeline.sql")]
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'half'").fetchall() == []


def test_a_newer_file_is_refused_and_left_as_it_is(path: Path) -> None:
    with Warehouse(path).write() as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (9999, '9999_future.sql', now())")
    before = path.read_bytes()
    for use in ("read", "write"):
        said = r"schema version 9999, this program knows up to \d+\. Update"
        with pytest.raises(WarehouseTooNewError, match=said), getattr(Warehouse(path), use)():
            pass
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE mine(x INT)",
        "CREATE VIEW mine AS SELECT 1",
        "CREATE SCHEMA other; CREATE TABLE other.mine(x INT)",
        "CREATE TABLE schema_migrations(version VARCHAR PRIMARY KEY); CREATE TABLE mine(x INT)",  # of Rails
        "CREATE TABLE schema_migrations(number INT, name VARCHAR, applied_at TIMESTAMPTZ); CREATE TABLE mine(x INT)",
    ],
)
def test_a_database_of_another_program_is_refused_and_left_as_it_is(path: Path, made: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(made)
    before = path.read_bytes()
    for use in ("read", "write"):
        said = r"is a DuckDB database of another program: it holds mine.* Nothing was changed\. Move it away"
        with pytest.raises(WarehouseError, match=said), getattr(Warehouse(path), use)():
            pass
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == [path.name]


def test_an_empty_database_is_taken(path: Path) -> None:
    duckdb.connect(str(path)).close()
    with Warehouse(path).read() as connection:
        assert current_version(connection) == newest_version()


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be one", b"SQLite format 3\x00" * 300])
def test_a_file_that_is_something_else_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    said = r"is not a DuckDB database.*\. Nothing was changed\. Put the database back"
    with pytest.raises(WarehouseError, match=said), Warehouse(path).write():
        pass
    assert path.read_bytes() == content


def test_a_file_that_was_removed_is_made_again(path: Path) -> None:
    warehouse = Warehouse(path)
    for use in ("read", "write"):
        with warehouse.write() as connection:
            connection.execute("INSERT INTO prompt_versions VALUES ('v1', 'tagging', 'd', 't', 'm', now())")
        path.unlink()
        with getattr(warehouse, use)() as connection:
            assert connection.execute("SELECT count(*) FROM prompt_versions").fetchall() == [(0,)]
