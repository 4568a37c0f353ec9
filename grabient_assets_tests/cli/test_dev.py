"""`grabient dev` becomes `dg dev`, which a person or a service ends by a signal."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from grabient_assets_tests.cli.running import command, environment
from grabient_assets_tests.hanging import HANGING_SECONDS


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
        about, until = Path("/proc") / str(process.pid), time.monotonic() + HANGING_SECONDS
        while "/dg\0dev\0" not in about.joinpath("cmdline").read_text():
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail("It never became dg dev.")
            time.sleep(0.1)
        ignored = next(line for line in about.joinpath("status").read_text().splitlines() if line.startswith("SigIgn"))
        assert not int(ignored.split()[1], 16) >> (signal.SIGINT - 1) & 1
        process.terminate()
        process.wait(HANGING_SECONDS)
    finally:
        process.kill()
        process.wait()
