"""Telling the webhook how a run on the command line ended."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from grabient_assets.groups.notices.events import seen_events
from grabient_assets.groups.notices.tables import undelivered
from grabient_assets.groups.notices.webhook import Event, post_events
from grabient_assets.headless.pipeline_run import Outcome
from grabient_assets.resources.modes import usable_providers
from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted


def notify_outcome(
    outcome: Outcome, done: int, warehouse: Warehouse, settings: Settings, started: datetime
) -> list[str]:
    """Tell what the sensor has not told yet, and that the run ended badly when it did. `done` of its palettes got where
    they should. Returns a sentence for each kind of notification that did not arrive since `started`."""
    if settings.notify_url is None:
        return []
    now = datetime.now(UTC)
    with warehouse.read() as connection:
        events = seen_events(connection, settings.budget_usd, usable_providers(settings), (), now)
    if not outcome.finished or outcome.problems or done < outcome.progress.palettes:
        events.append(_badly_ended(outcome, done))
    troubles = post_events(warehouse, settings, events, now)
    with warehouse.read() as connection:
        earlier = [
            f"The notification {kind!r} was not delivered: {why}" for kind, why in undelivered(connection, started)
        ]
    return list(dict.fromkeys([*troubles, *earlier]))


def _badly_ended(outcome: Outcome, done: int) -> Event:
    why = "" if outcome.finished else " The time was up before everything was answered."
    palettes = counted(outcome.progress.palettes, "palette")
    sentence = f"A run ended with {done:,} of {palettes} done.{why} {' '.join(outcome.problems)}"
    counts = {"palettes": outcome.progress.palettes, "done": done, "problems": len(outcome.problems)}
    return Event(f"run:{uuid4()}", "failed", sentence.strip(), counts)
