"""What the emulated providers remember. It outlives a killed process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from grabient_assets.emulator.storage.batches import Batches
from grabient_assets.emulator.storage.counts import Counts
from grabient_assets.emulator.storage.database import Database
from grabient_assets.emulator.storage.files import Files


class State:
    """Batches, files and counts of all four providers in `folder`. `now` is the one clock of the emulator, and
    `salt` that of its ids."""

    def __init__(self, folder: Path, now: Callable[[], datetime], salt: str | None = None) -> None:
        self._db = Database(folder, now, salt)
        self.batches = Batches(self._db)
        self.files = Files(self._db)
        self.counts = Counts(self._db)
        self.now = now
        self.new_id = self._db.new_id
        self.reset = self._db.reset
        self.close = self._db.close
