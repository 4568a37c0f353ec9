"""The running emulator of a data folder: where it is found, and how one is started when there is none.

Its address stands in `<data_dir>/emulator/endpoint.json`. Locks between processes keep two from being started.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from grabient_assets import interrupts
from grabient_assets.errors import EmulatorError

BASE_PATHS = {
    "anthropic": "/anthropic",
    "openai": "/openai/v1",
    "groq": "/groq",
    "google": "/google",
    "cloudflare": "/cloudflare/client/v4",
    "youtube": "/youtube",
    "web": "/web",
}
HEALTH_TIMEOUT_SECONDS = 2.0
START_DEADLINE_SECONDS = 20.0
IDLE_EXIT_SECONDS = 900
PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class EmulatorEndpoint:
    """A running emulator: its address, its process and the base URL of each provider."""

    url: str
    pid: int

    @property
    def base_urls(self) -> dict[str, str]:
        return {provider: self.url + path for provider, path in BASE_PATHS.items()}


def emulator_dir(data_dir: Path) -> Path:
    return data_dir / "emulator"


def endpoint_file(data_dir: Path) -> Path:
    return emulator_dir(data_dir) / "endpoint.json"


def read_endpoint(data_dir: Path) -> EmulatorEndpoint | None:
    """The contents of endpoint.json; None when there is none, or one that cannot be read (left by a killed process)."""
    try:
        found = json.loads(endpoint_file(data_dir).read_text(encoding="utf-8"))
        return EmulatorEndpoint(str(found["url"]), int(found["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_endpoint(data_dir: Path, endpoint: EmulatorEndpoint, started_at: str) -> None:
    """Writes endpoint.json in one step: a reader sees the old file or the new one, never half."""
    path = endpoint_file(data_dir)
    draft = path.with_name(f"endpoint.{os.getpid()}.tmp")
    document = {"url": endpoint.url, "pid": endpoint.pid, "started_at": started_at}
    draft.write_text(json.dumps(document) + "\n", encoding="utf-8")
    draft.replace(path)


def remove_endpoint(data_dir: Path) -> None:
    endpoint_file(data_dir).unlink(missing_ok=True)


def running_emulator(data_dir: Path) -> EmulatorEndpoint | None:
    """The emulator that serves the folder and answers now; None when there is none."""
    endpoint = read_endpoint(data_dir)
    return endpoint if endpoint is not None and _healthy(endpoint) else None


def ensure_emulator(data_dir: Path, polls: int | None = None) -> EmulatorEndpoint:
    """The emulator that serves the folder, started in the background when none does.

    `polls` is for a new one: a running one keeps its own. Two processes that call this at once get the same
    emulator. Raises EmulatorError with the end of the log when none answers within 20 seconds.
    """
    if (found := running_emulator(data_dir)) is not None:
        return found
    deadline = time.monotonic() + START_DEADLINE_SECONDS
    lock = FileLock(emulator_dir(data_dir) / "starting.lock")
    try:
        while not lock.try_acquire():
            if (found := running_emulator(data_dir)) is not None:
                return found
            _pause(deadline, data_dir, None)
        found = running_emulator(data_dir)
        return found if found is not None else _started(data_dir, polls, deadline)
    finally:
        lock.release()


def _started(data_dir: Path, polls: int | None, deadline: float) -> EmulatorEndpoint:
    command = [sys.executable, "-m", "grabient_assets.emulator", "--data-dir", str(data_dir)]
    command += ["--idle-exit", str(IDLE_EXIT_SECONDS)]
    command += ["--polls", str(polls)] if polls is not None else []
    with _log(data_dir).open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, close_fds=True
        )
    while True:
        if (found := running_emulator(data_dir)) is not None:
            return found
        _pause(deadline, data_dir, process)


def _pause(deadline: float, data_dir: Path, process: subprocess.Popen[bytes] | None) -> None:
    ended = process is not None and process.poll() is not None
    if ended or time.monotonic() > deadline:
        reason = f"ended with code {process.returncode}" if ended and process else "did not answer within 20 seconds"
        raise EmulatorError(f"The emulator of {data_dir} {reason}. The end of {_log(data_dir)}: {_tail(data_dir)}")
    interrupts.sleep(PAUSE_SECONDS)


def _healthy(endpoint: EmulatorEndpoint) -> bool:
    """Whether the process named in endpoint.json answers there. Proxies of the environment are passed by."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{endpoint.url}/_emulator/health", timeout=HEALTH_TIMEOUT_SECONDS) as answer:
            return json.load(answer).get("pid") == endpoint.pid
    except (OSError, ValueError):
        return False


def _log(data_dir: Path) -> Path:
    return emulator_dir(data_dir) / "emulator.log"


def _tail(data_dir: Path) -> str:
    try:
        text = _log(data_dir).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-12:]) or "(empty)"


class FileLock:
    """An exclusive lock on a file. The file itself stays."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    def try_acquire(self) -> bool:
        """Takes the lock; False when another process (or another FileLock) holds it."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        os.close(self._handle)
