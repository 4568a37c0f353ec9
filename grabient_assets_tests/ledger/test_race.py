"""Two machines on one warehouse in PostgreSQL do the same at once: send all that is due, collect what ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest

from grabient_assets.ledger.batches import open_batches
from grabient_assets.ledger.poll import poll_batches
from grabient_assets.postgres_settings import parse_postgres
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.hanging import until
from grabient_assets_tests.ledger.house import palette
from grabient_assets_tests.ledger.machines import Machine
from grabient_assets_tests.ledger.place_at_emulator import Place
from grabient_assets_tests.new_tables import NewTables

PALETTES, ANALYSES = 6, 2
RESULTS = {"provider": "anthropic", "route": "results"}
DOWNLOAD = {"match": RESULTS, "action": {"do": "hold"}}


@dataclass
class Race:
    """Two processes with folders of their own, and this one, which only asks and looks."""

    folder: Path
    url: str
    place: Place
    racers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    @contextmanager
    def racer(self, name: str) -> Iterator[None]:
        """A machine of this name; it does not outlive the block."""
        command = [sys.executable, "-m", "grabient_assets_tests.ledger.racer", str(self.folder / name)]
        environ = {**os.environ, "GRABIENT_WAREHOUSE": self.url}
        with subprocess.Popen([*command, self.place.emulator.url], env=environ) as process:
            self.racers.append(process)
            try:
                yield
            finally:
                process.kill()

    def begin(self, ids: Sequence[str] = ()) -> int:
        """Let both begin now: collect these batches, or send what is due."""
        number = next(self._numbers)
        draft = self.folder / f"{number}.draft"
        draft.write_text(json.dumps(list(ids)), encoding="utf-8")
        draft.replace(self.folder / f"{number}.step")
        return number

    def done(self, number: int) -> list[list[str]]:
        """What each did in that step."""
        files = [self.folder / name / f"{number}.done" for name in ("one", "two")]

        def over() -> bool:
            assert all(racer.poll() is None for racer in self.racers), "a machine ended"
            return all(file.exists() for file in files)

        until(over)
        return [json.loads(file.read_text(encoding="utf-8")) for file in files]


@pytest.fixture
def race(tmp_path: Path, emulator: Running, new_tables: NewTables) -> Iterator[Race]:
    url = new_tables.new_database()
    place = Place(Machine(tmp_path / "asks", address=parse_postgres(url, "the test")), emulator)
    race = Race(tmp_path, url, place)
    with ExitStack() as stack:
        for name in ("one", "two"):
            stack.enter_context(race.racer(name))
        yield race


def test_all_that_is_due_is_sent_once_and_what_ended_is_stored_once(race: Race) -> None:
    place = race.place
    house = place.house
    house.ask(house.load(*(palette(number) for number in range(PALETTES))), ANALYSES, providers=PROVIDERS)
    [(tags,)] = house.rows("SELECT count(DISTINCT model) FROM asks WHERE purpose = 'tagging'")
    asked = tags * PALETTES * ANALYSES

    sent = race.done(race.begin())
    assert not set(sent[0]) & set(sent[1])
    created = Counter(
        one for create in place.emulator.control("GET", "calls")["creates"] for one in create["custom_ids"]
    )
    assert set(created.values()) == {1} and len(created) == asked
    counted = house.rows("SELECT count(*), count(DISTINCT custom_id) FROM batch_requests")
    assert counted == [(asked, asked)]

    with house.warehouse.read() as connection:
        waiting = open_batches(connection)
    ids, ended = [one.batch_id for one in waiting], set[str]()
    assert set(ids) <= {*sent[0], *sent[1]}
    while not ended >= set(ids):
        ended |= poll_batches(waiting, place.connect, house.warehouse, house.clock).ready
        house.clock.wind(seconds=1)
    first = next(one.batch_id for one in waiting if one.provider == "anthropic")
    place.emulator.faults(DOWNLOAD)
    number = race.begin([first])
    until(lambda: place.emulator.control("GET", "faults")["rules"][0]["fired"] == 2)  # both have seen it open
    place.emulator.faults()
    place.emulator.control("POST", "release")
    race.done(number)
    race.done(race.begin(ids))

    assert house.rows("SELECT status, count(*) FROM batches GROUP BY 1") == [("collected", len({*sent[0], *sent[1]}))]
    assert house.rows("SELECT count(*), count(fate) FROM batch_requests") == [(asked, asked)]
    of_tags = "SELECT count(*), count(DISTINCT (seed, model, analysis_index)) FROM palette_tags"
    assert house.rows(of_tags) == [(asked, asked)]
    [(batches,)] = house.rows("SELECT sum(cost_usd) FROM batches")
    [(each,)] = house.rows("SELECT sum(cost_usd) FROM batch_requests")
    [(answers,)] = house.rows("SELECT sum(cost_usd) FROM palette_tags")
    assert batches == each == answers > Decimal(0)
