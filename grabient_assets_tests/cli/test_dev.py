"""`grabient dev` starts `dg dev`, and a person or a service ends it by a signal."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from grabient_assets.cli.dev import dagster_address
from grabient_assets_tests.cli.running import command, environment
from grabient_assets_tests.hanging import HANGING_SECONDS


def children(pid: int) -> list[tuple[str, str]]:
    """Command line and status of each process that this one started."""
    found: list[tuple[str, str]] = []
    for one in psutil.Process(pid).children():
        about = Path("/proc") / str(one.pid)
        found.append((about.joinpath("cmdline").read_text(), about.joinpath("status").read_text()))
    return found


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Dagster's UI is at http://127.0.0.1:3000"),
        (["-p", "4000", "-h", "::1"], "Dagster's UI is at http://[::1]:4000"),
        (["--host=0.0.0.0", "--port=4000"], "Dagster's UI is at http://0.0.0.0:4000"),
        (["-p", "0"], "Dagster's UI is at the address that it names itself"),
    ],
)
def test_it_says_where_dagster_is(arguments: list[str], sentence: str) -> None:
    assert dagster_address(arguments) == sentence


def test_sigterm_ends_it_also_where_ctrl_c_is_ignored(data: Path, tmp_path: Path) -> None:
    """`nohup grabient dev &` starts it with SIGINT ignored, and Dagster handles SIGTERM as it finds SIGINT."""
    log = tmp_path / "stderr"
    process = subprocess.Popen(
        command("dev", "-p", "0", "--studio-port", "0"),
        env=environment(data),
        stdout=subprocess.DEVNULL,
        stderr=log.open("wb"),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        until = time.monotonic() + HANGING_SECONDS
        while not (started := [one for one in children(process.pid) if "/dg\0dev\0" in one[0]]):
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail("It never started dg dev.")
            time.sleep(0.1)
        ignored = next(line for line in started[0][1].splitlines() if line.startswith("SigIgn"))
        assert not int(ignored.split()[1], 16) >> (signal.SIGINT - 1) & 1
        while not (studio := re.search(r"the studio is at (http://127\.0\.0\.1:\d+)\.", log.read_text())):
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail("The studio never came up.")
            time.sleep(0.1)
        with urllib.request.urlopen(f"{studio[1]}/index.json", timeout=HANGING_SECONDS) as answer:
            assert json.load(answer)["palettes"] == 0
        process.terminate()
        assert process.wait(HANGING_SECONDS) == 143
    finally:
        process.kill()
        process.wait()
