"""Every file that the page "where to change what" names is there."""

from __future__ import annotations

import re

from grabient_assets.settings import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs/where-to-change-what.md").read_text(encoding="utf-8")
ROWS = [line.split("|")[1:4] for line in PAGE.splitlines() if line.startswith("| ")][2:]
NAMED = re.compile(r"`([a-z_/]+(?:/[a-z_]*|\.py))`")


def test_every_question_has_a_file_and_a_test_that_are_there():
    assert len(ROWS) >= 20
    for question, files, test in ROWS:
        paths = [
            path for path in NAMED.findall(files) if "/" in path or (PROJECT_DIR / "grabient_assets" / path).exists()
        ]
        assert paths or "toml" in files or "prompts/" in files or "its `checks.py`" in files, question
        for path in paths:
            assert (PROJECT_DIR / "grabient_assets" / path).exists(), f"{question}: {path}"
        (shown,) = NAMED.findall(test)
        assert (PROJECT_DIR / "grabient_assets_tests" / shown).exists(), f"{question}: {shown}"


def test_the_page_about_architecture_stays_short():
    text = (PROJECT_DIR / "docs/architecture.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
