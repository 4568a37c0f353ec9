"""The shared part of `run`, `retry --run` and `demo`: following a run, showing its progress, and reporting its end.

During the run a person sees a live table on a terminal, and one line per change elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import typer

from grabient_assets.cli.console import notes, print_json, print_note, print_output
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from grabient_assets.groups.tagging.waves import WaveCount
    from grabient_assets.headless.driver import FinishedRun
    from grabient_assets.headless.pipeline_run import Outcome
    from grabient_assets.headless.run_goal import RunGoal
    from grabient_assets.headless.status import Progress
    from grabient_assets.headless.waiting import Waiting
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse


SHOWN_PROBLEMS = 10
QUIET_SECONDS = 10.0
"""The time without progress after which a normal wait is named. Trouble is named at once."""


@dataclass(frozen=True, slots=True)
class Followed:
    """The outcome, its duration in seconds, and its start."""

    outcome: Outcome
    seconds: float
    started: datetime


def follow(goal: RunGoal, warehouse: Warehouse, settings: Settings, timeout: float) -> Followed:
    """Drive the pipeline until the goal is reached, cannot be, or the time is up."""
    from grabient_assets.definitions import grabient
    from grabient_assets.headless.driver import Driver, bury_dead_runs, quiet_dagster
    from grabient_assets.headless.following import following
    from grabient_assets.headless.pipeline_run import PipelineRun
    from grabient_assets.resources.home import dagster_instance

    started, began = time.monotonic(), datetime.now(UTC)
    with following(settings), quiet_dagster(), shown_progress() as seen:
        instance = dagster_instance(settings)
        bury_dead_runs(instance)
        driver = Driver(grabient(), instance, asked_only=True)
        outcome = PipelineRun(goal, warehouse, settings, seen, seen.waits).follow(driver, timeout)
    return Followed(outcome, time.monotonic() - started, began)


def report(followed: Followed, goal: RunGoal, warehouse: Warehouse, settings: Settings, *, as_json: bool) -> None:
    """Report the outcome; exits with 1 when the run did not succeed."""
    from grabient_assets.headless.notification import notify_outcome
    from grabient_assets.headless.status_document import status_document

    outcome, document = followed.outcome, status_document(warehouse, settings)
    done = outcome.reached(goal.until)
    if as_json:
        print_json({**document, "elapsed_seconds": round(followed.seconds, 1)})
    else:
        progress = outcome.progress
        print_output(
            f"{progress.consensus:,} of {counted(progress.palettes, 'palette')} tagged, {progress.refined:,} refined, "
            f"{progress.indexed:,} found by search; "
            f"unusable answers stored: {document['errors']}; {progress.cost_usd:.4f} USD"
            f"{' (emulated)' if settings.mode == 'emulator' else ''}; {followed.seconds:.1f} s"
        )
    for problem in outcome.problems[:SHOWN_PROBLEMS]:
        print_note(problem)
    for sentence in document["held_versions"]:
        print_note(sentence)
    if len(outcome.problems) > SHOWN_PROBLEMS:
        print_note(f"... and {len(outcome.problems) - SHOWN_PROBLEMS} more problems.")
    if not outcome.finished:
        open_batches = len(document["open_batches"])
        print_note(
            f"The time is up: {counted(open_batches, 'open batch', 'open batches')}, and "
            f"{counted(document['pending'], 'palette')} not done. "
            "Nothing is lost: run the same command again to go on."
        )
    elif done < outcome.progress.palettes:
        print_note(
            f"{counted(outcome.progress.palettes - done, 'palette')} did not get to {goal.until!r}. {_way_on(document)}"
        )
    elif document["errors"] and not as_json:
        print_note("Unusable answers can be asked again: grabient retry --run")
    for trouble in notify_outcome(outcome, done, warehouse, settings, followed.started):
        print_note(trouble)
    if outcome.problems or not outcome.finished or done < outcome.progress.palettes:
        raise typer.Exit(1)


def _way_on(status: dict[str, Any]) -> str:
    """The next steps for palettes that lack something, from the document of `grabient status --json`."""
    failed = status["errors"] or any(one["kind"] == "stopped" for one in status["held"])
    ways = ["What waits for money goes out when the limit is raised, as said above."] if status["over_budget"] else []
    if failed or not ways:
        ways.append("The same command goes on where it can; `grabient retry --run` asks again what failed.")
    return " ".join(ways)


class Seen(Protocol):
    """Receives finished runs, progress, and waits."""

    def __call__(self, finished: FinishedRun | None, progress: Progress) -> None: ...

    def waits(self, waiting: Sequence[Waiting]) -> None: ...


class _Quiet:
    """Selects the waits to name: all, when nothing has moved for a while, and those with trouble."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moved = clock()

    def moved(self) -> None:
        self._moved = self._clock()

    def named(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        long = self._clock() - self._moved >= QUIET_SECONDS
        return [one for one in waiting if long or one.trouble]


class _Failures:
    """The failures of runs, each kind once: those of two tries often differ only in ids and times."""

    def __init__(self) -> None:
        self._printed: set[str] = set()

    def new(self, finished: FinishedRun | None) -> str | None:
        """The sentence, if it was not printed before."""
        from grabient_assets.ledger.held_work import dedupe_key

        if finished is None or finished.success:
            return None
        sentence = f"{finished.job} failed: {finished.failure}"
        if dedupe_key(sentence) in self._printed:
            return None
        self._printed.add(dedupe_key(sentence))
        return sentence


@contextmanager
def shown_progress() -> Iterator[Seen]:
    """The display that suits stderr, for as long as the block lasts."""
    console = notes()
    if not console.is_terminal:
        yield ProgressLines()
        return
    from rich.live import Live

    with Live(console=console, transient=True, refresh_per_second=4) as live:
        yield _ProgressTable(live)


class ProgressLines:
    """One line on stderr for every change, and for every wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        from grabient_assets.ledger.wait_limit import Announcer

        self._clock = clock
        self._started = clock()
        self._printed: dict[str, str] = {}
        self._quiet = _Quiet(clock)
        self._failures = _Failures()
        self._announcer = Announcer(self._print, clock)

    def __call__(self, finished: FinishedRun | None, progress: Progress) -> None:
        if failed := self._failures.new(finished):
            self._print(failed)
        for stage, count in _stages(progress):
            if self._printed.get(stage) != count:
                self._printed[stage] = count
                self._quiet.moved()
                self._print(f"{stage}: {count}")

    def waits(self, waiting: Sequence[Waiting]) -> None:
        self._announcer.forget([one.topic for one in waiting])
        for one in self._quiet.named(waiting):
            self._announcer.announce(one.topic, one.dedupe_key, one.sentence)

    def _print(self, sentence: str) -> None:
        print_note(f"[{self._clock() - self._started:6.1f} s] {sentence}")


class _ProgressTable:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._started = time.monotonic()
        self._progress: Progress | None = None
        self._waiting: list[Waiting] = []
        self._quiet = _Quiet()
        self._failures = _Failures()
        live.update("Starting ...")

    def __call__(self, finished: FinishedRun | None, progress: Progress) -> None:
        if failed := self._failures.new(finished):
            self._live.console.print(failed, style="red")
        if progress != self._progress:
            self._progress, self._waiting = progress, []
            self._quiet.moved()
        self._live.update(self._table(progress))

    def waits(self, waiting: Sequence[Waiting]) -> None:
        self._waiting = self._quiet.named(waiting)
        if self._progress is not None:
            self._live.update(self._table(self._progress))

    def _table(self, progress: Progress) -> Table:
        from rich.table import Table

        table = Table(box=None, show_header=False)
        for stage, count in _stages(progress):
            table.add_row(stage, count)
        for one in self._waiting:
            table.add_row("waiting", one.sentence.removeprefix("Waiting: "), style="yellow" if one.trouble else None)
        table.add_row("elapsed", f"{time.monotonic() - self._started:.0f} s")
        return table


def _stages(progress: Progress) -> Iterator[tuple[str, str]]:
    total = f"{progress.palettes:,}"
    yield "pictures", f"{progress.pictures:,} of {total}"
    for one in progress.providers:
        yield one.provider, f"{one.sent:,} of {counted(one.wanted, 'request')} sent, {one.answered:,} answered"
    if progress.waves:
        yield "waves", _waves(progress.waves)
    yield "consensus", f"{progress.consensus:,} of {total}"
    yield "refined", f"{progress.refined:,} of {total}"
    yield "found by search", f"{progress.indexed:,} of {total}"
    yield "dollars", f"{progress.cost_usd:.4f}"


def _waves(counts: Sequence[WaveCount]) -> str:
    settled = sum(one.palettes for one in counts if one.reason is not None)
    open_ones = [f"{one.palettes} in wave {one.wave} of {one.waves}" for one in counts if one.reason is None]
    return ", ".join([*open_ones, f"{settled} settled"])
