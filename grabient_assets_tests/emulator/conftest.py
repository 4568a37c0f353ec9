from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grabient_assets_tests.emulator.running import Running, running


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture
def emulator(_shared: Running) -> Running:
    """One emulator for all tests, emptied before each."""
    _shared.control("POST", "reset")
    return _shared


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"
