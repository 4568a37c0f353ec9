from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grabient_assets_tests.groups.edits.place import Edits, edits_in


@pytest.fixture
def edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edits]:
    with edits_in(tmp_path, monkeypatch) as place:
        yield place
