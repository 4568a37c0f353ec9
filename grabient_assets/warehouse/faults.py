"""The errors of DuckDB and the file system under it, as errors of errors.py.

Every cause has a sentence of its own, with a way out that loses nothing: the file is the only record of what was paid
for. The patterns are the messages of DuckDB 1.5 and of the operating system.
"""

from __future__ import annotations

import glob
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from grabient_assets.errors import WarehouseError, WarehouseLockedError, WarehouseReadOnlyError, WarehouseTooNewError

ELSEWHERE = "copy the whole data folder to a place that can be written and set GRABIENT_DATA_DIR to the copy"
NAMED_AT_MOST = 5
ARCHIVED = "The requests and answers of every batch also lie in the object store, below batches/."


@dataclass(frozen=True, slots=True)
class _Cause:
    """One reason why a file is not opened, read or written.

    `pattern` matches the message of DuckDB or of the system. The sentence may name the database {file}, its {log}, that
    {text}, the command that puts the log {aside}, what the file {looks} like, and where a whole copy may be ({back},
    {archived}, {elsewhere}).
    """

    pattern: re.Pattern[str]
    sentence: str
    error: type[WarehouseError] = WarehouseError


def _cause(pattern: str, sentence: str, error: type[WarehouseError] = WarehouseError) -> _Cause:
    return _Cause(re.compile(pattern, re.IGNORECASE | re.DOTALL), sentence, error)


FOREIGN_LOG = (
    "{log} is the log of another database, not of {file}; DuckDB would take its rows in. Nothing was changed. Move it "
    "back beside its own database, or keep it under another name ({aside}). Then run again: {file} is whole without it."
)
DAMAGED_LOG = (
    "{log} is damaged: {text}. It holds what was stored since {file} was closed the last time; {file} itself is whole. "
    "Nothing was changed. Copy both files. Put back a copy of the log if there is one; otherwise move it aside "
    "({aside}) and run again. What only this log held is lost then: look in the consoles of the providers for batches "
    "of that time, because the ledger does not know them and would send them again."
)

