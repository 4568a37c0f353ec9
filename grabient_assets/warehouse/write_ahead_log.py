"""DuckDB's write-ahead log. It lies beside the file from the first write until the file is closed cleanly.

DuckDB 1.5 treats a file with any other beginning as an empty log, and overwrites it with the next transaction. It also
replays the log of another database when one of the two carries no identity. Both cases are detected here, before DuckDB
opens them.
"""

from __future__ import annotations

import fcntl
import struct
from pathlib import Path

from grabient_assets.errors import WarehouseError
from grabient_assets.warehouse import faults

STORAGE_VERSION = "v1.4.0"
"""The storage version of new files. From this one on (DuckDB 1.4) a file has an identity, and its log names it."""

# The first entry names the version of the log; its next field, if there is one, is the identity of the database.
_BEGIN = bytes.fromhex("640062650002")
_IDENTITY = bytes.fromhex("6600")
_MAGIC, _VERSION = slice(8, 12), 12
_FIRST_WITH_IDENTITY = 67
"""The number that files of storage version 1.4 carry; those before have 64 to 66."""


def fault_of_log(path: Path) -> WarehouseError | None:
    """Why the log beside the database `path` must not be opened with it, judged by their beginnings.

    None when there is no log, for damage that DuckDB detects itself, and while another process has the database open:
    it may be writing the beginning at that moment. This process must have it closed, because closing any descriptor of
    a file releases its locks.
    """
    if _fault(path) is None:
        return None
    try:
        with path.open("rb") as database:
            fcntl.lockf(database, fcntl.LOCK_SH | fcntl.LOCK_NB)  # the lock that DuckDB takes
            return _fault(path)
    except OSError:  # another process holds it, or it cannot be opened: attaching it reports so
        return None


def _fault(path: Path) -> WarehouseError | None:
    try:
        with faults.log_of(path).open("rb") as log:
            begin = log.read(len(_BEGIN) + len(_IDENTITY))
    except OSError:
        return None
    if (_BEGIN + _IDENTITY).startswith(begin):
        return None  # ours; or cut off in its first entry, by a kill or a full disk: then it holds nothing yet
    if not begin.startswith(_BEGIN[:-1]):
        return faults.damaged_log(path, "it does not begin as a log of DuckDB")
    if begin.startswith(_BEGIN) and not begin.endswith(_IDENTITY) and _has_identity(path):
        return faults.foreign_log(path)
    return None


def _has_identity(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            begin = file.read(_VERSION + 8)
    except OSError:
        return False
    if begin[_MAGIC] != b"DUCK" or len(begin) < _VERSION + 8:
        return False
    return struct.unpack_from("<Q", begin, _VERSION)[0] >= _FIRST_WITH_IDENTITY
