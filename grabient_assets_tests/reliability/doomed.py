"""A process that dies at one exact point: `python -m grabient_assets_tests.reliability.doomed POINT PROVIDER ARGS`

It runs the console script's entry point with ARGS, under a profile function that watches for one trap
(traps.py). There the process kills itself, as `kill -9` would: no `finally`, no rollback, no exit handler runs. When
the trap is never reached the process ends as any other, and whoever started it sees that it did not die.

A death within a write to the database is the kernel's. For a death within the commit, the size limit of files
(RLIMIT_FSIZE) is set a few bytes beyond DuckDB's log (.wal): the write that crosses it is cut short at that byte, and
the next one ends the process with SIGXFSZ. The log is then exactly as long as the limit. For a death while the log goes
into the tables, on closing, the limit is set behind the file's headers: the first block that is written ends the
process. By then DuckDB has noted in the log that it begins (49 bytes, measured with 1.5.5), so the log has grown.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
from types import CodeType, FrameType
from typing import Any

from grabient_assets.cli.main import main as console_script
from grabient_assets.emulator.endpoint import read_endpoint
from grabient_assets.ledger import round
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.attaching import Attached
from grabient_assets_tests.pipeline.place import control
from grabient_assets_tests.reliability.steps import POINTS, Point
from grabient_assets_tests.reliability.traps import TRAPS, Trap

TORN = "torn.json"
"""In the data folder: how long, in bytes, the log must be when the process has died where it should."""

HEADERS = 3 * 4096
"""What stands before the first block of a DuckDB file."""

HELD_ROUTES = {"anthropic": "results", "openai": "file_content", "groq": "file_content", "google": "retrieve"}
"""The call by which a provider hands out results. Gemini's small batches carry them in the batch itself."""

WAREHOUSE = "grabient_assets.warehouse."


class Doom:
    """The profile function, for every thread, until the trap springs; then what this point wants."""

    def __init__(self, point: Point, provider: str) -> None:
        self._point = point
        self._provider = provider
        self._traps: dict[CodeType, Trap] = {code: trap for trap in TRAPS[point.trap or ""] for code in trap.codes}
        self._sprung = False

    def arm(self) -> None:
        threading.setprofile(self._watch)
        sys.setprofile(self._watch)

    def _watch(self, frame: FrameType, happening: str, argument: Any) -> None:
        trap = self._traps.get(frame.f_code)
        if trap is None or trap.happening != happening or self._sprung:
            return
        if trap.subject(frame, argument) == (self._provider, self._point.purpose):
            self._sprung = True
            threading.setprofile(None)
            sys.setprofile(None)
            self._spring()

    def _spring(self) -> None:
        if self._point.how == "hold":
            held = {"provider": self._provider, "route": HELD_ROUTES[self._provider]}
            endpoint = read_endpoint(load_settings().data_dir)
            assert endpoint is not None
            control(endpoint, "faults", {"rules": [{"match": held, "action": {"do": "hold"}}]})
        elif self._point.trap in ("settled", "committing", "committed", "closing"):
            sys.setprofile(self._watch_commit)
        else:
            self.strike()

    def strike(self) -> None:
        """Kill the process, where it stands."""
        _die()

    def _watch_commit(self, frame: FrameType, happening: str, argument: Any) -> None:
        """What the warehouse does next: it commits, then closes the file, which writes the log into the tables."""
        if not happening.startswith("c_") or not frame.f_globals.get("__name__", "").startswith(WAREHOUSE):
            return
        match self._point.trap, happening, argument.__name__:
            case "settled", "c_call", "commit":
                sys.setprofile(None)
                at = _log_size() + self._point.bytes
                _limit_files(at, least=at, most=at)
            case ("committing", "c_call", "commit") | ("committed", "c_return", "commit"):
                sys.setprofile(None)
                self.strike()
            case "closing", "c_call", "execute" if frame.f_code is Attached.close.__code__:
                sys.setprofile(None)
                size = _log_size()
                _limit_files(max(HEADERS, size + 4096), least=size + 1, most=size + 4096)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _log_size() -> int:
    database = load_settings().database
    log = database.with_name(f"{database.name}.wal")
    return log.stat().st_size if log.exists() else 0


def _limit_files(limit: int, least: int, most: int) -> None:
    """Let the kernel end the process at the first byte that is written behind the limit, in whichever file."""
    note = load_settings().data_dir / TORN
    note.write_text(json.dumps({"least": least, "most": most}), encoding="utf-8")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def import_what_is_slow() -> None:
    """Imports make millions of calls. Under the profile function they would take half a minute."""
    import anthropic
    import duckdb
    import google.genai
    import groq
    import openai
    import pandas

    import grabient_assets.definitions

    assert all((anthropic, duckdb, google.genai, groq, openai, pandas, grabient_assets.definitions))


def main() -> None:
    place, provider, *arguments = sys.argv[1:]
    import_what_is_slow()
    if POINTS[int(place)].trap == "closing":
        round.WRITTEN_TOGETHER = 1  # as with large batches; the log of many would be longer than the file it goes into
    # Python ignores it. Only the main thread may change that, and the command works in another.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    sys.argv = ["grabient", *arguments]
    Doom(POINTS[int(place)], provider).arm()
    console_script()


if __name__ == "__main__":
    main()
