"""A machine that does what others do at the same moment: `python -m grabient_assets_tests.ledger.racer FOLDER EMULATOR`

For each file `FOLDER/../N.step` that appears, from N = 0 on: an empty one says send what is due of every purpose, one
with ids of batches says collect them. Then it writes `FOLDER/N.done`, with what it sent or collected. It goes on until
it is killed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

from grabient_assets.emulator.endpoint import BASE_PATHS
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.providers.connect import connect
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.ledger.machines import house_at

BUDGET = Decimal(1000)


def main(folder: Path, emulator: str) -> None:
    """Take one step after the other."""
    house = house_at(folder)

    def clock() -> datetime:
        return datetime.now(UTC)

    @contextmanager
    def reached(name: str) -> Iterator[Connection]:
        client = connect(name, "emulator", emulator + BASE_PATHS[name], Timeouts(read=60, transfer=60, attempts=1))
        try:
            yield Connection(client, "emulator", "emulator", timedelta(0), BUDGET)
        finally:
            client.close()

    def send() -> list[str]:
        sent: list[str] = []
        for name in PROVIDERS:
            with reached(name) as connection:
                submission = Submission(connection, PURPOSES, house.warehouse, house.store, clock)
                for purpose in PURPOSES.values():
                    sent += [one.batch.batch_id for one in submit_due(purpose, submission).batches]
        return sent

    def collect(ids: list[str]) -> list[str]:
        reader = reader_of(house.warehouse, house.store)
        found = collect_batches(ids, reached, house.warehouse, house.store, reader, clock)
        assert not found.troubles, found.troubles
        return [one.batch.batch_id for one in found.collected]

    for number in count():
        step = folder.parent / f"{number}.step"
        while not step.exists():
            time.sleep(0.001)
        ids: list[str] = json.loads(step.read_text(encoding="utf-8"))
        draft = folder / f"{number}.draft"
        draft.write_text(json.dumps(collect(ids) if ids else send()), encoding="utf-8")
        draft.replace(folder / f"{number}.done")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
