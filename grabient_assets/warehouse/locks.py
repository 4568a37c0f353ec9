"""Locks that processes agree on beside the tables: who sends a batch, whose call is under way, who reads archives
again.

Where the tables lie in a file, a lock is a lock on a file of the data folder, for one machine. Where they lie in a
database it is a lease (leases.py), for all machines. Either way it ends with the process that holds it.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol, Self


@dataclass(frozen=True, slots=True)
class LockName:
    """A lock, as it is called in a database, and its file below the data folder. With `once` the file is removed with
    the lock, because no other process takes it later."""

    lease: str
    file: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A lock of this process. It is let go at the end of the block, at the latest with the process.

    `stands` says whether it still is ours: a lease is lost by a process that stood still for longer than it runs.
    """

    let_go: Callable[[], None]
    stands: Callable[[], bool]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()


class Locks(Protocol):
    """The locks of a warehouse. `look_every`: the seconds between two tries to take one that others hold."""

    look_every: float

    def take(self, names: Sequence[LockName]) -> Held | None:
        """The first of these locks that is free; None when none is. Does not wait.

        Raises OSError when a file cannot be written, WarehouseError when the database cannot be used.
        """
        ...

    def is_taken(self, name: LockName) -> bool:
        """Whether a live process holds the lock."""
        ...


class FileLocks:
    """Locks on files below `folder`."""

    look_every = 0.02

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, names: Sequence[LockName]) -> Held | None:
        """The first that is free: see Locks."""
        for name in names:
            path = self._folder / name.file
            file = _opened(path)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            except BaseException:
                file.close()
                raise

            def let_go(file: IO[str] = file, path: Path = path, once: bool = name.once) -> None:
                if once:
                    path.unlink(missing_ok=True)
                file.close()

            return Held(let_go, lambda: True)
        return None

    def is_taken(self, name: LockName) -> bool:
        """Whether a live process holds it. A file that a dead one left, and nobody takes later, is removed."""
        path = self._folder / name.file
        try:
            with path.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if name.once:
                    path.unlink(missing_ok=True)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("w")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w")
