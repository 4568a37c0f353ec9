"""Several processes at one file, and what a transaction promises."""

from __future__ import annotations

import queue
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from grabient_assets.cli.options import open_warehouse
from grabient_assets.errors import WarehouseError, WarehouseLockedError
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.lock_wait import LockTimeout, LockWait
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.warehouse.holding import HOLDER, held


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "grabient.duckdb"
    with Warehouse(found).write():
        pass
    return found


def count(warehouse: Warehouse) -> int:
    with warehouse.read() as connection:
        return connection.execute("SELECT count(*) FROM prompt_versions").fetchall()[0][0]


def add(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute("INSERT INTO prompt_versions VALUES ('v1', 'tagging', 'd', 't', 'm', now())")


@pytest.mark.parametrize(("how", "use"), [("hold", "write"), ("hold", "read"), ("hold-reading", "write")])
def test_a_holder_that_stays_is_named_at_the_deadline(
    path: Path, how: Literal["hold", "hold-reading"], use: str
) -> None:
    with held(path, how) as other:
        with pytest.raises(WarehouseLockedError) as caught, getattr(Warehouse(path, LockTimeout(0.2)), use)():
            pass
        assert f"(process {other.pid}) has held {path} for" in str(caught.value)
        assert "python" in str(caught.value) and "Close it there and try again" in str(caught.value)


def test_a_turn_comes_when_the_holder_lets_go(path: Path) -> None:
    warehouse = Warehouse(path, LockTimeout(20))
    with held(path, "hold") as other:
        with pytest.raises(WarehouseLockedError):
            add(Warehouse(path, LockTimeout(0)))
        waiting = threading.Thread(target=add, args=[warehouse])
        waiting.start()
        waiting.join(timeout=0.1)
        assert waiting.is_alive()
        other.let_go()
        waiting.join(timeout=HANGING_SECONDS)
        assert not waiting.is_alive()
    assert count(warehouse) == 1


def test_whoever_waits_says_for_whom(path: Path) -> None:
    said: queue.Queue[str] = queue.Queue()
    warehouse = Warehouse(path, LockTimeout(20, said.put, notify_after=0, notify_every=1000))
    with held(path, "hold-reading") as other:
        waiting = threading.Thread(target=add, args=[warehouse])
        waiting.start()
        sentence = said.get(timeout=HANGING_SECONDS)
        other.let_go()
        waiting.join(timeout=HANGING_SECONDS)
    assert "Waiting for the database: " in sentence and "20 seconds at most" in sentence
    assert f"(process {other.pid}) has {path} open" in sentence
    assert said.empty() and count(warehouse) == 1


def test_a_command_waits_without_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour somebody still waits, and says so in whole sentences."""
    said: list[str] = []
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(path.parent))
    warehouse = open_warehouse(load_settings())
    wait = LockWait(replace(warehouse._tables._lock_timeout, notify=said.append, notify_after=3600))
    wait.waited = 3600
    assert not wait.is_over and wait.acquire(threading.RLock())
    wait.pause(0, "Somebody has it open")
    assert said == [
        "Waiting for the database: Somebody has it open. 3,600 seconds so far. Close it there to go on at once."
    ]


def test_all_uses_together_wait_no_longer_than_the_lock_timeout_of_a_tick(path: Path) -> None:
    warehouse = Warehouse(path, LockTimeout(0.3, in_all=True))
    with held(path, "hold"):
        for _ in range(3):
            with pytest.raises(WarehouseLockedError):
                add(warehouse)
        assert warehouse._tables._in_all is not None and warehouse._tables._in_all.waited < 1.5
    add(warehouse)


def test_a_thread_that_keeps_the_file_is_waited_for_no_longer_than_another_program(path: Path) -> None:
    seen: list[str] = []

    def impatient() -> None:
        with pytest.raises(WarehouseLockedError) as caught:
            add(Warehouse(path, LockTimeout(0.05)))
        seen.append(str(caught.value))

    with Warehouse(path).write():
        other = threading.Thread(target=impatient)
        other.start()
        other.join(timeout=HANGING_SECONDS)
    assert "Another thread of this program has held" in seen[0]


def test_a_reader_beside_a_reader(path: Path) -> None:
    with held(path, "hold-reading"):
        assert count(Warehouse(path, LockTimeout(0))) == 0


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "grabient.duckdb"  # and make the file at once, too
    writers = [subprocess.Popen([*HOLDER, "write", str(path), str(number)]) for number in range(3)]
    assert [writer.wait(timeout=HANGING_SECONDS) for writer in writers] == [0, 0, 0]
    assert count(Warehouse(path)) == 30


def test_threads_take_turns(path: Path) -> None:
    warehouse = Warehouse(path)
    seen: list[int] = []
    with warehouse.read():
        other = threading.Thread(target=lambda: seen.append(count(warehouse)))
        other.start()
        other.join(timeout=0.05)
        assert seen == []
    other.join(timeout=HANGING_SECONDS)
    assert seen == [0]


class Stop(BaseException):
    """What no `except Exception` catches."""


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Stop])
def test_a_block_that_raises_writes_nothing(path: Path, error: type[BaseException]) -> None:
    warehouse = Warehouse(path)
    with pytest.raises(error), warehouse.write() as connection:
        connection.execute("INSERT INTO prompt_versions VALUES ('v1', 'tagging', 'd', 't', 'm', now())")
        raise error
    assert count(warehouse) == 0
    add(warehouse)
    assert count(warehouse) == 1


def test_a_place_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(WarehouseError, match=r"data is a file, .* or set GRABIENT_DATA_DIR to a folder"):
        add(Warehouse(tmp_path / "data" / "grabient.duckdb"))


def test_a_write_touches_one_small_group_of_rows(path: Path) -> None:
    """With DuckDB's own groups, closing the file compresses up to 122,880 rows again for every row that is added."""
    rows = "SELECT 'seeds', i, 1, 'a line', 'a reason', now() FROM range(10000) AS r(i)"
    with Warehouse(path).write() as connection:
        connection.execute(f"INSERT INTO rejected_palettes {rows}")
    with Warehouse(path).read() as connection:
        query = "SELECT max(count) FROM pragma_storage_info('rejected_palettes')"
        assert connection.execute(query).fetchall() == [(4096,)]


def test_a_folder_with_a_quote_in_its_name(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "it's mine" / "grabient.duckdb")
    add(warehouse)
    assert count(warehouse) == 1
