"""A copy of the project, in which a command may change files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.cli.running import Ended, environment
from grabient_assets_tests.hanging import HANGING_SECONDS


class Copy:
    """A copy of the project with a data folder of its own; the packages are those of this environment."""

    def __init__(self, folder: Path) -> None:
        self.root, self.data = folder / "project", folder / "data"
        ignored = shutil.ignore_patterns("__pycache__")
        for name in ("grabient_assets", "prompts"):
            shutil.copytree(PROJECT_DIR / name, self.root / name, ignore=ignored)
        for name in ("dagster.yaml", "workspace.yaml", "pyproject.toml"):
            shutil.copy(PROJECT_DIR / name, self.root)
        (self.root / ".venv").symlink_to(Path(sys.executable).parents[1])

    def run(self, *command: str, **values: str) -> Ended:
        """The command, with the copied package before the installed one."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=environment(self.data, **values) | {"PYTHONPATH": str(self.root)},
            capture_output=True,
            text=True,
            timeout=HANGING_SECONDS,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def grabient(self, *arguments: str, **values: str) -> Ended:
        return self.run(".venv/bin/grabient", *arguments, **values)
