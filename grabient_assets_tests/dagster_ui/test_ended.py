"""`grabient dev` that a person ends: Dagster's processes end with it, whenever that is."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from grabient_assets.cli.stopping import AT_ONCE
from grabient_assets.headless.waiting import NOTHING_UNDER_WAY
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.dev import Dev, dagster_dev

ENDING = "Dagster's processes are ended. A second Ctrl-C ends them at once."


def press(dev: Dev) -> None:
    """Ctrl-C, which a terminal sends to the whole group of processes in front."""
    os.killpg(dev.process.pid, signal.SIGINT)


def until_said(dev: Dev, words: str) -> None:
    dev.until(words, lambda: words in said(dev), lambda: said(dev)[-500:])


def runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until_none_is_left(dev: Dev, processes: Sequence[psutil.Process]) -> None:
    """A process that was killed is there a moment longer: it dies when it has its turn on the machine."""
    dev.until("the end of Dagster's processes", lambda: not any(map(runs, processes)), lambda: said(dev)[-500:])


def said(dev: Dev) -> str:
    return dev.log.read_text(errors="replace")


def test_a_signal_ends_everything_in_order(tmp_path: Path) -> None:
    with dagster_dev(tmp_path / "data") as dev:
        processes = dev.process.children(recursive=True)
        assert len(processes) >= 5, "dg, code server, its copy, webserver and daemon"
        dev.process.send_signal(signal.SIGTERM)
        assert dev.process.wait(HANGING_SECONDS) == 143
        until_none_is_left(dev, processes)
    assert said(dev).splitlines()[-1] == NOTHING_UNDER_WAY and ENDING in said(dev)
    assert "Dagster services shut down." in said(dev)
    assert "/grabient_assets/cli/" not in said(dev), "no traceback of the command; Dagster's tick may have one"


@pytest.mark.slow
def test_a_second_ctrl_c_ends_everything_at_once(tmp_path: Path) -> None:
    with dagster_dev(tmp_path / "data") as dev:
        processes = dev.process.children(recursive=True)
        press(dev)
        until_said(dev, ENDING)
        press(dev)
        assert dev.process.wait(HANGING_SECONDS) == 130
        until_none_is_left(dev, processes)
    assert said(dev).splitlines()[-1] == AT_ONCE and "Dagster services shut down." not in said(dev)


def test_ctrl_c_while_dagster_is_imported(tmp_path: Path) -> None:
    with dagster_dev(tmp_path / "data", waits=False) as dev:
        dev.until("the process of dg", lambda: bool(dev.process.children()), lambda: said(dev))
        processes = dev.process.children(recursive=True)
        press(dev)
        assert dev.process.wait(HANGING_SECONDS) == 130
        until_none_is_left(dev, processes)
    lines = [line for line in said(dev).splitlines() if "the studio is at" not in line]  # it may be up by then
    assert lines == [NOTHING_UNDER_WAY]