# The order matters. The log comes before the database: DuckDB names both when it cannot read the log.
_CAUSES = (
    _cause(
        r"Too many open files",
        "{file} cannot be opened: this process has too many files open. Nothing was changed. Raise the limit "
        "(`ulimit -n 4096`), then run again.",
    ),
    _cause(
        r"Out of Memory|Cannot allocate memory|bad.alloc|failed to (?:allocate|pin) |memory_limit=",
        "There is not enough memory to work with {file}: {text}. Nothing of this step was stored. Close other programs "
        "or take a machine with more memory, then run again: it goes on where it stopped.",
    ),
    _cause(
        r"Read-only file system|read-only mode",
        "{file} cannot be written: its file system is mounted read-only. Nothing was changed. Mount it for writing. "
        "Where the kernel did this after a disk error (`dmesg` says so), {elsewhere}.",
        WarehouseReadOnlyError,
    ),
    _cause(
        r"\.wal\"?'?: (?:Permission denied|Operation not permitted)",
        "{log} may not be read and written by this user. Nothing was changed. Do not remove it: it holds what is not "
        "in {file} yet. Give it and its folder the owner and permissions of the database (`chown`, `chmod`), then run "
        "again.",
        WarehouseReadOnlyError,
    ),
    _cause(
        r"Permission denied",
        "{file} may not be read and written by this user. Nothing was changed. Make the file and its folder writable "
        "(`chown`, `chmod`), or {elsewhere}.",
        WarehouseReadOnlyError,
    ),
    _cause(
        r"Operation not permitted",
        "{file} cannot be written: the system permits it to nobody. Nothing was changed. `lsattr` shows whether it is "
        "immutable (`chattr -i` ends that); or {elsewhere}.",
        WarehouseReadOnlyError,
    ),
    _cause(
        r"Input/output error",
        "The disk under {file} does not work: {text}. Nothing of this step was stored. Look at `dmesg`, and "
        "{elsewhere}.",
    ),
    _cause(
        r"No space left|File too large|quota exceeded|Could not (?:write|truncate|sync|fsync)|fsync failed"
        r"|failed to offload|max_temp_directory_size",
        "{file} cannot be written: {text}. Nothing of this step was stored. Free space on the disk, then run again: it "
        "goes on where it stopped.",
    ),
    _cause(
        r"\.wal\"?'?: Is a directory",
        "{log} is a folder, where the log of {file} belongs. Nothing was changed. Move the folder away, then run "
        "again.",
    ),
    _cause(
        r"Is a directory",
        "{file} is a folder, where the database belongs. Nothing was changed. Move the folder away and put the "
        "database back under this name, or set GRABIENT_DATA_DIR to the folder that holds it.",
    ),
    _cause(
        r"Too many levels of symbolic links",
        "{file} is a link that leads back to itself. Nothing was changed. Put the database, or a link to it, under "
        "this name.",
    ),
    _cause(
        r"File name too long",
        "The path {file} is too long for this file system. Set GRABIENT_DATA_DIR to a shorter one.",
    ),
    _cause(
        r"Not a directory",
        "A part of the path {file} is a file, where a folder belongs. Set GRABIENT_DATA_DIR to a folder.",
    ),
    _cause(
        r"Failed to read WAL of version",
        "{log} was written by a newer DuckDB than the one installed: {text}. Nothing was changed. Update the program "
        "(`git pull`, `make setup`), then run again.",
        WarehouseTooNewError,
    ),
    _cause(r"WAL does not match database", FOREIGN_LOG),
    _cause(
        r"WAL was created for an older version",
        "{log} belongs to an earlier state of {file}, which was written and closed since. Nothing was changed. Keep "
        "the log under another name ({aside}), then run again: {file} is newer than it.",
    ),
    _cause(
        r"WAL was created for a newer version",
        "{file} is older than its log {log}: perhaps a backup was put back beside it. Nothing was changed. Put back "
        "the database that the log belongs to. To go on from the older one, keep the log under another name ({aside}): "
        "what was stored since that backup is not in it, and would be sent again.",
    ),
    _cause(r"replaying (?:checkpoint )?WAL|Corrupt (?:Encrypted )?WAL|WAL entry", DAMAGED_LOG),
    _cause(
        r"encrypted database|is encrypted",
        "{file} is an encrypted database. This program makes none and has no key. Nothing was changed. Put the right "
        "file back. To use this one, ATTACH it with its key in a `duckdb` shell and COPY FROM DATABASE into a new "
        "file.",
    ),
    _cause(
        r"newer version of DuckDB|storage version greater",
        "{file} was written by a newer DuckDB than the one installed. Nothing was changed. Update the program "
        "(`git pull`, `make setup`), then run again. DuckDB says: {text}.",
        WarehouseTooNewError,
    ),
    _cause(
        r"can only read versions|compiled vector size",
        "{file} was written by an older or differently built DuckDB, which the installed one cannot read. Nothing was "
        "changed. Open it with that one, EXPORT DATABASE, and IMPORT DATABASE with this one. DuckDB says: {text}.",
    ),
    _cause(
        r"not a valid DuckDB database",
        "{file} is not a DuckDB database{looks}. Nothing was changed. Put the database back under this name, or set "
        "GRABIENT_DATA_DIR to the folder that holds it. {back}",
    ),
    _cause(
        r"Could not read enough bytes|reached the end of the file",
        "{file} is cut short: {text}. Perhaps a copy of it was not finished. Keep it as it is, with its log. {back} "
        "{archived}",
    ),
    _cause(
        r"Corrupt database file|Corrupted|computed checksum|Data corruption|appears to be corrupted",
        "{file} is damaged: {text}. Keep it as it is, with its log; what can still be read, `duckdb -readonly` shows. "
        "{back} {archived}",
    ),
    _cause(
        r"database does not exist|No such file or directory",
        "{file} or its folder is not there any more. Put it back, or run again to begin with an empty one.",
    ),
)


def is_lock(error: Exception) -> bool:
    """Whether another process has the file."""
    return "Could not set lock" in str(error) or "Conflicting lock" in str(error)


def holder(error: Exception) -> str:
    """The program and process that a lock error names, e.g. "/usr/bin/duckdb (process 4711)"."""
    found = re.search(r"held in (.+?) \(PID (\d+)\)", str(error))
    return f"{found[1]} (process {found[2]})" if found else "Another program"


def locked(path: Path, who: str, seconds: float) -> WarehouseLockedError:
    """The other program did not release the file in time."""
    return WarehouseLockedError(
        f"{who} has held {path} for {seconds:.0f} seconds. Close it there and try again; "
        "a shell opened with `duckdb -readonly` keeps writers out as well."
    )


def opening(error: Exception, path: Path) -> WarehouseError:
    """Why the file cannot be opened."""
    return using(error, path) or WarehouseError(
        f"{path} cannot be opened. Nothing was changed. Keep it as it is, with its log {log_of(path).name}. "
        f"{_way_back(path)} DuckDB says: {_first_line(error)}."
    )


def is_about(error: Exception, path: Path) -> bool:
    """Whether the error names this database or its log, or no file: a statement may write to another one."""
    files = [name for name in re.findall(r'"([^"]+)"', str(error)) if "/" in name]
    return not files or any(name.startswith(str(path)) for name in files)


