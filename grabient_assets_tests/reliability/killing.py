"""One warehouse whose processes are killed and started again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Set
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grabient_assets.emulator.endpoint import EmulatorEndpoint, ensure_emulator
from grabient_assets.groups.palettes.loading import load_palettes
from grabient_assets.groups.refinement.purpose import refiner
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.pipeline.place import (
    COMMANDS,
    control,
    creates,
    emulator_ended_after,
    environment_of,
    samples,
)
from grabient_assets_tests.reliability.doomed import TORN
from grabient_assets_tests.reliability.steps import POINTS, Point

PALETTES = 2
RUN = ("run", "--analyses", "1", "--timeout", "500", "--json")
SECONDS = 600
POLLS = 3
"""A batch that nobody has an answer for must still run when it is looked for twice, by the sensor and by its run:
otherwise nothing shows that an open candidate is waited for."""
STARTS = 3
"""As often may the run be started again until nothing is open. Once is usual."""


class NotKilledError(AssertionError):
    """A process reached its end, or died of something else: nothing is shown."""


@dataclass
class Victim:
    """A data folder with a few palettes and its emulator.

    `kills` counts the deaths, `starts` the runs after the last one; `said` is the status that the run ended with.
    """

    folder: Path
    kills: int = 0
    starts: int = 0
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.folder / "grabient.duckdb")

    @property
    def emulator(self) -> EmulatorEndpoint:
        return ensure_emulator(self.folder, POLLS)

    def environment(self) -> dict[str, str]:
        """That of the next process."""
        return environment_of(self.folder)

    def locks(self) -> Set[str]:
        """The batches that some process seems to be sending."""
        return {lock.stem for lock in (self.folder / "sending").iterdir()}

    def about_to_die(self, process: subprocess.Popen[str]) -> None:
        """Called before a process is killed from outside."""

    def has_died(self, process: subprocess.Popen[str]) -> None:
        """Called when a process was killed."""

    def accepted(self, provider: str | None = None) -> list[dict[str, Any]]:
        """The creates that the emulator carried out, at one provider or all."""
        return [one for one in creates(self.emulator) if provider in (None, one["provider"])]

    def kill(self, point: Point, provider: str) -> None:
        """Start `grabient run` and have it killed at this point. Raises NotKilledError when it never comes to it."""
        what = f"{point.step} ({point.name}) at {provider}"
        before = len(self.accepted(provider))
        with self._doomed(point, provider) as process:
            if point.how == "hold":
                self._wait_until_held(process, point, provider, before, what)
                if point.beside:
                    self._kill_beside_another(process)
                self.about_to_die(process)
                process.kill()
            self._check_death(process, point, what)
            self.has_died(process)
        control(self.emulator, "faults", {"rules": []})
        control(self.emulator, "release", {})
        self.kills += 1

    def finish(self) -> None:
        """`grabient run` again until nothing is open."""
        while not self.said:
            with self.started() as process:
                out, err = process.communicate(timeout=SECONDS)
            self.starts += 1
            if process.returncode == 0:
                self.said = json.loads(out)
            elif self.starts == STARTS:
                raise AssertionError(f"Run {self.starts} after the death ends with {process.returncode}: {err}")

    def finish_two_at_once(self) -> None:
        """Two processes from the same moment on; both have to end well."""
        with self.started() as one, self.started() as other:
            for process in (one, other):
                out, err = process.communicate(timeout=SECONDS)
                if process.returncode:
                    raise AssertionError(f"One of two runs ended with {process.returncode}: {err}")
                self.said = json.loads(out)

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[str]]:
        """`grabient run`, the console script in a process of its own; it does not outlive the block."""
        with self._process(str(COMMANDS / "grabient"), *RUN) as process:
            yield process

    @contextmanager
    def _doomed(self, point: Point, provider: str) -> Iterator[subprocess.Popen[str]]:
        """The run that kills itself at the point, or is held there."""
        if point.trap is not None:
            launcher = (sys.executable, "-m", "grabient_assets_tests.reliability.doomed")
            with self._process(*launcher, str(POINTS.index(point)), provider, *RUN) as process:
                yield process
            return
        held = {"provider": provider, "route": "create", "times": 1}
        if point.purpose == "refinement":
            held["model"] = refiner().id
        rule = {"match": held, "action": {"do": "hold", "after_accept": point.accepted}}
        control(self.emulator, "faults", {"rules": [rule]})
        with self.started() as process:
            yield process

    @contextmanager
    def _process(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=self.environment(), stdout=pipe, stderr=pipe, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def _kill_beside_another(self, process: subprocess.Popen[str]) -> None:
        """Kill the process when a second one is at work, which then has to bring everything to its end alone."""
        with self.started() as second:
            assert second.stderr is not None
            if not any("pictures" in line for line in second.stderr):
                raise NotKilledError("The second process ended before it was at work.")
            self.about_to_die(process)
            process.kill()
            process.wait()  # one that is not reaped still has its process id, and counts as alive
            self.has_died(process)
            out, err = second.communicate(timeout=SECONDS)
        if second.returncode:
            raise AssertionError(f"The process beside the killed one ended with {second.returncode}: {err}")
        self.said = json.loads(out)

    def _wait_until_held(
        self, process: subprocess.Popen[str], point: Point, provider: str, before: int, what: str
    ) -> None:
        """Until the emulator keeps the call, and has carried it out where the point says so."""
        give_up = time.monotonic() + SECONDS
        while True:
            rules = control(self.emulator, "faults")["rules"]
            if rules and rules[0]["fired"] and (not point.accepted or len(self.accepted(provider)) > before):
                return
            if process.poll() is not None or time.monotonic() > give_up:
                raise NotKilledError(f"{what}: the call never came.")
            time.sleep(0.02)

    def _check_death(self, process: subprocess.Popen[str], point: Point, what: str) -> None:
        try:
            _, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            raise NotKilledError(f"{what}: the process lived on for {SECONDS} seconds.") from None
        expected = signal.SIGXFSZ if point.how == "tear" else signal.SIGKILL
        if process.returncode != -expected:
            ended = process.returncode
            raise NotKilledError(
                f"{what}: the process ended with {ended}, not by {expected.name}. {' '.join(err.split())[-400:]}"
            )
        if point.how == "tear":
            note = self.folder / TORN
            wanted = json.loads(note.read_text(encoding="utf-8"))
            size = self.folder.joinpath("grabient.duckdb.wal").stat().st_size
            if not wanted["least"] <= size <= wanted["most"]:
                raise NotKilledError(f"{what}: the log has {size} bytes, and should have {wanted}.")
            note.unlink()


Made = Callable[[Path], AbstractContextManager[Victim]]
"""What makes a victim at a folder."""


def on_file(folder: Path) -> AbstractContextManager[Victim]:
    """One whose tables lie in a file of the folder."""
    return nullcontext(Victim(folder))


@contextmanager
def victim(folder: Path, made: Made = on_file) -> Iterator[Victim]:
    """A victim with loaded palettes; its emulator ends with it."""
    with emulator_ended_after(folder), made(folder) as found:
        load_palettes(found.warehouse, samples(PALETTES), "samples", datetime.now(UTC))
        yield found
