"""A process that asks for one request: `python -m grabient_assets_tests.ledger.spender FOLDER NAME BUDGET GATE`."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from grabient_assets.errors import OverBudgetError
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.reservation import Terms
from grabient_assets.ledger.submit import Order, PreparedRequest, submit_batch
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider


def main(folder: Path, name: str, budget: Decimal, gate: Path) -> int:
    """0 when it was sent, 3 when there was no money."""
    house, model = House(folder), load_registry().model("openai", "gpt-4o-mini")
    provider = ScriptedProvider(clock=lambda: datetime.now(UTC), journal=folder / f"{name}.sent")
    order = Order("tagging", model, "v1", "digest", "emulator", None, terms=Terms(PURPOSES, budget))
    request = PreparedRequest(name, "seed", 0, b"x" * 400)
    (folder / f"{name}.ready").touch()
    while not gate.exists():
        time.sleep(0.001)
    try:
        submit_batch(order, [request], provider, house.warehouse, house.store, lambda: datetime.now(UTC))
    except OverBudgetError:
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], Decimal(sys.argv[3]), Path(sys.argv[4])))
