"""What DuckDB and the disk under it raise, as errors of errors.py."""

from __future__ import annotations

import re
from pathlib import Path

from grabient_assets.errors import WarehouseError, WarehouseLockedError, WarehouseReadOnlyError

ANOTHER_DATA_DIR = "set GRABIENT_DATA_DIR to another folder"
# Words of the operating system for a full disk, an exceeded quota, a file limit, a broken device.
_CANNOT_GROW = re.compile(
    r"No space left|File too large|quota exceeded|Input/output error|Could not (?:write|truncate|sync|fsync)"
    r"|fsync failed|failed to offload|max_temp_directory_size",
    re.IGNORECASE,
)


def is_lock(error: Exception) -> bool:
    """Whether another process has the file."""
    return "Could not set lock" in str(error) or "Conflicting lock" in str(error)


def holder(error: Exception) -> str:
    """The program and process that a lock error names, e.g. "/usr/bin/duckdb (process 4711)"."""
    found = re.search(r"held in (.+?) \(PID (\d+)\)", str(error))
    return f"{found[1]} (process {found[2]})" if found else "Another program"


def locked(path: Path, who: str, seconds: float) -> WarehouseLockedError:
    """Somebody did not let go in time."""
    return WarehouseLockedError(
        f"{who} has held {path} for {seconds:.0f} seconds. Close it there and try again; "
        "a shell opened with `duckdb -readonly` keeps writers out as well."
    )


def opening(error: Exception, path: Path) -> WarehouseError:
    """Why the file cannot be opened."""
    text = str(error)
    if re.search(r"Permission denied|Read-only file system|read-only mode", text, re.IGNORECASE):
        return WarehouseReadOnlyError(
            f"{path} cannot be written. Make the folder writable, or set GRABIENT_DATA_DIR to one that is."
        )
    if _CANNOT_GROW.search(text):
        return full(error, path)
    if re.search(r"newer version|storage version|version number", text, re.IGNORECASE):
        return WarehouseError(
            f"{path} was written by a newer DuckDB than the one installed. Run `make setup` to install the pinned "
            f"one, or {ANOTHER_DATA_DIR}. DuckDB says: {text.splitlines()[0]}"
        )
    return WarehouseError(
        f"{path} cannot be opened as a DuckDB file. Move it away to start empty, or {ANOTHER_DATA_DIR}. "
        f"DuckDB says: {text.splitlines()[0]}"
    )


def using(error: Exception, path: Path) -> WarehouseError | None:
    """Why an open file cannot be read or written; None when the disk has no part in it (a mistake of ours)."""
    return full(error, path) if _CANNOT_GROW.search(str(error)) else None


def full(error: Exception, path: Path) -> WarehouseError:
    """The disk takes no more."""
    return WarehouseError(
        f"{path} cannot be written: {str(error).splitlines()[0]}. Nothing of this step was stored. Free space on the "
        "disk, then run again: it goes on where it stopped."
    )
