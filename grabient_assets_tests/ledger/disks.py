"""Disks that a test fills and frees again."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import pytest

SIZE = 40_000_000


class Disk(Protocol):
    """A folder on a disk of its own, or on one that behaves so."""

    folder: Path
    says: str
    """The operating system's words when it is full."""

    def fill(self) -> None:
        """From now on no file can grow."""
        ...

    def free(self) -> None:
        """There is room again."""
        ...


class SmallDisk:
    """A file system in memory, filled with one file."""

    says = "No space left on device"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        # Appended, never begun anew: two threads fetch at once, and what one has filled the other must not free.
        for size in (65_536, 1):
            with suppress(OSError), self._filler.open("ab", buffering=0) as file:
                while file.write(b"\0" * size):
                    pass

    def leave(self, room: int) -> None:
        """Full but for this many bytes."""
        with self._filler.open("r+b") as file:
            file.truncate(self._filler.stat().st_size - room)

    def free(self) -> None:
        self._filler.unlink()


class LimitedFiles:
    """This process may make no file longer than nothing: what a quota or a file limit does, on any machine."""

    says = "File too large"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, self._before[1]))

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Mounted for as long as the block lasts. Skips the calling test where nobody may mount."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a disk here; the other half of this test needs none")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def limited_files(folder: Path) -> Iterator[LimitedFiles]:
    """The limit ends with the block."""
    disk = LimitedFiles(folder)
    try:
        yield disk
    finally:
        disk.free()
