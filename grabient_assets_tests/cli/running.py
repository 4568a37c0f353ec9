"""The console script as a person runs it, in an environment that holds nothing of ours: as a process of its own, or in
this one, which saves seconds of imports where nothing depends on them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from grabient_assets.cli.main import app
from grabient_assets.groups.palettes.palette_file import SAMPLES
from grabient_assets.settings import SETTINGS
from grabient_assets_tests.hanging import HANGING_SECONDS

SCRIPT = Path(sys.executable).with_name("grabient")
OTHER_NAMES = ("GOOGLE_API_KEY", "GEMINI_API_KEY", "DAGSTER_HOME", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(data: Path, **values: str) -> dict[str, str]:
    """Nothing set but the data folder and `values`. An empty value also keeps a developer's .env out."""
    ours = dict.fromkeys((*(s.name for s in SETTINGS), *OTHER_NAMES[:2]), "")
    rest = {name: value for name, value in os.environ.items() if name not in OTHER_NAMES and name not in ours}
    return {**rest, **ours, "GRABIENT_DATA_DIR": str(data), **values}


def command(*arguments: str | Path) -> list[str]:
    return [str(SCRIPT), *map(str, arguments)]


def grabient(data: Path, *arguments: str | Path, **values: str) -> Ended:
    """Run `grabient ARGUMENTS` to its end."""
    done = subprocess.run(
        command(*arguments),
        env=environment(data, **values),
        capture_output=True,
        text=True,
        timeout=HANGING_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def typed(data: Path, *arguments: str | Path, **values: str) -> Ended:
    """`grabient ARGUMENTS` in this process, to its end. What the command does not expect is raised."""
    there = environment(data, **{"DAGSTER_HOME": "", **values})  # the command sets it; named here, it is set back
    done = CliRunner().invoke(app, list(map(str, arguments)), env=there, catch_exceptions=False)
    return Ended(done.exit_code, done.stdout, done.stderr)


@contextmanager
def emulator(data: Path, *arguments: str | Path) -> Iterator[dict[str, str]]:
    """`grabient emulator` in the foreground of a process; gives the base URL of each provider."""
    process = subprocess.Popen(
        command("emulator", *arguments),
        env=environment(data),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        yield dict(line.split() for line in lines[1:])
    finally:
        process.send_signal(2)
        _, err = process.communicate(timeout=HANGING_SECONDS)
    assert process.returncode == 0, err


def palettes(folder: Path, count: int) -> Path:
    """A palette file with the first of the bundled palettes."""
    path = folder / f"palettes-{count}.jsonl"
    path.write_text("".join(SAMPLES.read_text(encoding="utf-8").splitlines(keepends=True)[:count]), encoding="utf-8")
    return path
