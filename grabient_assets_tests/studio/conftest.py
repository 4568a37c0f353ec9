from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grabient_assets_tests.studio.furnished import furnish


@pytest.fixture(scope="session")
def _furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnish(tmp_path_factory.mktemp("furnished"))


@pytest.fixture
def data(_furnished: Path, tmp_path: Path) -> Path:
    """A data folder with ten palettes, of which six are refined and found by search; a copy for each test."""
    return Path(shutil.copytree(_furnished, tmp_path / "data"))
