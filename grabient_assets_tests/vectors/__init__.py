"""Where the outputs of the real system lie, on machines that have them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest


def vectors_dir() -> Path:
    """The folder of vector files beside the checkout. It is not part of the project and may be absent."""
    return Path(__file__).resolve().parents[3] / "shared" / "vectors"


@cache
def vectors(name: str) -> dict[str, Any]:
    """The parsed vector file `name`; skips the calling test where the files are absent."""
    path = vectors_dir() / name
    if not path.exists():
        pytest.skip(f"{name} lies only on machines that hold the real system's outputs")
    return json.loads(path.read_text(encoding="utf-8"))
