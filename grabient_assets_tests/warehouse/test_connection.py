"""Several processes at one file, and what a transaction promises."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grabient_assets.errors import WarehouseLockedError, WarehouseReadOnlyError
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.waiting import Patience

HOLDER = [sys.executable, "-m", "grabient_assets_tests.warehouse.holder"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "grabient.duckdb"
    with Warehouse(found).write():
        pass
    return found


@contextmanager
def held(path: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """The file, open in another process."""
    with subprocess.Popen([*HOLDER, how, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin and other.stdout and other.stdout.readline() == "held\n"
        yield other
        other.stdin.close()


def count(warehouse: Warehouse) -> int:
    with warehouse.read() as connection:
        return connection.execute("SELECT count(*) FROM prompt_versions").fetchall()[0][0]


def add(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute("INSERT INTO prompt_versions VALUES ('v1', 'tagging', 'd', 't', 'm', now())")


@pytest.mark.parametrize(("how", "use"), [("hold", "write"), ("hold", "read"), ("hold-reading", "write")])
def test_a_holder_that_stays_is_named_at_the_deadline(path: Path, how: str, use: str) -> None:
    with held(path, how) as other:
        with pytest.raises(WarehouseLockedError) as caught, getattr(Warehouse(path, Patience(0.2)), use)():
            pass
        assert f"(process {other.pid}) has held {path} for" in str(caught.value)
        assert "python" in str(caught.value) and "Close it there and try again" in str(caught.value)


def test_a_turn_comes_when_the_holder_lets_go(path: Path) -> None:
    warehouse = Warehouse(path, Patience(20))
    with held(path, "hold") as other:
        with pytest.raises(WarehouseLockedError):
            add(Warehouse(path, Patience(0)))
        waiting = threading.Thread(target=add, args=[warehouse])
        waiting.start()
        waiting.join(timeout=0.1)
        assert waiting.is_alive()
        assert other.stdin
        other.stdin.close()
        waiting.join(timeout=20)
        assert not waiting.is_alive()
    assert count(warehouse) == 1


def test_a_reader_beside_a_reader(path: Path) -> None:
    with held(path, "hold-reading"):
        assert count(Warehouse(path, Patience(0))) == 0


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "grabient.duckdb"  # and make the file at once, too
    writers = [subprocess.Popen([*HOLDER, "write", str(path), str(number)]) for number in range(3)]
    assert [writer.wait(timeout=40) for writer in writers] == [0, 0, 0]
    assert count(Warehouse(path)) == 30


def test_threads_take_turns(path: Path) -> None:
    warehouse = Warehouse(path)
    seen: list[int] = []
    with warehouse.read():
        other = threading.Thread(target=lambda: seen.append(count(warehouse)))
        other.start()
        other.join(timeout=0.05)
        assert seen == []
    other.join(timeout=20)
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
    with pytest.raises(WarehouseReadOnlyError, match=r"cannot be made .* Set GRABIENT_DATA_DIR to a folder"):
        add(Warehouse(tmp_path / "data" / "grabient.duckdb"))
