"""Palettes on their way through the whole pipeline, in this process, against the emulator, with a clock that is wound.

What two runs could differ in is fixed. The emulator has the clock of the pipeline and a fixed salt for its ids. Batches
end one after the other, each when it is polled, before any is collected: collecting uses threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

from grabient_assets.emulator.wire import registry_models
from grabient_assets.groups.calibration.measuring import report_on
from grabient_assets.groups.exports.assets import store_export
from grabient_assets.groups.exports.files import FileKind, deliver
from grabient_assets.groups.exports.tables import EXPORT_COLUMNS, Selection
from grabient_assets.groups.notices.events import seen_events
from grabient_assets.groups.notices.tables import claim, record_delivery
from grabient_assets.groups.palettes.loading import ensure_palettes, load_palettes
from grabient_assets.groups.palettes.palette_file import read_palette_file
from grabient_assets.groups.palettes.pictures import draw_palettes
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.groups.refinement.asking import ask_for_chained
from grabient_assets.groups.refinement.purpose import REFINEMENT, refiner
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.ledger import poll
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import EMULATOR_ACCOUNT, open_batches, record_reported
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.due import due_targets
from grabient_assets.ledger.reparse import Reparsed, reparse_batches
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.send import Sent
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.providers.connect import connect, line_reader
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets.resources.modes import EMULATOR_KEY
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.emulator.running import Running, running
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.pipeline.place import settings_of

SALT = "5eed5eed5eed"
MOST_ROUNDS = 12
"""What is asked again after a fault, and each wave, takes a round more."""
POLLING_SECONDS = 300.0
"""However slow the machine is: a batch that is not polled would end later, in another order."""


@dataclass
class Pipeline:
    """The steps of the pipeline. Each takes a minute."""

    house: House
    emulator: Running
    usable: Sequence[str] = field(default=PROVIDERS)

    def load(self, file: Path, source: str) -> list[SubjectVersion]:
        """Store the palettes of the file and draw them; their partitions under v1."""
        house = self.house
        report = load_palettes(house.warehouse, read_palette_file(file), source, self._now())
        seeds = list(dict.fromkeys([*report.accepted, *report.known]))
        draw_palettes(ensure_palettes(house.warehouse, seeds, self._now()), house.warehouse, house.store, self._now())
        return [SubjectVersion("v1", seed) for seed in seeds]

    def ask(self, asking: Callable[[House], None]) -> None:
        """Want something, and bring all that is due to its end."""
        self._now()
        asking(self.house)
        for _ in range(MOST_ROUNDS):
            if not (self._send_tagging() | self._collect() | self._send_refinements() | self._collect()):
                return
        raise AssertionError(f"The pipeline has not come to its end in {MOST_ROUNDS} rounds.")

    def answer_tagging(self) -> None:
        """Send the tagging that is due, and collect it. No refinement is asked for."""
        assert self._send_tagging() and self._collect()

    def report(self, prompt_version: str) -> None:
        """What the models are worth."""
        assert report_on(self.house.warehouse, prompt_version, self._now()) is not None

    def export(self, prompt_version: str, file: Path) -> None:
        """The refined palettes as an object, and as a file."""
        store_export(self.house.warehouse, self.house.store, prompt_version, self._now())
        selection = Selection(prompt_version, tuple(EXPORT_COLUMNS), target="file")
        deliver(self.house.warehouse, selection, FileKind("jsonl"), file, BytesIO(), self._now())

    def notify(self) -> None:
        """Note what people should be told as told."""
        with self.house.warehouse.write() as connection:
            now = self._now()
            for event in seen_events(connection, None, self.usable, (), now):
                claim(connection, event.kind, [event.key], now)
                record_delivery(connection, [event.key], None, now)

    def reparse(self, prompt_version: str) -> Reparsed:
        """Read the archived answers under the version again."""
        house = self.house
        self._now()
        return reparse_batches(
            [],
            prompt_version,
            house.warehouse,
            house.store,
            PURPOSES,
            reader_of(house.warehouse, house.store),
            lambda provider: line_reader(provider, EMULATOR_KEY),
            self.usable,
        )

    @contextmanager
    def connect(self, name: str) -> Iterator[Connection]:
        provider = connect(name, EMULATOR_KEY, self.emulator.bases[name], Timeouts(read=60, transfer=60, attempts=1))
        try:
            yield Connection(provider, EMULATOR_ACCOUNT, "emulator", timedelta(0), None, tuple(self.usable))
        finally:
            provider.close()

    def _now(self) -> datetime:
        return self.house.clock.wind(minutes=1)

    def _send_tagging(self) -> bool:
        house, moved = self.house, False
        with house.warehouse.read() as database:
            due = [name for name in self.usable if due_targets(database, TAGGING, name)]
        for name in due:
            self._now()
            with self.connect(name) as connection:
                moved |= _moved(
                    submit_due(TAGGING, Submission(connection, PURPOSES, house.warehouse, house.store, house.clock))
                )
        return moved

    def _send_refinements(self) -> bool:
        house = self.house
        ask_for_chained(house.warehouse, self.usable, "emulator", self._now())
        with house.warehouse.read() as database:
            if not due_targets(database, REFINEMENT, refiner().provider):
                return False
        with self.connect(refiner().provider) as connection:
            sent = submit_due(REFINEMENT, Submission(connection, PURPOSES, house.warehouse, house.store, house.clock))
        return _moved(sent)

    def _collect(self) -> bool:
        """End every open batch, collect all, and complete the palettes. Whether there was any batch."""
        house = self.house
        with house.warehouse.read() as connection:
            batches = open_batches(connection)
        if not batches:
            return False
        self._now()
        polled = poll.poll_batches(batches, self.connect, house.warehouse, house.clock, budget=POLLING_SECONDS)
        assert polled.ready == {batch.batch_id for batch in batches}
        poll.record(polled, house.warehouse, self._now())
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
        running(folder, models=registry_models(), polls=1, now=house.clock, salt=SALT) as emulator,
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
