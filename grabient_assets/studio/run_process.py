"""A `grabient run` that the studio started: a process of its own session, with its output in a log file.

It is not ended with the studio. Each run has a folder below the data folder: `run.json` names the process by its number
and its start time, so that a studio which is started later finds it again.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from grabient_assets.headless.following import Follower, followers
from grabient_assets.places import project_dir
from grabient_assets.settings import Settings
from grabient_assets.wording import harmless

RunState = Literal["running", "stopping", "ended"]
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{6}")
LOG_LINES, LOG_BYTES = 40, 32_768
SAME_START_SECONDS = 2.0
"""A process with this number that began at another time is another one."""
ENDS = {
    0: "It reached its end.",
    1: "It ended, and something is missing: the log says what.",
    2: "It refused its options: the log says which.",
    130: "It was stopped, as Ctrl-C does. Nothing is lost: a new run goes on.",
    143: "It was stopped at once, by the second press. Nothing is lost: a new run goes on.",
    137: "It was killed. Nothing is lost: a new run goes on.",
}
"""What the exit codes of `grabient run` mean."""
_starting = threading.Lock()


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What `run.json` holds. `created` is the start time of the process, in seconds since 1970, as the system has it;
    `options` are those of `grabient run`; `stops` are the moments at which a person pressed Stop."""

    run_id: str
    pid: int
    created: float
    started_at: datetime
    prompt_version: str
    palettes: int
    options: Mapping[str, str]
    stops: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class RunNow:
    """A run as it stands. `exit_code` is None while it runs, and where nothing could write it down."""

    record: RunRecord
    state: RunState
    exit_code: int | None

    @property
    def sentence(self) -> str:
        """How it stands, for a person."""
        if self.state == "running":
            return "It runs."
        if self.state == "stopping":
            again = " Press again to stop at once." if len(self.record.stops) == 1 else ""
            return f"It is stopping: what is under way comes to its end first.{again}"
        if self.exit_code is None:
            return "It is gone, and nothing wrote down how it ended. The log shows its last words."
        return ENDS.get(self.exit_code, f"It ended with exit code {self.exit_code}: the log says why.")


PROGRAM = (sys.executable, "-m", "grabient_assets")


