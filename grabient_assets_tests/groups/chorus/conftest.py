from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grabient_assets_tests.groups.chorus.place import Chorus, chorus_in


@pytest.fixture
def chorus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chorus]:
    with chorus_in(tmp_path, monkeypatch) as place:
        yield place
