"""A file of the first version, with rows in every table, met by the present program."""

from __future__ import annotations

import os
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
from grabient_assets_tests.warehouse.contents import contents, value

FIRST = "0001_pipeline.sql"
RENAMED = {("asks", "seed"): "subject", ("batch_requests", "seed"): "subject"}
"""What columns of the first version are called now."""


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