def start_run(
    settings: Settings,
    seeds: Sequence[str],
    prompt_version: str,
    options: Mapping[str, str],
    now: datetime,
    program: Sequence[str] = PROGRAM,
) -> RunRecord | str:
    """Start `grabient run` over these palettes; a sentence instead, while another run is on."""
    import psutil

    with _starting:
        if why := why_not_start(settings):
            return why
        run_id = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        folder = _folder(settings) / run_id
        folder.mkdir(parents=True)
        (folder / "seeds.txt").write_text("".join(f"{seed}\n" for seed in seeds), encoding="utf-8")
        command = [*program, *arguments(folder, prompt_version, options)]
        named = [f"{name}={value}" for name, value in _named_settings(settings).items()]
        waiting = [
            "env",  # adds to the environment, which only settings.py reads
            *named,
            sys.executable,
            "-m",
            "grabient_assets.studio.run_child",
            str(folder / "exit_code"),
            *command,
        ]
        with (folder / "output.log").open("wb") as log:
            process = subprocess.Popen(
                waiting,
                cwd=project_dir(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # Somebody has to wait for a child, or it stays in the table of processes.
        threading.Thread(target=process.wait, name=f"run {run_id}", daemon=True).start()
        created = psutil.Process(process.pid).create_time()
        record = RunRecord(run_id, process.pid, created, now, prompt_version, len(seeds), dict(options))
        _write(folder, record)
        return record


def arguments(folder: Path, prompt_version: str, options: Mapping[str, str]) -> list[str]:
    """The words behind `grabient`. A page has asked already whether to spend the money, so `--yes`."""
    words = ["run", "--prompt-version", prompt_version, "--seeds", str(folder / "seeds.txt"), "--yes"]
    for name, value in options.items():
        words += [f"--{name}"] if value == "yes" else [f"--{name}", value]
    return words


def why_not_start(settings: Settings) -> str | None:
    """Why no run should be started now: one is on, from here or from a shell; None when none is."""
    running = next((one for one in recent_runs(settings) if one.state != "ended"), None)
    if running is not None:
        return f"A run of the studio is on since {_clock(running.record.started_at)}. One runs at a time."
    others = other_followers(settings)
    if others:
        return (
            f"`grabient run` is on in a shell (process {others[0].pid}, since {_clock(others[0].since)}). One runs at "
            "a time: wait for its end, or press Ctrl-C there."
        )
    return None


def other_followers(settings: Settings) -> list[Follower]:
    """The processes that follow a run on this folder and were not started by the studio."""
    ours = {one.record.pid for one in recent_runs(settings)}
    return [one for one in followers(settings) if one.session not in ours]


def recent_runs(settings: Settings, most: int = 10) -> list[RunNow]:
    """The runs that were started here, the latest first."""
    names = sorted((path.name for path in _folder(settings).glob("*-*") if RUN_ID.fullmatch(path.name)), reverse=True)
    return [one for name in names[:most] if (one := run_now(settings, name)) is not None]


def run_now(settings: Settings, run_id: str) -> RunNow | None:
    """The run of that id as it stands; None when there is none."""
    folder = _folder(settings) / run_id
    if not RUN_ID.fullmatch(run_id) or (record := _read(folder)) is None:
        return None
    # The exit code is written while the process still lives, so it is looked at first.
    code = _exit_code(folder)
    if code is None and is_alive(record.pid, record.created):
        return RunNow(record, "stopping" if record.stops else "running", None)
    return RunNow(record, "ended", _exit_code(folder))


def stop_run(settings: Settings, run_id: str, now: datetime) -> RunNow | None:
    """Stop it as Ctrl-C does; at the second press at once. None when there is no such run; one that has ended stays as
    it is."""
    found = run_now(settings, run_id)
    if found is None or found.state == "ended":
        return found
    record = replace(found.record, stops=(*found.record.stops, now))
    _write(_folder(settings) / run_id, record)
    with suppress(ProcessLookupError):
        os.killpg(record.pid, signal.SIGTERM if found.record.stops else signal.SIGINT)
    return run_now(settings, run_id)


def is_alive(pid: int, created: float) -> bool:
    """Whether this very process runs: one of the number, that began at that time."""
    import psutil

    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < SAME_START_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def seeds_of_run(settings: Settings, run_id: str) -> list[str]:
    """The palettes that the run is about."""
    try:
        return (_folder(settings) / run_id / "seeds.txt").read_text(encoding="utf-8").split()
    except OSError:
        return []


def end_of_log(settings: Settings, run_id: str) -> list[str]:
    """The last lines that the run printed."""
    try:
        with (_folder(settings) / run_id / "output.log").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [harmless(line) for line in text.splitlines()[-LOG_LINES:]]


def log_file(settings: Settings, run_id: str) -> Path:
    """Where all of it stands."""
    return _folder(settings) / run_id / "output.log"


def _named_settings(settings: Settings) -> dict[str, str]:
    """What the price was made with. `.env` may have been changed since the studio was started, and a run must not spend
    money where the page said that the emulator answers."""
    budget = {} if settings.budget_usd is None else {"GRABIENT_BUDGET_USD": f"{settings.budget_usd:f}"}
    return {
        "GRABIENT_MODE": settings.mode,
        "GRABIENT_DATA_DIR": str(settings.data_dir),
        "GRABIENT_CONSENSUS": settings.consensus,
        "GRABIENT_EMBEDDER": settings.embedder,
        **({} if settings.refiner is None else {"GRABIENT_REFINER": settings.refiner}),
        **budget,
    }


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "studio" / "runs"


def _write(folder: Path, record: RunRecord) -> None:
    """In one step: a reader sees the old file or the new one."""
    draft = folder / f"run.{os.getpid()}.tmp"
    draft.write_text(json.dumps(asdict(record), default=datetime.isoformat, indent=2) + "\n", encoding="utf-8")
    draft.replace(folder / "run.json")


def _read(folder: Path) -> RunRecord | None:
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return RunRecord(
            str(found["run_id"]),
            int(found["pid"]),
            float(found["created"]),
            datetime.fromisoformat(found["started_at"]),
            str(found["prompt_version"]),
            int(found["palettes"]),
            {str(name): str(value) for name, value in found["options"].items()},
            tuple(datetime.fromisoformat(one) for one in found["stops"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _exit_code(folder: Path) -> int | None:
    try:
        return int((folder / "exit_code").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"
