"""docs/reliability.md points to tests; each of them exists."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from grabient_assets.settings import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))


@cache
def functions_of(file: str) -> set[str]:
    path = PROJECT_DIR / "grabient_assets_tests" / file
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("file", "name"), NAMED, ids="::".join)
def test_the_test_exists(file: str, name: str) -> None:
    assert name in functions_of(file)


def test_every_row_names_one() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| fault ")]
    tables = PAGE.split("## Sending")[1].split("## What cannot")[0]
    assert len(NAMED) > 50
    assert [row for row in rows if row in tables and "::test_" not in row] == []
