"""One data folder whose runs are stopped by signals and started again. The whole sweep is `make stop-matrix`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grabient_assets.emulator.endpoint import EmulatorEndpoint, ensure_emulator
from grabient_assets.groups.palettes.loading import load_palettes
from grabient_assets.groups.palettes.palette_file import SAMPLES
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.cli.running import hear_signals
from grabient_assets_tests.pipeline.place import control, emulator_ended_after, environment_of, samples
from grabient_assets_tests.reliability.asked import NOTE
from grabient_assets_tests.reliability.audit import check_readable, paid_twice
from grabient_assets_tests.reliability.killing import PALETTES, POLLS, RUN, SECONDS, Victim
from grabient_assets_tests.reliability.steps import ANY, BEFORE, MOMENTS, Point, moment

COMMANDS = (
    ("demo",),
    ("load", str(SAMPLES)),
    ("plan",),
    ("status",),
    ("costs",),
    ("retry", "--run"),
    ("cancel", "a-batch"),
    ("reparse",),
    ("reports",),
)
WITHIN_SECONDS = 10.0
WAYS_ON = ("un the same command again", "`grabient run` collects them")
NEVER_SAID = ("Traceback", "Query interrupted", "Interrupt", "Move it away", "cannot be opened", "failed:")
NEVER_ENDS = {"match": {}, "action": {"do": "pending"}}
KEYS = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "groq": ("GROQ_API_KEY", "GROQ_BASE_URL"),
    "google": ("GOOGLE_GENERATIVE_AI_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
}


_making = threading.Lock()
"""DuckDB makes no checkpoint of a new file while another thread writes one."""


class NotStoppedError(AssertionError):
    """The process did not come to the moment, or did not end as it should."""


@dataclass
class Stopped(Victim):
    """A data folder that is stopped. `live`: the real addresses of the SDKs point at an emulator elsewhere. `endless`:
    no batch ever ends."""

    live: bool = False
    endless: bool = False

    @property
    def served(self) -> Path:
        """The folder of the emulator."""
        return self.folder.with_name(f"{self.folder.name}-served") if self.live else self.folder

    @property
    def emulator(self) -> EmulatorEndpoint:
        return ensure_emulator(self.served, POLLS)

    def environment(self) -> dict[str, str]:
        values = environment_of(self.folder)
        if self.live:
            values["GRABIENT_MODE"] = "live"
            for name, (key, url) in KEYS.items():
                values |= {key: f"key-of-{name}", url: self.emulator.base_urls[name]}
        return values

    def stop(
        self, moment: Point, provider: str, number: signal.Signals, run: Sequence[str] = RUN, *, twice: bool = False
    ) -> str:
        """Start `grabient run`, ask it to end at the moment, and look at how it ends; what it said.

        `twice`: while the emulator keeps a call, it is asked twice. Raises NotStoppedError with what is wrong.
        """
        what = f"{number.name} {moment.step} ({moment.name}) at {provider}{', live' if self.live else ''}"
        endpoint = self.emulator
        if moment.how == "trap":
            launcher = (sys.executable, "-m", "grabient_assets_tests.reliability.asked")
            place = str(MOMENTS.index(moment))
            note = self.served / NOTE
            note.unlink(missing_ok=True)
            with self._process(*launcher, place, provider, number.name, str(self.served), *run) as process:
                out, err = process.communicate(timeout=SECONDS)
            ended = time.time()
            if not note.exists():
                raise NotStoppedError(f"{what}: the moment never came. {process.returncode} {err[-600:]}")
            said = json.loads(note.read_text(encoding="utf-8"))
            before, asked_at = said["counts"], said["at"]
        else:
            with self._doomed(moment, provider) as process:
                self._wait_until_held(process, moment, provider, len(self.accepted(provider)), what)
                before, asked_at = control(endpoint, "calls")["counts"], time.time()
                process.send_signal(number)
                if twice:
                    time.sleep(0.5)  # two signals at once are one to the kernel
                    process.send_signal(number)
                out, err = process.communicate(timeout=SECONDS)
                ended = time.time()
            control(endpoint, "faults", {"rules": [NEVER_ENDS] if self.endless else []})
            control(endpoint, "release", {})
        after = control(endpoint, "calls")["counts"]
        # What a short command has found out by then it may still print.
        self._check(what, process.returncode, number, ended - asked_at, out if run is RUN else "", err)
        if before and after != before:
            raise NotStoppedError(f"{what}: after the signal there were calls: {before} became {after}.")
        check_readable(self)
        if bought_again := paid_twice(self):
            raise NotStoppedError(f"{what}: paid twice: {bought_again}")
        self.kills += 1
        return err

    def _check(self, what: str, code: int, number: signal.Signals, seconds: float, out: str, err: str) -> None:
        wrong = [word for word in NEVER_SAID if word in err]
        if code != 128 + number:
            wrong.append(f"exit code {code}")
        if seconds > WITHIN_SECONDS:
            wrong.append(f"{seconds:.1f} seconds")
        last = err.rstrip().splitlines()[-1] if err.strip() else ""
        if not last.startswith("Stopped") or not any(way in last for way in WAYS_ON):
            wrong.append("no last words")
        if wrong or out:
            raise NotStoppedError(f"{what}: {wrong} {out} {err[-800:]}")

    @contextmanager
    def _process(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command,
            env=self.environment(),
            stdout=pipe,
            stderr=pipe,
            text=True,
            preexec_fn=hear_signals,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


@contextmanager
def stopped(folder: Path, *, live: bool = False, endless: bool = False) -> Iterator[Stopped]:
    """A folder with loaded palettes; its emulator ends with it."""
    found = Stopped(folder, live=live, endless=endless)
    found.served.mkdir(parents=True, exist_ok=True)
    with emulator_ended_after(found.served):
        with _making:
            load_palettes(found.warehouse, samples(PALETTES), "samples", datetime.now(UTC))
        if endless:
            control(found.emulator, "faults", {"rules": [NEVER_ENDS]})
        yield found


def needs_answers(moment: Point) -> bool:
    """Whether the moment comes only when batches end."""
    return moment.purpose == "refinement" or moment.trap in ("download", "line", "archived", "committed", "completing")


def sweep(folder: Path, moment: Point, live: bool) -> list[str]:
    """Stop at the moment at each provider in turn, by both signals; what was wrong. In live mode no batch ever ends; in
    emulator mode the run is brought to its end then, and the folder is audited."""
    from grabient_assets_tests.reliability.audit import audit

    troubles: list[str] = []
    with stopped(folder, live=live, endless=live) as place:
        for number, provider in enumerate(moment.providers):
            try:
                place.stop(moment, provider, (signal.SIGINT, signal.SIGTERM)[number % 2])
            except (AssertionError, subprocess.TimeoutExpired) as error:
                troubles.append(str(error))
        if live:
            return troubles
        try:
            place.finish()
            found = audit(place)
        except AssertionError as error:
            return [*troubles, f"{moment.name}: {error}"]
        return troubles + [f"{moment.name}: {one}" for one in (*found.lost, *found.paid_twice, *found.wrong)]


def sweep_commands(folder: Path) -> list[str]:
    """Stop every command that opens the database, by both signals; what was wrong."""
    troubles: list[str] = []
    opening = moment(BEFORE, "the database is about to be opened")
    with stopped(folder) as place:
        for number, arguments in enumerate(COMMANDS):
            try:
                place.stop(opening, ANY, (signal.SIGINT, signal.SIGTERM)[number % 2], arguments)
            except (AssertionError, subprocess.TimeoutExpired) as error:
                troubles.append(f"grabient {' '.join(arguments)}: {error}")
    return troubles


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m grabient_assets_tests.reliability.stopping")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many folders at once")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only moments whose name holds one of these")
    options = parser.parse_args()
    chosen = [one for one in MOMENTS if not options.names or any(name in one.name for name in options.names)]
    cases = [(one, live) for one in chosen for live in (False, True) if not (live and needs_answers(one))]
    started, stops = time.monotonic(), 0
    with tempfile.TemporaryDirectory(prefix="stop-matrix-") as root, ThreadPoolExecutor(options.jobs) as pool:

        def run(numbered: tuple[int, tuple[Point, bool]]) -> list[str]:
            number, (at, live) = numbered
            troubles = sweep(Path(root) / str(number), at, live)
            said = "; ".join(troubles) or "as it should be"
            mode = "live" if live else "emulator"
            sys.stderr.write(f"[{time.monotonic() - started:5.0f} s] {at.step} ({at.name}), {mode}: {said}\n")
            return troubles

        found = [] if options.names else sweep_commands(Path(root) / "commands")
        found += [trouble for troubles in pool.map(run, enumerate(cases)) for trouble in troubles]
        stops = sum(len(one.providers) for one, _ in cases) + (0 if options.names else len(COMMANDS))
    sys.stdout.write(f"{stops} stops, {len(found)} wrong; {len(PROVIDERS)} providers, {len(chosen)} moments, ")
    sys.stdout.write(f"{time.monotonic() - started:.0f} s.\n")
    sys.stdout.writelines(f"{trouble}\n" for trouble in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