def using(error: Exception, path: Path) -> WarehouseError | None:
    """Why a file cannot be read or written; None when neither the file nor the disk is the cause (a bug of ours)."""
    text = str(error)
    cause = next((cause for cause in _CAUSES if cause.pattern.search(text)), None)
    return None if cause is None else cause.error(_filled(cause.sentence, path, _first_line(error)))


def foreign_database(path: Path, tables: Sequence[str]) -> WarehouseError:
    """A DuckDB file that another program made, with these tables."""
    named = ", ".join(tables[:NAMED_AT_MOST]) + (", ..." if len(tables) > NAMED_AT_MOST else "")
    return WarehouseError(
        f"{path} is a DuckDB database of another program: it holds {named}, and no list of our migrations. Nothing was "
        f"changed. Move it away and put the database back under this name, or set GRABIENT_DATA_DIR to another folder. "
        f"{_way_back(path)}"
    )


def incomplete(path: Path, lacking: Sequence[str]) -> WarehouseError:
    """The database lacks these tables and columns of ours."""
    named = ", ".join(lacking[:NAMED_AT_MOST]) + (", ..." if len(lacking) > NAMED_AT_MOST else "")
    return WarehouseError(
        f"{path} lacks {named}, which this program keeps there. Somebody has changed it, or a copy of it is not whole. "
        f"Nothing of this step was stored. Keep it as it is. {_way_back(path)} {ARCHIVED}"
    )


def damaged_log(path: Path, what: str) -> WarehouseError:
    """The log beside the database was not written by DuckDB; `what` describes the damage."""
    return WarehouseError(_filled(DAMAGED_LOG, path, what))


def foreign_log(path: Path) -> WarehouseError:
    """The log beside the database belongs to another one."""
    return WarehouseError(_filled(FOREIGN_LOG, path, ""))


def orphaned_log(path: Path) -> WarehouseError:
    """A log whose database is missing."""
    return WarehouseError(
        _filled(
            "{log} is left of a database, but {file} is not there. No new one is made beside it: DuckDB would take the "
            "old rows in. Put the database back. {back} To begin with an empty one, first keep the log under another "
            "name ({aside}).",
            path,
            "",
        )
    )


def dangling_link(path: Path) -> WarehouseError:
    """The path is a link whose target is missing: a disk that is not mounted, or a file that was moved."""
    return WarehouseError(
        f"{path} is a link to {path.readlink()}, which is not there. Nothing was changed, and no new database is made "
        "in its place. Mount the disk or put back what it leads to; or remove the link and begin with an empty one."
    )


def no_folder(part: Path) -> WarehouseError:
    """A part of the path of the database is a file."""
    return WarehouseError(
        f"{part} is a file, where the data folder or one above it belongs. Nothing was changed. Move it away, or set "
        "GRABIENT_DATA_DIR to a folder."
    )


def special_file(path: Path) -> WarehouseError:
    """The path of the database, or of its log, is a pipe, a socket or a device."""
    return WarehouseError(
        f"{path} is a pipe, a socket or a device, where a file of the database belongs. Nothing was changed. Move it "
        "away, and put the file back if there was one."
    )


def log_elsewhere(log: Path) -> WarehouseError:
    """The log is a link whose target is missing."""
    return WarehouseError(
        f"{log} is a link to {log.readlink()}, which is not there. Nothing was changed. If it lies on another disk, "
        "mount that: the log holds what is not in the database yet. If there is none, remove the link."
    )


def log_of(path: Path) -> Path:
    """DuckDB's write-ahead log of the file."""
    return path.with_name(f"{path.name}.wal")


def _filled(sentence: str, path: Path, text: str) -> str:
    log = log_of(path)
    return sentence.format(
        file=path,
        log=log,
        text=text,
        aside=f"`mv {shlex.quote(str(log))} {shlex.quote(f'{log}.aside')}`",
        looks=_looks(path),
        back=_way_back(path),
        archived=ARCHIVED,
        elsewhere=ELSEWHERE,
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".! ") or type(error).__name__


def _looks(path: Path) -> str:
    """The kind of file that a non-database seems to be."""
    kinds = {b"SQLite format 3": "a SQLite database", b"PAR1": "a Parquet file", b"PK\x03\x04": "a zip archive"}
    try:
        with path.open("rb") as file:
            begin = file.read(16)
    except OSError:
        return ""
    if not begin:
        return ": it is empty (0 bytes)"
    return next((f" but {kind}" for magic, kind in kinds.items() if begin.startswith(magic)), "")


def _way_back(path: Path) -> str:
    """Where a complete copy may be."""
    copies: list[Path] = []
    with suppress(OSError):  # the folder cannot be read either
        copies = sorted(path.parent.glob(f"{glob.escape(path.name)}.before-[0-9]*"))
    if not copies:
        return "Look for it in your backups."
    return f"Look for it in your backups; {copies[-1]} is a copy from before a change of its tables."
