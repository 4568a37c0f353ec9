"""A signal at the ends of a process: while it imports, at a question, after its last word, and while Python takes
itself apart. What happens in between is in reliability/test_stopped.py."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grabient_assets.cli.leaving import STOPPED
from grabient_assets_tests.cli.running import CTRL_C, at_a_terminal, environment, hear_signals, palettes, typed
from grabient_assets_tests.hanging import HANGING_SECONDS

INT, TERM = signal.SIGINT, signal.SIGTERM

IMPORTING = """
import os, sys
from grabient_assets.__main__ import main

class Spy:
    def find_spec(self, name, *_):
        if name == "{module}":
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Spy())
sys.argv = ["grabient", "--version"]
main()
"""
TAKEN_APART = """
import os, sys

class Late:
    def __init__(self):
        self.kill, self.pid = os.kill, os.getpid()
    def __del__(self):
        self.kill(self.pid, {number})

late = Late()
sys.argv = ["grabient", "--version"]
from grabient_assets.__main__ import main
main()
"""
LEAKED = """
import _imp, sys
_imp.acquire_lock()
sys.argv = ["grabient", "settings"]
from grabient_assets.__main__ import main
main()
"""
LIVE = {"GRABIENT_MODE": "live", "OPENAI_API_KEY": "sk-0123456789abcdef", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
SPENDING = ("run", "--until", "tags", "--analyses", "1", "--timeout", "0")


def ended(data: Path, program: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a Python program that runs the console script."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=HANGING_SECONDS,
        preexec_fn=hear_signals,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("number", (INT, TERM))
@pytest.mark.parametrize("module", ("grabient_assets.cli.main", "typer", "grabient_assets.cli.stopping", "threading"))
def test_while_modules_are_imported(data: Path, module: str, number: signal.Signals) -> None:
    assert ended(data, IMPORTING.format(module=module, number=int(number))) == (128 + number, "", f"{STOPPED}\n")


@pytest.mark.parametrize("number", (INT, TERM))
def test_when_everything_is_done_and_python_takes_itself_apart(data: Path, number: signal.Signals) -> None:
    code, out, err = ended(data, TAKEN_APART.format(number=int(number)))
    assert (code, err) == (0, "") and out.startswith("grabient ")


def test_an_import_lock_that_a_dropped_interrupt_left_taken_ends_the_process(data: Path) -> None:
    assert ended(data, LEAKED) == (128 + INT, "", f"{STOPPED}\n")


def test_at_the_question_before_spending(data: Path, tmp_path: Path) -> None:
    typed(data, "load", palettes(tmp_path, 2))
    code, shown = at_a_terminal(data, LIVE, CTRL_C, *SPENDING)
    question, _, after = shown.partition("[y/N]")
    assert "Nothing limits what is spent." in question
    assert (code, only(after)) == (130, [STOPPED])


def test_at_the_question_what_sixteen_numbers_are(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "sixteen.txt"
    file.write_text("0.5 0.5 0.5 1 0.5 0.5 0.5 0 1 1 1 0 0 0.33 0.67 0\n", encoding="utf-8")
    code, shown = at_a_terminal(data, {}, CTRL_C, "load", file)
    assert (code, only(shown.partition("[y/n]")[2])) == (130, [STOPPED])


def only(after: str) -> list[str]:
    """What the terminal shows after the question, without the key that was pressed."""
    return [line for part in after.split("\r\n") if (line := part.replace("\x1b[?25h", "").strip(" :")) != "^C"][:-1]
