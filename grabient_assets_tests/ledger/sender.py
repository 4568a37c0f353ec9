"""One process that sends what is due: `python -m grabient_assets_tests.ledger.sender FOLDER JOURNAL GATE`."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider


def main(folder: Path, journal: Path, gate: Path) -> None:
    """Wait until the gate file is there, so that all start at once; then send."""
    house = House(folder)
    provider = ScriptedProvider(clock=lambda: datetime.now(UTC), journal=journal)
    journal.with_suffix(".ready").touch()
    while not gate.exists():
        time.sleep(0.001)
    submit_due(
        TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, lambda: datetime.now(UTC))
    )


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
