"""Who executes what: told of a process of this machine, of an earlier start of it, and of another one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from grabient_assets.process_identity import ProcessIdentity, parse, this_process

SAY = "from grabient_assets.process_identity import this_process; print(this_process())"


def ended_process() -> ProcessIdentity:
    said = subprocess.run([sys.executable, "-c", SAY], capture_output=True, text=True, check=True)
    found = parse(said.stdout.strip())
    assert found is not None
    return found


def test_it_is_read_as_it_was_written():
    here = this_process()
    assert here.pid == os.getpid() and here.started and parse(str(here)) == here
    assert parse(None) is parse("") is parse("4711") is parse("a/b/c/d/no-number/f") is None


def test_a_process_of_this_machine_has_ended_or_not():
    assert this_process().has_ended() is False
    assert ended_process().has_ended() is True


def test_a_process_that_only_waits_to_be_reaped_has_ended():
    with subprocess.Popen([sys.executable, "-c", f"{SAY}"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = parse(process.stdout.readline().strip())
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert said is not None and said.pid == process.pid and said.has_ended() is True


def test_a_later_process_of_the_same_number_is_another():
    assert replace(this_process(), started="1").has_ended() is True


@pytest.mark.parametrize("alive_there", [True, False])
def test_a_process_of_another_machine_cannot_be_judged_here(alive_there: bool):
    process = this_process() if alive_there else ended_process()
    elsewhere = replace(process, host="worker-2", machine="other", boot="another-boot")
    assert elsewhere.has_ended() is None
    assert replace(process, namespace="4026539999").has_ended() is None  # a container on this machine
    assert replace(process, boot="another-boot", machine="").has_ended() is None  # machines without an id of their own


@pytest.mark.skipif(not Path("/etc/machine-id").exists(), reason="the system has no id of its own")
def test_what_ran_before_this_machine_started_anew_has_ended():
    assert this_process().machine
    assert replace(this_process(), boot="an-earlier-boot").has_ended() is True


def test_a_machine_that_got_another_name_still_knows_its_processes():
    renamed = replace(this_process(), host="before-the-network-came")
    assert renamed.has_ended() is False
