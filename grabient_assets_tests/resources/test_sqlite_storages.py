"""The storages of runs and ticks that open without reading Dagster's migrations."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import dagster as dg
import pytest
from alembic.script import ScriptDirectory
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage

from grabient_assets.resources.instance import unexpected
from grabient_assets.resources.sqlite_storages import RELIES_ON, QuickRunStorage, QuickScheduleStorage, has_tables
from grabient_assets_tests.resources.instances import STOCK, configure


def migrations_read(work: Callable[[], object]) -> int:
    """How often Dagster's migration scripts are read meanwhile."""
    reads = 0

    def look(frame: FrameType, event: str, _: Any) -> None:
        nonlocal reads
        reads += event == "call" and frame.f_code is ScriptDirectory.from_config.__func__.__code__

    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(None)
    return reads


def opened_as_for_a_tick(reference: dg.InstanceRef) -> list[str]:
    """The runs that the instance knows which a tick of a sensor opens."""
    with dg.DagsterInstance.from_ref(reference) as instance:
        return [run.run_id for run in instance.get_runs()]


def test_they_are_the_projects_and_rely_on_what_dagster_has(tmp_path: Path) -> None:
    with configure(tmp_path) as instance:
        assert isinstance(instance.run_storage, QuickRunStorage)
        assert isinstance(instance.schedule_storage, QuickScheduleStorage)
    assert unexpected(RELIES_ON) is None


def test_a_tick_reads_no_migrations(tmp_path: Path) -> None:
    with configure(tmp_path) as instance:
        run = instance.create_run_for_job(dg.job(name="one")(lambda: None))
        reference = instance.get_ref()
    assert opened_as_for_a_tick(reference) == [run.run_id]
    assert migrations_read(lambda: opened_as_for_a_tick(reference)) == 0

    (other := tmp_path / "stock").mkdir()
    with configure(other, STOCK) as instance:
        stock = instance.get_ref()
    assert migrations_read(lambda: opened_as_for_a_tick(stock)) == 2, "this is what Dagster's own do"


def test_the_file_of_another_run_reads_no_migrations(tmp_path: Path) -> None:
    def runs_twice(instance: dg.DagsterInstance) -> int:
        first, second = (instance.create_run_for_job(dg.job(name=name)(lambda: None)) for name in ("one", "two"))
        instance.report_engine_event("something", first)
        return migrations_read(lambda: instance.report_engine_event("something", second))

    (stock := tmp_path / "stock").mkdir()
    with configure(tmp_path) as ours, configure(stock, STOCK) as theirs:
        assert runs_twice(ours) == 0 < runs_twice(theirs)


@pytest.mark.parametrize("file", ["history/runs.db", "schedules/schedules.db", "history/runs/{run_id}.db"])
def test_the_files_are_as_dagsters_own(tmp_path: Path, file: str) -> None:
    def made(name: str, text: str | None) -> list[tuple[str, ...]]:
        (home := tmp_path / name).mkdir()
        with configure(home, text) as instance:
            run = instance.create_run_for_job(dg.job(name="one")(lambda: None))
            instance.report_engine_event("something", run)
        with closing(sqlite3.connect(home / file.format(run_id=run.run_id))) as connection:
            tables = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()
            return tables + connection.execute("SELECT * FROM alembic_version").fetchall()

    assert made("ours", None) == made("theirs", STOCK) != []


@pytest.mark.parametrize(
    "damage",
    ["DELETE FROM alembic_version", "DROP TABLE alembic_version", "DROP TABLE instance_info"],
)
def test_a_file_that_lacks_something_is_opened_as_dagster_does(tmp_path: Path, damage: str) -> None:
    SqliteRunStorage.from_local(str(tmp_path))
    file = tmp_path / "runs.db"
    assert has_tables(file, "runs", "instance_info")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(damage)
    assert not has_tables(file, "runs", "instance_info")
    assert QuickRunStorage.from_local(str(tmp_path)).get_runs() == []
    assert has_tables(file, "runs", "instance_info")


def test_what_is_no_database_is_dagsters_to_report(tmp_path: Path) -> None:
    (tmp_path / "schedules.db").write_bytes(b"no database" * 400)
    assert not has_tables(tmp_path / "schedules.db", "job_ticks") and not has_tables(tmp_path / "none.db")
    with pytest.raises(Exception, match="file is not a database"):
        QuickScheduleStorage.from_local(str(tmp_path))
    with pytest.raises(Exception, match="file is not a database"):
        SqliteScheduleStorage.from_local(str(tmp_path))
