from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grabient_assets_tests.groups.knowledge.place import Knowledge, knowledge_in


@pytest.fixture
def knowledge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Knowledge]:
    with knowledge_in(tmp_path, monkeypatch) as place:
        yield place
