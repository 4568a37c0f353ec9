"""A file of the first version, with rows in every table, met by the present program."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest

from grabient_assets import interrupts
from grabient_assets.errors import WarehouseError
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.migrations import SQL, current_version, migrate, newest_version
from grabient_assets_tests.ledger.disks import small_disk

FIRST = "0001_pipeline.sql"
RENAMED = {("asks", "seed"): "subject", ("batch_requests", "seed"): "subject"}
"""What columns of the first version are called now."""
VALUES = {
    "VARCHAR": "'a word'",
    "INTEGER": "7",
    "BIGINT": "7",
    "SMALLINT": "7",
    "DOUBLE": "0.5",
    "BOOLEAN": "true",
    "DATE": "DATE '2026-11-20'",
    "JSON": "'{}'",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '2026-11-20 12:00:00+00'",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "grabient.duckdb"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A folder with the first step alone."""
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / FIRST).write_text((SQL / FIRST).read_text(encoding="utf-8"))
    return folder


def value(column_type: str) -> str:
    """Some value of the type, in SQL."""
    if listed := re.fullmatch(r"(.+)\[(\d*)\]", column_type):
        return f"[{', '.join([value(listed[1])] * int(listed[2] or 1))}]"
    return "1.25" if column_type.startswith("DECIMAL") else VALUES[column_type]


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, but not the schema's own list."""
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        found: dict[str, list[dict[str, Any]]] = {}
        for table in sorted(set(tables) - {"schema_migrations"}):
            result = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in result.description]
            found[table] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    return found


@pytest.fixture
def older(path: Path, first: Path) -> dict[str, list[dict[str, Any]]]:
    """What the file at `path` holds: one row in each table of the first version."""
    with duckdb.connect(str(path)) as connection:
        migrate(connection, path, first)
        columns = connection.execute(
            "SELECT table_name, list(data_type ORDER BY column_index) FROM duckdb_columns() "
            "WHERE NOT internal AND table_name <> 'schema_migrations' GROUP BY 1"
        ).fetchall()
        for table, types in columns:
            connection.execute(f"INSERT INTO {table} VALUES ({', '.join(value(one) for one in types)})")
    found = contents(path)
    assert len(found) == 10 and all(len(rows) == 1 for rows in found.values())
    return found


def check_kept(older: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Every value of before is there, in the file and in its backup."""
    now = contents(path)
    for table, rows in older.items():
        kept = [
            {name: row[RENAMED.get((table, name), name)] for name in old}
            for row, old in zip(now[table], rows, strict=True)
        ]
        assert kept == rows
    copy = path.with_name("grabient.duckdb.before-0002")
    assert contents(copy) == older
    with duckdb.connect(str(copy), read_only=True) as connection:
        assert current_version(connection) == 1


@pytest.mark.parametrize("use", ["read", "write"])
def test_every_row_is_kept_and_the_backup_can_be_read(
    use: str, path: Path, older: dict[str, list[dict[str, Any]]]
) -> None:
    with getattr(Warehouse(path), use)() as connection:
        assert current_version(connection) == newest_version()
    check_kept(older, path)
    now = contents(path)
    assert now["batches"][0]["error_kind"] is None
    assert now["ledger_clock"] == [{"latest": older["asks"][0]["asked_at"]}], "the newest time of the old rows"
    assert not list(path.parent.glob("*.partial"))


@pytest.mark.parametrize(("outcome", "by_us"), [("cancelled", True), ("expired", False)])
def test_what_was_cancelled_before_it_was_noted_who_did_stays_unasked(
    outcome: str, by_us: bool, path: Path, older: dict[str, list[dict[str, Any]]]
) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE batches SET outcome = ?", [outcome])
    with Warehouse(path).read():
        pass
    [batch] = contents(path)["batches"]
    assert batch["cancel_asked_at"] == (older["batches"][0]["collected_at"] if by_us else None)


@pytest.mark.usefixtures("older")
def test_nobody_gets_in_while_the_file_is_changed(path: Path) -> None:
    code = f"import duckdb; duckdb.connect({str(path)!r})"
    with Warehouse(path).write() as connection:
        assert current_version(connection) == newest_version()
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "Could not set lock" in other.stderr


def test_killed_in_the_middle_of_a_schema_change(
    path: Path, older: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    halting = tmp_path / "halting"
    halting.mkdir()
    for step in SQL.iterdir():
        text = step.read_text(encoding="utf-8") if step.name.endswith(".sql") else ""
        halt = "; SELECT halt()" if step.name.startswith("0002") else ""
        (halting / step.name).write_text(text + halt) if text else None
    command = [sys.executable, "-m", "grabient_assets_tests.warehouse.halted", str(path), str(halting)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as migrating:
        assert migrating.stdout and migrating.stdout.readline() == "halted\n"
        migrating.kill()
    with Warehouse(path).read() as connection:
        assert current_version(connection) == newest_version()
    check_kept(older, path)


def test_stopped_while_the_backup_is_written(path: Path, older: dict[str, list[dict[str, Any]]]) -> None:
    partial = path.with_name("grabient.duckdb.before-0002.partial")
    os.mkfifo(partial)  # nobody reads it, so `cp` waits
    threading.Timer(0.3, interrupts.record, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt), interrupts.heeded(), Warehouse(path).read():
        pass
    assert not partial.exists() and contents(path) == older
    with Warehouse(path).read() as connection:
        assert current_version(connection) == newest_version()


def test_without_a_backup_nothing_is_changed(path: Path, older: dict[str, list[dict[str, Any]]]) -> None:
    path.with_name("grabient.duckdb.before-0002").mkdir()  # where the copy belongs
    said = r"its backup grabient.duckdb.before-0002 cannot be written \(.+\)\. Nothing was changed\. Move the folder"
    with pytest.raises(WarehouseError, match=said), Warehouse(path).read():
        pass
    assert contents(path) == older
    assert not list(path.parent.glob("*.partial"))


@pytest.mark.usefixtures("older")
def test_a_backup_has_the_way_out_of_its_cause(path: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        small = Path(shutil.copy(path, disk.folder / path.name))
        before = small.read_bytes()
        disk.fill()
        said = r"backup .* cannot be written \(.*No space left.*\)\. Nothing was changed\. Free space on the disk"
        with pytest.raises(WarehouseError, match=said), Warehouse(small).read():
            pass
        assert small.read_bytes() == before
