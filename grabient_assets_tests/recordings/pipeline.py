"""Palettes on their way through the whole pipeline, in this process, against the emulator, with a clock that is wound.

Everything that a run could differ in is fixed: the clock of the pipeline is also that of the emulator, the emulator's ids
have a fixed salt, and batches are polled to their end one after the other before any is collected.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from grabient_assets.batching import poll
from grabient_assets.batching.connection import Connection
from grabient_assets.batching.reparse import Reparsed, reparse_batches
from grabient_assets.batching.round import collect_batches
from grabient_assets.batching.send import Sent
from grabient_assets.emulator.models import registry_models
from grabient_assets.groups.calibration.reporting import report_on
from grabient_assets.groups.exports.assets import store_export
from grabient_assets.groups.palettes.loading import ensure_palettes, load_palettes
from grabient_assets.groups.palettes.palette_file import read_palette_file
from grabient_assets.groups.palettes.pictures import draw_palettes
from grabient_assets.groups.readers import reader_of
from grabient_assets.groups.refinement.asking import refiner
from grabient_assets.groups.refinement.submission import ask_for_chained, submit_due_refinements
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.retallying import tally_again
from grabient_assets.groups.tagging.submission import submit_due_tagging
from grabient_assets.providers.connect import connect
from grabient_assets.providers.offline import line_reader
from grabient_assets.providers.patience import Patience
from grabient_assets.resources.modes import EMULATOR_KEY
from grabient_assets.settings import PROVIDERS
from grabient_assets.warehouse.asks import PaletteVersion
from grabient_assets.warehouse.batches import EMULATOR_ACCOUNT, open_batches, record_reported
from grabient_assets.warehouse.refined import due_refinements
from grabient_assets.warehouse.tagging_due import due_targets
from grabient_assets_tests.batching.house import House
from grabient_assets_tests.emulator.running import Running, running
from grabient_assets_tests.pipeline.place import settings_of

SALT = "5eed5eed5eed"
MOST_ROUNDS = 12
"""A batch ends with its second poll; what is asked again after a fault takes a few rounds more."""


@dataclass
class Pipeline:
    """The steps of the pipeline. Each takes a minute."""

    house: House
    emulator: Running
    usable: Sequence[str] = field(default=PROVIDERS)

    def load(self, file: Path, source: str) -> list[PaletteVersion]:
        """Store the palettes of the file and draw them; their partitions under v1."""
        house = self.house
        report = load_palettes(house.warehouse, read_palette_file(file), source, self._now())
        seeds = list(dict.fromkeys([*report.accepted, *report.known]))
        draw_palettes(ensure_palettes(house.warehouse, seeds, self._now()), house.warehouse, house.store, self._now())
        return [PaletteVersion("v1", seed) for seed in seeds]

    def ask(self, asking: Callable[[House], None]) -> None:
        """Want something, and bring all that is due to its end."""
        self._now()
        asking(self.house)
        for _ in range(MOST_ROUNDS):
            if not (self._send_tagging() | self._collect() | self._send_refinements() | self._collect()):
                return
        raise AssertionError(f"The pipeline has not come to its end in {MOST_ROUNDS} rounds.")

    def report(self, prompt_version: str) -> None:
        """What the models are worth, and the refined palettes as a file."""
        assert report_on(self.house.warehouse, prompt_version, self._now()) is not None
        store_export(self.house.warehouse, self.house.store, prompt_version, self._now())

    def reparse(self) -> Reparsed:
        house = self.house
        self._now()
        return reparse_batches(
            [],
            None,
            house.warehouse,
            house.store,
            reader_of(house.warehouse, house.store),
            lambda provider: line_reader(provider, EMULATOR_KEY),
            lambda connection, chosen: tally_again(connection, chosen, self.usable),
        )

    @contextmanager
    def connect(self, name: str) -> Iterator[Connection]:
        provider = connect(name, EMULATOR_KEY, self.emulator.bases[name], Patience(read=60, transfer=60, attempts=1))
        try:
            yield Connection(provider, EMULATOR_ACCOUNT, "emulator", timedelta(0), None, tuple(self.usable))
        finally:
            provider.close()

    def _now(self) -> datetime:
        return self.house.clock.wind(minutes=1)

    def _send_tagging(self) -> bool:
        house, moved = self.house, False
        with house.warehouse.read() as database:
            due = [name for name in self.usable if due_targets(database, name)]
        for name in due:
            self._now()
            with self.connect(name) as connection:
                moved |= _moved(submit_due_tagging(connection, house.warehouse, house.store, house.clock))
        return moved

    def _send_refinements(self) -> bool:
        house = self.house
        ask_for_chained(house.warehouse, self.usable, "emulator", self._now())
        with house.warehouse.read() as database:
            if not due_refinements(database):
                return False
        with self.connect(refiner().provider) as connection:
            sent = submit_due_refinements(connection, house.warehouse, house.store, house.clock, by_url=False)
        return _moved(sent)

    def _collect(self) -> bool:
        """Poll until every batch has ended, collect all, and complete the palettes. Whether there was any batch."""
        house = self.house
        with house.warehouse.read() as connection:
            batches = open_batches(connection)
        if not batches:
            return False
        waiting = list(batches)
        for _ in range(MOST_ROUNDS):
            self._now()
            polled = poll.poll_batches(waiting, self.connect, house.warehouse, house.clock)
            poll.record(polled, house.warehouse, house.clock())
            waiting = [batch for batch in waiting if batch.batch_id not in polled.ready]
            if not waiting:
                break
        self._now()
        ids = [batch.batch_id for batch in batches]
        reader = reader_of(house.warehouse, house.store)
        done = collect_batches(ids, self.connect, house.warehouse, house.store, reader, house.clock)
        assert (done.troubles, done.waiting) == ((), ())
        self._now()
        complete_palettes(house.warehouse, self.usable, house.clock)
        with house.warehouse.write() as connection:
            record_reported(connection, ids, self._now())
        return True


@contextmanager
def pipeline(folder: Path) -> Iterator[Pipeline]:
    """A pipeline without any palette in `folder`, which is empty."""
    house = House(folder)
    with (
        _environment(settings_of(folder)),
        running(folder, models=registry_models(), now=house.clock, salt=SALT) as emulator,
    ):
        yield Pipeline(house, emulator)


def _moved(sent: Sent) -> bool:
    """Whether something was sent, or is to be sent later."""
    return bool(sent.batches) or sent.closed


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
