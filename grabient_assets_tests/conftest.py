from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from grabient_assets_tests.emulator.running import Running
    from grabient_assets_tests.new_tables import NewTables

SLOW_FIRST = ("reliability", "deploy", "packaging", "dagster_ui", "pipeline", "cli", "docs", "dagster_cli")
"""Rooms of files that take long go first, so that the workers end together."""


def pytest_configure() -> None:
    """Whoever starts the tests may ignore signals (`nohup`, a shell's background job), and processes inherit that.

    A test process holds millions of objects, Dagster's and the SDKs'. Searching all of them for garbage as often as
    Python does by itself took an eighth of the CPU (three files: 64 s with it, 55 s without)."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    gc.set_threshold(100_000, 50, 100)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        room = item.path.relative_to(here).parts[0]
        return SLOW_FIRST.index(room) if room in SLOW_FIRST else len(SLOW_FIRST)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def _shared_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    from grabient_assets_tests.emulator.running import running  # all SDKs, which most rooms do not need

    with running(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture
def emulator(_shared_emulator: Running) -> Running:
    """An emulator in a thread, one for all tests of the process, emptied before each."""
    _shared_emulator.control("POST", "reset")
    return _shared_emulator


@pytest.fixture(scope="session")
def new_tables() -> Iterator[NewTables]:
    """A PostgreSQL server, one for all tests of the process, that makes databases with our empty tables."""
    from grabient_assets_tests.new_tables import NewTables
    from grabient_assets_tests.postgres import postgres

    with postgres() as server:
        yield NewTables(server)
