"""The Dagster instance that belongs to the data folder."""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from grabient_assets import interrupts
from grabient_assets.errors import GrabientError, SettingsError
from grabient_assets.places import SHIPPED_DIR
from grabient_assets.resources.records import postgres_records, records_in_files
from grabient_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

LOCK_PAUSE_SECONDS = 0.05


_OPENED_FIRST = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of runs, events and partitions that `dagster dev` on the same data folder shows.

    The folder is made when it is not there, and named to Dagster. One that the owner names with DAGSTER_HOME keeps its
    own dagster.yaml, and so does one whose dagster.yaml says where the records are stored. Raises SettingsError when
    the folder cannot be written, or dagster.yaml cannot be used as it is; GrabientError when the disk is full, a file
    of the records is damaged, or their database cannot be used.
    """
    home = settings.dagster_home
    if not records_in_files(home):
        if (records := postgres_records(home)) is not None:
            records.make_tables()
            records.check_tables()
        return _opened(home)
    if damaged := damaged_records(home, thoroughly=False):
        raise GrabientError(damaged)
    try:
        with _one_at_a_time(home):
            _remove_empty(home)
            _put_configuration(home, ours=settings.data_dir / "dagster" == home)
            return _opened(home)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise GrabientError(
                f"Dagster's records in {home} cannot be written: the disk is full. Free space on it, then run again: "
                "what was sent and answered is in the ledger, and nothing of it is lost."
            ) from error
        raise SettingsError(
            f"The Dagster folder {home} cannot be written ({error.strerror}). Make it writable, or set "
            "GRABIENT_DATA_DIR to a folder that is."
        ) from error


def _opened(home: Path) -> dg.DagsterInstance:
    import dagster as dg

    os.environ["DAGSTER_HOME"] = str(home)
    return dg.DagsterInstance.get()


def damaged_records(home: Path, *, thoroughly: bool = True) -> str | None:
    """The sentence about the first file of Dagster's records that SQLite cannot read; None when all can be read, or
    the records are not in files.

    Thoroughly, every page is read, which takes seconds for a long history; otherwise the beginning of the files that
    every process opens.
    """
    import sqlite3

    if not records_in_files(home):
        return None
    files = sorted(home.rglob("*.db")) if thoroughly else [home / name for name in _OPENED_FIRST]
    for file in files:
        if not file.is_file() or not file.stat().st_size:
            continue
        try:
            connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
            try:
                [result] = connection.execute("PRAGMA quick_check(1)").fetchone() if thoroughly else ["ok"]
                connection.execute("SELECT * FROM sqlite_master").fetchall()
                connection.execute("SELECT * FROM alembic_version").fetchall()
            finally:
                connection.close()
        except sqlite3.OperationalError:  # locked, or written for the first time just now
            continue
        except sqlite3.DatabaseError as error:
            result = str(error)
        if result != "ok":
            return (
                f"{file} is damaged ({result}). It holds what Dagster's UI shows of past runs; what was sent, paid for "
                f"and answered is in the ledger, and nothing of it is lost. Move {home} aside "
                f"(`mv {shlex.quote(str(home))} {shlex.quote(f'{home}.damaged')}`) and load your palette files again, "
                "which makes a new one."
            )
    return None


def _remove_empty(home: Path) -> None:
    """Remove files of Dagster without a byte, as a crash leaves them: it takes them for complete and finds no table.

    Nobody makes one meanwhile: that is done one at a time. A log beside it is of no use either: SQLite removes the log
    of an empty file.
    """
    for file in (home / name for name in _OPENED_FIRST):
        if file.is_file() and not file.stat().st_size:
            file.unlink()
            for end in ("-wal", "-shm", "-journal"):
                file.with_name(f"{file.name}{end}").unlink(missing_ok=True)


@contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    """Dagster makes its SQLite tables on the first opening and does not expect company: of four processes that opened
    one new folder at once, two ended with an error, some with two rows of schema version that no later start repairs
    (Dagster 1.13).
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "opening.lock").open("w") as lock:
        while not _locked(lock):
            interrupts.sleep(LOCK_PAUSE_SECONDS)
        yield


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _put_configuration(home: Path, *, ours: bool) -> None:
    template = (SHIPPED_DIR / "dagster.yaml").read_text(encoding="utf-8")
    config = home / "dagster.yaml"
    if not config.exists() or (ours and config.read_text(encoding="utf-8") != template):
        config.write_text(template, encoding="utf-8")
