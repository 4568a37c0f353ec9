"""The journal of direct calls in a database: what is answered is kept, however late."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from grabient_assets.errors import WarehouseError
from grabient_assets.ledger.call_journal import calls_of, forget_calls, open_journal
from grabient_assets.postgres_settings import parse_postgres
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout
from grabient_assets_tests.new_tables import NewTables
from grabient_assets_tests.postgres import postgres

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
LINE = b'{"custom_id": "k-00", "answer": "it\'s paid"}'


def test_an_answer_that_another_machine_gave_up_is_kept_in_a_file(new_tables: NewTables, tmp_path: Path) -> None:
    """A machine that was suspended within a call: the batch was settled meanwhile."""
    warehouse = Warehouse(new_tables.new_address(), folder=tmp_path)
    journal = open_journal(warehouse, "b", lambda: NOW)
    journal.began("k-00")
    forget_calls(warehouse, "b")
    with pytest.raises(WarehouseError, match=r"answer to k-00 came after .* `grabient retry` asks again") as caught:
        journal.answered("k-00", LINE)
    [file] = (tmp_path / "direct" / "late").iterdir()
    assert str(file) in str(caught.value) and file.read_bytes() == LINE + b"\n"
    assert not calls_of(warehouse, "b").answered


def test_an_answer_waits_for_a_server_that_is_away(tmp_path: Path) -> None:
    """Longer than whoever only looks: the answer was paid for, and is nowhere else."""
    with postgres() as server:
        address = parse_postgres(server.create_database("journal"), "the test", server.password)
        warehouse = Warehouse(address, LockTimeout(0), tmp_path)
        journal = open_journal(warehouse, "b", lambda: NOW)
        journal.began("k-00")
        server.stop()
        with pytest.raises(WarehouseError, match=r"cannot be reached|broke off"):
            journal.began("k-01")
        answering = threading.Thread(target=journal.answered, args=("k-00", LINE))
        answering.start()
        server.start()
        answering.join(120)
        assert calls_of(warehouse, "b").answered == {"k-00": (NOW, LINE)}
