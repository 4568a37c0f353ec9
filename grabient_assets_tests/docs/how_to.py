"""The commands that docs/how-to tells people to type."""

from __future__ import annotations

import re
import shlex

from grabient_assets.settings import PROJECT_DIR

HOW_TO = PROJECT_DIR / "docs" / "how-to"
MARKER = "<!-- these commands are run by grabient_assets_tests/docs -->"


def commands(name: str) -> list[list[str]]:
    """The commands of the block below the marker."""
    _, _, rest = (HOW_TO / name).read_text(encoding="utf-8").partition(MARKER)
    block = re.match(r"\s*```sh\n(.*?)```", rest, re.DOTALL)
    assert block is not None, f"{name} has no block of commands below {MARKER}"
    return [shlex.split(line) for line in block[1].splitlines() if line and not line.startswith("#")]
