from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from grabient_assets.emulator.endpoint import read_endpoint


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder that does not exist yet. The emulator that a command started on it is ended."""
    folder = tmp_path / "data"
    yield folder
    running = read_endpoint(folder)
    if running is not None:
        os.kill(running.pid, signal.SIGTERM)
