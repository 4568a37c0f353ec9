"""The file, kept open by another process for as long as a test says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HOLDER = [sys.executable, "-m", "grabient_assets_tests.warehouse.holder"]


@dataclass(frozen=True)
class Holder:
    """The other process."""

    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        return self.process.pid

    def let_go(self) -> None:
        """The file is free when this returns."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(20)


@contextmanager
def held(path: Path, how: Literal["hold", "hold-reading"]) -> Iterator[Holder]:
    """`hold` opens the file for writing, `hold-reading` as a person's read-only shell does."""
    with subprocess.Popen([*HOLDER, how, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        holder = Holder(other)
        try:
            yield holder
        finally:
            holder.let_go()
