"""`grabient dev` starts `dg dev`, and a person or a service ends it by a signal."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from grabient_assets_tests.cli.running import command, environment
from grabient_assets_tests.hanging import HANGING_SECONDS


def children(pid: int) -> list[tuple[str, str]]:
    """Command line and status of each process that this one started."""
    found: list[tuple[str, str]] = []
    for one in psutil.Process(pid).children():
        about = Path("/proc") / str(one.pid)
        found.append((about.joinpath("cmdline").read_text(), about.joinpath("status").read_text()))
    return found


def test_sigterm_ends_it_also_where_ctrl_c_is_ignored(data: Path) -> None:
    """`nohup grabient dev &` starts it with SIGINT ignored, and Dagster handles SIGTERM as it finds SIGINT."""
    process = subprocess.Popen(
        command("dev", "-p", "0"),
        env=environment(data),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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
        process.terminate()
        assert process.wait(HANGING_SECONDS) == 143
    finally:
        process.kill()
        process.wait()
