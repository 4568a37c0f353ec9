"""The processes that follow a run on this data folder: `grabient run`, `retry --run` and `demo`.

Each holds a lock on a file of its own for as long as it works. The lock ends with the process, whatever ends it. Nobody
is kept out: two at once are safe, the ledger sees to that. Pages use it to say that a run is on.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from grabient_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class Follower:
    """A process that follows a run. `session` is the id of its session: that of the shell which started it."""

    pid: int
    session: int
    since: datetime


@contextmanager
def following(settings: Settings) -> Iterator[None]:
    """Be seen as following a run. A folder that takes no file is no reason to stop: one is not seen then."""
    folder, pid = _folder(settings), os.getpid()
    path = folder / f"{pid}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_left(folder)
        opened = path.open("w", encoding="utf-8")
    except OSError:
        yield
        return
    with opened as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(OSError):
            json.dump({**asdict(Follower(pid, os.getsid(0), datetime.now(UTC)))}, file, default=datetime.isoformat)
            file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def followers(settings: Settings) -> list[Follower]:
    """Who follows a run now, the earliest first."""
    found = [one for path in _folder(settings).glob("*.json") if (one := _read(path)) is not None]
    return sorted(found, key=lambda one: one.since)


def _read(path: Path) -> Follower | None:
    """What the file says, while its process holds the lock; None otherwise."""
    try:
        with path.open(encoding="utf-8") as file:
            if not _is_held(file.fileno()):
                return None
            found = json.load(file)
            return Follower(int(found["pid"]), int(found["session"]), datetime.fromisoformat(found["since"]))
    except (OSError, ValueError, KeyError, TypeError):  # it ends just now, or has just begun
        return None


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _remove_left(folder: Path) -> None:
    """Remove the files of processes that were killed."""
    for path in folder.glob("*.json"):
        with suppress(OSError), path.open(encoding="utf-8") as file:
            if not _is_held(file.fileno()):
                path.unlink(missing_ok=True)


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "following"
