"""A data folder of its own for each test, and an environment in which nothing points anywhere else."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grabient_assets.emulator.endpoint import EmulatorEndpoint, read_endpoint, running_emulator
from grabient_assets.groups.palettes.palette_file import SAMPLES, PaletteFile, read_palette_file
from grabient_assets.settings import PROJECT_DIR, SETTINGS
from grabient_assets_tests.hanging import HANGING_SECONDS

COMMANDS = Path(sys.executable).parent
_OTHER_NAMES = ("GOOGLE_API_KEY", "GEMINI_API_KEY")


def settings_of(folder: Path) -> dict[str, str]:
    """The environment variables of a data folder in emulator mode.

    Every other setting is empty, which counts as not set and wins over a developer's `.env`.
    """
    names = [*(setting.name for setting in SETTINGS), *_OTHER_NAMES]
    here = {"GRABIENT_MODE": "emulator", "GRABIENT_DATA_DIR": str(folder), "DAGSTER_HOME": str(folder / "dagster")}
    return {**dict.fromkeys(names, ""), **here}


def environment_of(folder: Path) -> dict[str, str]:
    """The whole environment of a process that works on the data folder."""
    path = f"{COMMANDS}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **settings_of(folder), "PATH": path, "PWD": str(PROJECT_DIR), "NO_COLOR": "1"}


def samples(count: int) -> PaletteFile:
    """The first bundled palettes."""
    file = read_palette_file(SAMPLES)
    return PaletteFile(file.path, file.rows[:count])


def control(endpoint: EmulatorEndpoint, path: str, body: Any = None) -> Any:
    """A call to the emulator's control plane: a GET, or a POST of `body`."""
    data = None if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    with urllib.request.urlopen(
        urllib.request.Request(f"{endpoint.url}/_emulator/{path}", data, method=method), timeout=HANGING_SECONDS
    ) as answer:
        return json.load(answer)


def creates(endpoint: EmulatorEndpoint | None) -> list[dict[str, Any]]:
    """Every batch that was really created, with its custom ids; none without an emulator."""
    return [] if endpoint is None else control(endpoint, "calls")["creates"]


@contextmanager
def emulator_ended_after(folder: Path) -> Iterator[None]:
    """Ends the emulator that the code under test started for the folder, and waits until it is gone."""
    try:
        yield
    finally:
        end_emulator(folder)


def end_emulator(folder: Path) -> None:
    """End it, if one runs for the folder. What needs one next starts another, on the same state."""
    found = read_endpoint(folder)
    if found is not None and found.pid != os.getpid():
        _end(found.pid)
        assert running_emulator(folder) is None


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not _alive(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)


def _alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and that this process started is reaped."""
    try:
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return False
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
