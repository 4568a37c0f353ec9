"""Dagster's SQLite storages of runs and of sensor ticks, opened without reading Dagster's migrations.

Dagster's code server opens its instance anew for every tick of every sensor. Each time the two storages read and
compile all migration scripts, to find out that there is nothing to do. That was two thirds of the CPU of the code
server of an idle `dagster dev`. A file that says its revision needs none of it: Dagster migrates nothing here, `dagster
instance migrate` does.

The classes need private modules of Dagster: the imports below and the methods in RELIES_ON.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._serdes import ConfigurableClassData

_METHODS = {"__init__": ("self", "conn_string", "inst_data"), "from_local": ("base_dir", "inst_data")}

RELIES_ON: dict[type, dict[str, tuple[str, ...]]] = {SqliteRunStorage: _METHODS, SqliteScheduleStorage: _METHODS}
"""Methods that are called or replaced here, with their parameters in Dagster 1.13."""


class QuickRunStorage(SqliteRunStorage):
    """Dagster's own storage of runs."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> SqliteRunStorage:
        """The storage over `base_dir`."""
        return cls.from_local(config_value["base_dir"], inst_data)

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> QuickRunStorage:
        """The storage over the file in this folder, which is made when it is not there."""
        if has_tables(Path(base_dir, "runs.db"), "runs", "instance_info"):
            return cls(create_db_conn_string(base_dir, "runs"), inst_data)
        return super().from_local(base_dir, inst_data)


class QuickScheduleStorage(SqliteScheduleStorage):
    """Dagster's own storage of schedules, sensors and their ticks."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> SqliteScheduleStorage:
        """The storage over `base_dir`."""
        return cls.from_local(config_value["base_dir"], inst_data)

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> SqliteScheduleStorage:
        """The storage over the file in this folder, which is made when it is not there."""
        if has_tables(Path(base_dir, "schedules.db"), "job_ticks"):
            return cls(create_db_conn_string(base_dir, "schedules"), inst_data)
        return super().from_local(base_dir, inst_data)


def has_tables(file: Path, *tables: str) -> bool:
    """Whether the file says its revision and has these tables. False where it cannot be read: Dagster's own way of
    opening it then says why."""
    if not file.exists():
        return False
    try:
        with closing(sqlite3.connect(file, timeout=SQLITE_BUSY_TIMEOUT_SECONDS)) as connection:
            found = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not found.issuperset({"alembic_version", *tables}):
                return False
            return connection.execute("SELECT 1 FROM alembic_version").fetchone() is not None
    except sqlite3.Error:
        return False
