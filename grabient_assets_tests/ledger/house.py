"""A data folder with palettes in it, and a clock that a test winds."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.gradient.palette import DEFAULT_GLOBALS, Globals, Palette
from grabient_assets.groups.palettes.loading import palette_record
from grabient_assets.groups.palettes.tables import add_palettes
from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.postgres_settings import parse_postgres
from grabient_assets.store.folder import FolderStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Clock:
    """Stands still until it is wound."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def wind(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


def palette(number: int, modifiers: Globals = DEFAULT_GLOBALS) -> Palette:
    """One of many different palettes."""
    red = round(number / 1000, 3)
    return Palette(((0.5, red, 0.5), (0.5, 0.4, 0.3), (1.0, 1.0, 1.0), (0.0, 0.33, 0.67)), modifiers)


def twins() -> tuple[Palette, Palette]:
    """Two seeds with the same colours: a contrast of one half, and the halved amplitudes."""
    plain = Palette(((0.5, 0.5, 0.5), (0.25, 0.2, 0.15), (1.0, 1.0, 1.0), (0.0, 0.33, 0.67)))
    turned = Palette(((0.5, 0.5, 0.5), (0.5, 0.4, 0.3), (1.0, 1.0, 1.0), (0.0, 0.33, 0.67)), (0.0, 0.5, 1.0, 0.0))
    return plain, turned


ADDRESS = "address"


@cache
def _new_file() -> Path:
    """A file as the program makes it, made once for each process: thousands of tests begin with one, and making it
    takes twenty times as long as copying it."""
    folder = Path(tempfile.mkdtemp(prefix="grabient-new-file-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with Warehouse(folder / "grabient.duckdb").write():
        return folder / "grabient.duckdb"


FILE_AND_POSTGRES = pytest.mark.parametrize("house", ["file", "postgres"], indirect=True)
"""Of tests that are to hold wherever the tables lie."""


@dataclass
class House:
    """Warehouse, objects and clock of one test. The tables lie in a file, or in the database whose address, with a
    password, stands in `folder`."""

    folder: Path
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        address = self.folder / ADDRESS
        if address.exists():
            place = parse_postgres(address.read_text(encoding="utf-8"), "the test")
            self.warehouse = Warehouse(place, LockTimeout(20), self.folder)
        else:
            if not self.path.exists():
                shutil.copyfile(_new_file(), self.path)
            self.warehouse = Warehouse(self.path, LockTimeout(20))
        self.store = FolderStore(self.folder / "objects")

    @property
    def path(self) -> Path:
        """The DuckDB file."""
        return self.folder / "grabient.duckdb"

    def load(self, *palettes: Palette) -> list[SubjectVersion]:
        """Store the palettes; their partitions under v1."""
        with self.warehouse.write() as connection:
            add_palettes(connection, [palette_record(p, p.canonical, self.clock()) for p in palettes])
        return [SubjectVersion("v1", p.canonical) for p in palettes]

    def ask(self, palettes: Sequence[SubjectVersion], analyses: int = 1, **more: Any) -> None:
        """Want tags from OpenAI's panel models."""
        wish = TaggingAsk(palettes, more.pop("providers", ("openai",)), analyses, "emulator", **more)
        ask_for_tags(wish, self.warehouse, self.clock())

    def archived(self, batch_id: str, what: str) -> Path:
        """The one object of the batch whose name begins so: requests, results or state."""
        [found] = (self.folder / "objects" / "batches" / batch_id).glob(f"{what}*")
        return found

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self.warehouse.read() as connection:
            return connection.execute(query, list(parameters)).fetchall()

    def write(self, query: str, *parameters: object) -> None:
        """Change a row."""
        with self.warehouse.write() as connection:
            connection.execute(query, list(parameters))
