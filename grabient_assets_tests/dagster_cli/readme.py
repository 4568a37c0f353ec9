"""What README.md tells people to type."""

from __future__ import annotations

import re
import shlex

from grabient_assets.settings import PROJECT_DIR

MARKER = "<!-- these commands are run by grabient_assets_tests/dagster_cli -->"
README = PROJECT_DIR / "README.md"


def dagster_commands(seed: str, seed2: str) -> list[list[str]]:
    """The commands of the block below the marker, about these two palettes."""
    _, _, rest = README.read_text(encoding="utf-8").partition(MARKER)
    block = re.match(r"\s*```sh\n(.*?)```", rest, re.DOTALL)
    assert block is not None, f"README.md has no block of commands below {MARKER}"
    lines = [line for line in block[1].splitlines() if line and not line.startswith("#")]
    return [shlex.split(line.replace("SEED2", seed2).replace("SEED", seed)) for line in lines]
