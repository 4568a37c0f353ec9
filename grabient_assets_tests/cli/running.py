"""The console script as a person runs it, in an environment that holds nothing of ours: as a process of its own, or in
this one, which saves seconds of imports where nothing depends on them."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
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
CTRL_C, CTRL_D = "\x03", "\x04"
QUESTION = ("[y/N]", "[y/n]")


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


def hear_signals() -> None:
    """A shell's background job ignores Ctrl-C, and so would its children: tests may run in one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def at_a_terminal(
    data: Path, values: Mapping[str, str], answer: str, *arguments: str | Path, columns: int = 0
) -> tuple[int, str]:
    """The exit code, and all that the terminal showed, when a person answers the question so."""
    pid, terminal = pty.fork()
    if pid == 0:
        hear_signals()
        os.execve(command()[0], command(*arguments), environment(data, **values))
    shown, answered = b"", False
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux says so at the end
            break
        shown += part
        if not part:
            break
        if not answered and any(question.encode() in shown for question in QUESTION):
            answered = True
            if columns:
                termios.tcsetwinsize(terminal, (24, columns))
            os.write(terminal, answer.encode() + (b"" if answer in (CTRL_C, CTRL_D) else b"\n"))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


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
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=HANGING_SECONDS)
    assert process.returncode == 0, err


def palettes(folder: Path, count: int) -> Path:
    """A palette file with the first of the bundled palettes."""
    path = folder / f"palettes-{count}.jsonl"
    path.write_text("".join(SAMPLES.read_text(encoding="utf-8").splitlines(keepends=True)[:count]), encoding="utf-8")
    return path


def type_in(data: Path, command: list[str], *more: str) -> Ended:
    """A command of a page, with the settings before it."""
    count = next(number for number, word in enumerate(command) if word.endswith("grabient"))
    values = dict(word.split("=", 1) for word in command[:count])
    return typed(data, *command[count + 1 :], *more, **values)
