"""A whole warehouse copied from a file to PostgreSQL and back: what is checked, refused, kept and gone on with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest

from grabient_assets.errors import (
    UnfinishedCopyError,
    UsageError,
    WarehouseError,
    WarehouseLockedError,
    WarehouseTooNewError,
)
from grabient_assets.postgres_settings import parse_postgres
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.copied_values import tables
from grabient_assets.warehouse.copying import Copied, copy_warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout
from grabient_assets.warehouse.migrations import SQL, UNFINISHED, current_version, migrate
from grabient_assets_tests.postgres import Server, postgres
from grabient_assets_tests.warehouse.contents import contents, value
from grabient_assets_tests.warehouse.holding import held

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NAMES = sorted(set(tables()) - {"ledger_clock"})


class Stopped(Exception):
    """Stands for whatever ends a copy."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as running:
        yield running


@pytest.fixture
def there(server: Server, tmp_path: Path) -> Warehouse:
    """An empty database."""
    address = parse_postgres(server.create_database(f"c{uuid4().hex}"), "here", server.password)
    return Warehouse(address, LockTimeout(1), folder=tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a row in every table."""
    return fill(tmp_path / "grabient.duckdb")


def database(there: Warehouse) -> str:
    assert there.database is not None
    return there.database.address.database


def fill(path: Path, word: str = "a word") -> Path:
    with Warehouse(path).write() as connection:
        for table in NAMES:
            values = ", ".join(value(kind) for _, kind in tables()[table]).replace("'a word'", f"'{word}'")
            connection.execute(f"INSERT INTO {table} VALUES ({values})")
    return path


def copy(source: Path | Warehouse, target: Path | Warehouse, *, replace: bool = False, stop_at: str = "") -> Copied:
    def tell(said: str) -> None:
        if stop_at and said.startswith(f"{stop_at}:"):
            raise Stopped

    here, there = (Warehouse(one) if isinstance(one, Path) else one for one in (source, target))
    return copy_warehouse(here, there, NOW, tell, replace=replace)


def test_every_table_comes_there_and_back(file: Path, there: Warehouse, server: Server, tmp_path: Path) -> None:
    before = contents(file)
    done = copy(file, there)
    assert {one.table for one in done.tables} == {*NAMES, "ledger_clock"} and done.rows == len(NAMES) + 1
    assert all(one.written and one.source == one.target for one in done.tables if one.table != "ledger_clock")
    assert int(server.psql("SELECT count(*) FROM batches", database(there))) == 1
    second = Warehouse(parse_postgres(server.create_database(f"c{uuid4().hex}"), "b", server.password), folder=tmp_path)
    copy(there, second)
    copy(second, tmp_path / "back.duckdb")
    copy(tmp_path / "back.duckdb", tmp_path / "again.duckdb")
    assert contents(tmp_path / "again.duckdb") == contents(tmp_path / "back.duckdb") == before == contents(file)
    with duckdb.connect(str(tmp_path / "again.duckdb")) as connection:
        views = "SELECT count(*) FROM duckdb_views() WHERE NOT internal"
        assert connection.execute(views).fetchone() != (0,), "the program's views are there"


def test_a_copy_that_stopped_goes_on_and_nobody_works_with_it_before(
    file: Path, there: Warehouse, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        copy(file, there, stop_at="batches")
    for use in (there.read, there.write):
        with pytest.raises(UnfinishedCopyError, match="a copy that is not finished"), use():
            pass
    other = fill(tmp_path / "other.duckdb")
    with pytest.raises(UsageError, match=f"an unfinished copy of {file}, not of {other}"):
        copy(other, there)
    done = copy(file, there)
    assert {one.table for one in done.tables if not one.written} >= {"asks", "artworks", "batches"}
    assert {one.table for one in done.tables if one.written} >= {"palettes", "texts"}
    with there.write() as connection:
        assert connection.execute("SELECT count(*) FROM palettes").fetchall() == [(1,)]


def test_a_file_that_is_filled_is_left_alone_until_it_is_whole(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.duckdb"
    with pytest.raises(Stopped):
        copy(file, target, stop_at="batches")
    for use in (Warehouse(target).read, Warehouse(target).write):
        with pytest.raises(UnfinishedCopyError, match=f"{target} is a copy that is not finished"), use():
            pass
    copy(file, target)
    assert contents(target) == contents(file)


def test_a_source_that_changed_while_a_copy_was_stopped_is_copied_as_it_is_now(file: Path, there: Warehouse) -> None:
    with pytest.raises(Stopped):
        copy(file, there, stop_at="batches")
    with Warehouse(file).write() as connection:
        connection.execute("UPDATE artworks SET model = 'another'")
    copy(file, there)
    with there.read() as connection:
        assert connection.execute("SELECT model FROM artworks").fetchall() == [("another",)]


def test_a_value_that_changes_on_the_way_is_noticed(file: Path, there: Warehouse, server: Server) -> None:
    with there.write():
        pass
    server.psql(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.model := upper(NEW.model); "
        "RETURN NEW; END $$; CREATE TRIGGER spoil BEFORE INSERT ON asks FOR EACH ROW EXECUTE FUNCTION spoil()",
        database(there),
    )
    with pytest.raises(WarehouseError, match=r"asks is not the same after copying: 1 rows, [0-9a-f]{32} in .*/grab"):
        copy(file, there)
    with pytest.raises(UnfinishedCopyError), there.read():
        pass


def test_equal_sides_are_compared_and_nothing_is_written(file: Path, there: Warehouse) -> None:
    copy(file, there)
    assert not any(one.written for one in copy(file, there).tables)


def test_rows_of_a_database_are_kept_in_a_file_before_they_go(file: Path, there: Warehouse, tmp_path: Path) -> None:
    first = fill(tmp_path / "first.duckdb", "another word")
    copy(first, there)
    with pytest.raises(UsageError, match=r"holds rows already, in 62 tables: artist_.*--replace"):
        copy(file, there)
    copy(there, tmp_path / "still.duckdb")
    assert contents(tmp_path / "still.duckdb") == contents(first)
    done = copy(file, there, replace=True)
    assert done.backup is not None and contents(done.backup) == contents(first)
    copy(there, tmp_path / "now.duckdb")
    assert contents(tmp_path / "now.duckdb") == contents(file)


def test_a_file_is_kept_under_another_name_before_it_is_replaced(file: Path, tmp_path: Path) -> None:
    target = fill(tmp_path / "target.duckdb", "another word")
    before = contents(target)
    with pytest.raises(UsageError, match="holds rows already"):
        copy(file, target)
    assert contents(target) == before
    done = copy(file, target, replace=True)
    assert done.backup == tmp_path / "target.duckdb.before-copy-20261120T120000"
    assert done.backup and contents(done.backup) == before and contents(target) == contents(file)


def test_nobody_writes_meanwhile(file: Path, there: Warehouse) -> None:
    tried: list[str] = []

    def tell(_: str) -> None:
        if tried:
            return
        with pytest.raises(WarehouseLockedError, match=r"grabient on .* has held postgresql://"), there.write():
            pass
        command = [sys.executable, "-c", f"import duckdb; duckdb.connect({str(file)!r})"]
        tried.append(subprocess.run(command, capture_output=True, text=True, check=False).stderr)

    copy_warehouse(Warehouse(file), there, NOW, tell)
    assert "Could not set lock" in tried[0]


def test_a_file_that_somebody_writes_is_waited_for(file: Path, there: Warehouse) -> None:
    with held(file, "hold"), pytest.raises(WarehouseLockedError, match=f"has held {file} for"):
        copy_warehouse(Warehouse(file, LockTimeout(0.1)), there, NOW, lambda _: None)


def test_an_older_file_is_brought_up_to_date_with_a_backup(tmp_path: Path, there: Warehouse) -> None:
    first, path = tmp_path / "steps", tmp_path / "old.duckdb"
    first.mkdir()
    (first / "0001_pipeline.sql").write_text((SQL / "0001_pipeline.sql").read_text(encoding="utf-8"))
    with duckdb.connect(str(path)) as connection:
        migrate(connection, path, first)
        kind = "SELECT data_type FROM duckdb_columns() WHERE table_name = 'palettes' ORDER BY column_index"
        types = [row[0] for row in connection.execute(kind).fetchall()]
        connection.execute(f"INSERT INTO palettes VALUES ({', '.join(map(value, types))})")
    copy(path, there)
    with there.read() as connection:
        assert connection.execute("SELECT seed, hex FROM palettes").fetchall() == [("a word", ("a word",) * 11)]
    with duckdb.connect(f"{path}.before-0002", read_only=True) as connection:
        assert current_version(connection) == 1


def test_what_cannot_be_a_source_or_a_target(file: Path, there: Warehouse, server: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.duckdb holds no tables of this program"):
        copy(tmp_path / "nothing.duckdb", there)
    assert not (tmp_path / "nothing.duckdb").exists()
    with pytest.raises(UsageError, match="is named twice"):
        copy(file, tmp_path / "x" / ".." / file.name)
    with pytest.raises(UsageError, match="holds no tables of this program"):
        copy(there, tmp_path / "target.duckdb")
    copy(file, there)
    address = there.place
    same = parse_postgres(str(address).replace("127.0.0.1", "localhost"), "here", server.password)
    with pytest.raises(UsageError, match="is named twice"):
        copy(there, Warehouse(same, folder=tmp_path))
    foreign = parse_postgres(server.create_database(f"c{uuid4().hex}"), "here", server.password)
    server.psql("CREATE TABLE orders (id int); INSERT INTO orders VALUES (7)", foreign.database)
    with pytest.raises(WarehouseError, match="a database of another program: it holds orders"):
        copy(file, Warehouse(foreign, folder=tmp_path), replace=True)
    assert server.psql("SELECT id FROM orders", foreign.database) == "7\n"
    server.psql("INSERT INTO schema_migrations VALUES (9000, 'x', now())", database(there))
    with pytest.raises(WarehouseTooNewError, match="at schema version 9000"):
        copy(file, there, replace=True)


def test_batches_that_nobody_has_confirmed_are_ended_first(file: Path, there: Warehouse, tmp_path: Path) -> None:
    with Warehouse(file).write() as connection:
        connection.execute("UPDATE batches SET status = 'intended'")
    with pytest.raises(UsageError, match=r"has 1 batch that no provider has confirmed yet.* `grabient run` ends them"):
        copy(file, there)
    with Warehouse(file).write() as connection:
        connection.execute("UPDATE batches SET status = 'collected'")
    copy(file, there)
    with there.write() as connection:
        connection.execute("UPDATE batches SET status = 'intended'")
    with pytest.raises(UsageError, match="has 1 batch that no provider"):
        copy(there, tmp_path / "target.duckdb")


def test_a_target_in_which_somebody_works_is_not_replaced(
    file: Path, there: Warehouse, server: Server, tmp_path: Path
) -> None:
    other = fill(tmp_path / "other.duckdb", "another word")
    copy(file, there)
    for begins, ends, reason in (
        ("UPDATE batches SET status = 'intended'", "UPDATE batches SET status = 'collected'", "has 1 batch that no"),
        (
            "INSERT INTO leases VALUES ('sending:x', 'somebody', now() + interval '1 hour')",
            "DELETE FROM leases",
            "Programs work in",
        ),
    ):
        server.psql(begins, database(there))
        with pytest.raises(UsageError, match=reason):
            copy(other, there, replace=True)
        server.psql(ends, database(there))
    assert server.psql("SELECT count(*) FROM direct_calls", database(there)) == "1\n"
    assert copy(other, there, replace=True).backup


def test_a_copy_that_stopped_before_the_first_row_can_be_replaced(file: Path, there: Warehouse, tmp_path: Path) -> None:
    with there.write() as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (?, 'another source', now())", [UNFINISHED])
    with pytest.raises(UsageError, match="is an unfinished copy of another source"):
        copy(file, there)
    assert copy(file, there, replace=True).backup is None
    with there.read() as connection:
        assert connection.execute("SELECT count(*) FROM batches").fetchall() == [(1,)]


def test_who_works_in_the_source_is_named_and_no_lease_is_copied(
    file: Path, there: Warehouse, server: Server, tmp_path: Path
) -> None:
    copy(file, there)
    server.psql("INSERT INTO leases VALUES ('a run', 'somebody', now() + interval '1 hour')", database(there))
    said: list[str] = []
    copy_warehouse(there, Warehouse(tmp_path / "target.duckdb"), NOW, said.append)
    assert said[0].startswith("Programs work in postgresql://") and "(1 lease)" in said[0]
    assert contents(tmp_path / "target.duckdb")["leases"] == []


def test_tables_of_others_are_named_and_not_copied(file: Path, there: Warehouse) -> None:
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE my_notes (a INTEGER)")
    said: list[str] = []
    copy_warehouse(Warehouse(file), there, NOW, said.append)
    assert any("also holds my_notes" in one for one in said)
