from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grabient_assets_tests.pipeline.place import emulator_ended_after


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder that does not exist yet. The emulator that a command started on it is ended."""
    folder = tmp_path / "data"
    with emulator_ended_after(folder):
        yield folder
