"""Two processes that want the last dollar at the same time: one gets it."""

from __future__ import annotations

import subprocess
import sys
import time
from decimal import Decimal

from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.ledger.house import FILE_AND_POSTGRES, House


@FILE_AND_POSTGRES
def test_one_of_two_processes_gets_the_last_dollar(house: House) -> None:
    budget = Decimal("0.0003224999")  # two requests may cost 0.0003225
    assert house.rows("SELECT count(*) FROM batches") == [(0,)]
    gate = house.folder / "gate"
    names = ("one", "other")
    command = [sys.executable, "-m", "grabient_assets_tests.ledger.spender", str(house.folder)]
    spenders = [subprocess.Popen([*command, name, str(budget), str(gate)]) for name in names]
    give_up = time.monotonic() + 60
    while not all((house.folder / f"{name}.ready").exists() for name in names):
        assert time.monotonic() < give_up, "the processes did not start"
        time.sleep(0.01)
    gate.touch()
    assert sorted(spender.wait(timeout=HANGING_SECONDS) for spender in spenders) == [0, 3]
    assert len([name for name in names if (house.folder / f"{name}.sent").exists()]) == 1
    assert house.rows("SELECT status, request_count, reserved_usd FROM batches") == [
        ("submitted", 1, Decimal("0.00016125"))
    ]
    assert house.rows("SELECT requests FROM budget_holds") == [(1,)]
