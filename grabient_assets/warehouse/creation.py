"""Creating the DuckDB file. It appears under its name only when it is complete."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

from grabient_assets.errors import WarehouseReadOnlyError
from grabient_assets.warehouse import faults
from grabient_assets.warehouse.attaching import attach
from grabient_assets.warehouse.migrations import migrate
from grabient_assets.warehouse.write_ahead_log import STORAGE_VERSION


def is_there(path: Path) -> bool:
    """Whether there is a file to open. Raises WarehouseError where none may be created either.

    DuckDB would apply the leftover log of another file to a new one, and the target of a dangling link may lie on a
    disk that is not mounted.
    """
    try:
        for one in (path, faults.log_of(path)):
            if _is_special(one):
                raise faults.special_file(one)
        log = faults.log_of(path)
        if log.is_symlink() and not log.exists():
            raise faults.log_elsewhere(log)
        log_is_there = log.exists()  # asked before the log: the process that creates the file creates its log later
        if path.exists():
            return True
        for part in (path, *path.parents):
            if part.is_symlink() and not part.exists():
                raise faults.dangling_link(part)
            if part != path and part.exists() and not part.is_dir():
                raise faults.no_folder(part)
    except OSError as error:
        raise faults.opening(error, path) from error
    if log_is_there:
        raise faults.orphaned_log(path)
    return False


def _is_special(path: Path) -> bool:
    """Whether the path is a pipe, a socket or a device: opening it could block."""
    try:
        mode = path.stat().st_mode
    except OSError:  # missing, or a link in a circle: opening it reports so
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def create(path: Path) -> None:
    """Create an empty file with all tables, unless another process was first.

    DuckDB writes a new file piece by piece and cannot open one that was left half-written by a full disk or a kill.
    """
    _make_folder(path.parent)
    making = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        _fill(making, path)
        with suppress(FileExistsError):
            _put_in_place(making, path)
    finally:
        for rest in (making, faults.log_of(making)):
            with suppress(OSError):  # from a file system that accepts no writes
                rest.unlink(missing_ok=True)


def _fill(making: Path, path: Path) -> None:
    import duckdb

    try:
        made = attach(making, read_only=False, storage_version=STORAGE_VERSION)
        try:
            migrate(made.connection, making)
            made.connection.execute("CHECKPOINT")
        finally:
            made.close()
    except duckdb.Error as error:
        raise faults.opening(error, path) from error


def _put_in_place(making: Path, path: Path) -> None:
    """Move the file to its name, never over an existing one: another process may have just written it."""
    try:
        path.hardlink_to(making)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if not path.exists():
            making.rename(path)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WarehouseReadOnlyError(
            f"The data folder {folder} cannot be made ({error.strerror}). "
            "Set GRABIENT_DATA_DIR to a folder that can be written."
        ) from error
