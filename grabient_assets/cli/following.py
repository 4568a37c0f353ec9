"""What `run`, `retry --run` and `demo` share: following a wish with a display, and saying how it ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from grabient_assets.cli.console import print_json, say, tell
from grabient_assets.cli.progress import shown_progress
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from grabient_assets.headless.pursuit import Outcome
    from grabient_assets.headless.wishes import Wish
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse

SHOWN_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class Followed:
    """How it ended, after how many seconds, and when it began."""

    outcome: Outcome
    seconds: float
    started: datetime


def follow(wish: Wish, warehouse: Warehouse, settings: Settings, timeout: float) -> Followed:
    """Drive the pipeline until the wish is fulfilled, cannot be, or the time is up."""
    from grabient_assets.definitions import grabient
    from grabient_assets.headless.driver import Driver, bury_dead_runs, quiet_dagster
    from grabient_assets.headless.pursuit import Pursuit
    from grabient_assets.resources.home import dagster_instance

    started, began = time.monotonic(), datetime.now(UTC)
    with quiet_dagster(), shown_progress() as seen:
        instance = dagster_instance(settings)
        bury_dead_runs(instance)
        driver = Driver(grabient(), instance, asked_only=True)
        outcome = Pursuit(wish, warehouse, settings, seen, seen.waits).follow(driver, timeout)
    return Followed(outcome, time.monotonic() - started, began)


def report(followed: Followed, wish: Wish, warehouse: Warehouse, settings: Settings, *, as_json: bool) -> None:
    """Say how it ended; exits with 1 when it did not end well."""
    from grabient_assets.cli.status import status_document
    from grabient_assets.headless.telling import tell_outcome

    outcome, document = followed.outcome, status_document(warehouse, settings)
    done = outcome.reached(wish.until)
    if as_json:
        print_json({**document, "elapsed_seconds": round(followed.seconds, 1)})
    else:
        progress = outcome.progress
        tell(
            f"{progress.consensus:,} of {counted(progress.palettes, 'palette')} tagged, {progress.refined:,} refined; "
            f"unusable answers stored: {document['errors']}; {progress.cost_usd:.4f} USD"
            f"{' (emulated)' if settings.mode == 'emulator' else ''}; {followed.seconds:.1f} s"
        )
    for problem in outcome.problems[:SHOWN_PROBLEMS]:
        say(problem)
    if len(outcome.problems) > SHOWN_PROBLEMS:
        say(f"... and {len(outcome.problems) - SHOWN_PROBLEMS} more problems.")
    if not outcome.finished:
        open_batches = len(document["open_batches"])
        say(
            f"The time is up: {counted(open_batches, 'open batch', 'open batches')}, and "
            f"{counted(document['pending'], 'palette')} not done. "
            "Nothing is lost: run the same command again to go on."
        )
    elif done < outcome.progress.palettes:
        say(
            f"{counted(outcome.progress.palettes - done, 'palette')} did not get to {wish.until!r}. {_way_on(document)}"
        )
    elif document["errors"] and not as_json:
        say("Unusable answers can be asked again: grabient retry --run")
    for trouble in tell_outcome(outcome, done, warehouse, settings, followed.started):
        say(trouble)
    if outcome.problems or not outcome.finished or done < outcome.progress.palettes:
        raise typer.Exit(1)


def _way_on(status: dict[str, Any]) -> str:
    """What a person does about palettes that lack something, by what `grabient status --json` says."""
    failed = status["errors"] or any(one["kind"] == "stopped" for one in status["held"])
    ways = ["What waits for money goes out when the limit is raised, as said above."] if status["over_budget"] else []
    if failed or not ways:
        ways.append("The same command goes on where it can; `grabient retry --run` asks again what failed.")
    return " ".join(ways)
