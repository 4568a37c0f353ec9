"""Processes that send at the same time share the work and double nothing."""

from __future__ import annotations

import subprocess
import sys
import time

from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.ledger.house import FILE_AND_POSTGRES, House, palette


@FILE_AND_POSTGRES
def test_no_request_is_sent_twice(house: House) -> None:
    house.ask(house.load(*(palette(n) for n in range(40))), analyses=3)
    gate = house.folder / "gate"
    journals = [house.folder / f"journal-{n}" for n in range(2)]
    command = [sys.executable, "-m", "grabient_assets_tests.ledger.sender", str(house.folder)]
    senders = [subprocess.Popen([*command, str(journal), str(gate)]) for journal in journals]
    give_up = time.monotonic() + 30
    while not all(journal.with_suffix(".ready").exists() for journal in journals):
        assert time.monotonic() < give_up, "the senders did not start"
        time.sleep(0.01)
    gate.touch()
    assert [sender.wait(timeout=HANGING_SECONDS) for sender in senders] == [0, 0]
    sent = [line for journal in journals if journal.exists() for line in journal.read_text().splitlines()]
    assert len(sent) == len(set(sent)) == 40 * 3 * 3
    assert house.rows("SELECT count(*), count(DISTINCT custom_id) FROM batch_requests") == [(360, 360)]
    assert house.rows("SELECT DISTINCT status FROM batches") == [("submitted",)]
