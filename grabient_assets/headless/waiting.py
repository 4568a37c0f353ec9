"""Whom the pipeline waits for, since when, why and until when, in sentences for the person who looks on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.held_work import dedupe_key
from grabient_assets.settings import Settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAMED_AT_MOST = 3
NOTHING_LOST = "Stopped. Nothing is under way at a provider, and nothing is lost"
NOTHING_UNDER_WAY = f"{NOTHING_LOST}: run the same command again to go on."


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is waited for at one place (`topic`: a provider, or a sensor).

    `trouble` says why it takes longer than it should; None while everything is as it should be. `sentence` has all of
    it, with times that differ from look to look; `dedupe_key` has none, so it tells whether the wait is another one.
    """

    topic: str
    dedupe_key: str
    trouble: str | None
    sentence: str


class Waits:
    """The waits of one run. Of trouble with open batches the ledger keeps the latest, so since when there is some only
    this process knows; of what its first look finds, only that it is no younger."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._since: dict[tuple[str, str], tuple[datetime, bool]] = {}
        self._looks = 0

    def now(
        self, connection: DuckDBPyConnection, sensors: Mapping[str, str], now: datetime, next_look: datetime
    ) -> list[Waiting]:
        """What is waited for now, by the ledger and by the reasons of the `sensors` (`Driver.waiting`)."""
        earlier, self._since = self._since, {}
        self._looks += 1
        return [*self._at_providers(connection, now, next_look, earlier), *self._at_sensors(sensors, next_look)]

    def _at_providers(
        self,
        connection: DuckDBPyConnection,
        now: datetime,
        next_look: datetime,
        earlier: Mapping[tuple[str, str], tuple[datetime, bool]],
    ) -> Iterator[Waiting]:
        from grabient_assets.ledger.backoff import LONGEST_NAMED, pauses
        from grabient_assets.ledger.batches import put_off_until
        from grabient_assets.ledger.overdue import put_off

        paused = pauses(connection, now)
        idle = put_off(connection)
        opened = by_provider(_open_here(connection, self._settings))
        for provider in sorted({*opened, *(one.provider for one in idle)}):
            open_here = opened.get(provider, [])
            closed = put_off_until(connection, provider, now, LONGEST_NAMED)
            parts, troubles, reasons = [], [], []
            looked_at = next_look
            if open_here:
                since = min(one.submitted_at or one.intended_at for one in open_here)
                parts.append(f"{_counted(open_here)} open at {provider} since {_clock(since, now)}")
                troubles += _different(one.error for one in open_here)
            if provider in paused:
                troubles.append(f"{provider} asked for time.")
                looked_at = paused[provider]
            put_off_here = [one for one in idle if one.provider == provider] if closed else []
            if closed and put_off_here:
                since = min(one.since for one in put_off_here)
                models = ", ".join(dict.fromkeys(one.model for one in put_off_here))
                parts.append(
                    f"{provider} has taken no batch for {models} since {_clock(since, now)}; "
                    f"the next try is at {_clock(closed, now)}"
                )
                reasons += _different(one.error for one in put_off_here)
            if parts:
                what, until = "; ".join(parts), max(looked_at, next_look)
                why = ""
                if troubles:
                    key = (provider, dedupe_key(" ".join(troubles)))
                    since, at_least = self._since.setdefault(key, earlier.get(key, (now, self._looks == 1)))
                    begun = f"{'at least ' if at_least else ''}since {_clock(since, now)}"
                    why = f" Trouble {begun}: {_ended(' '.join(troubles))}"
                if reasons:
                    why += f" The last reason: {_ended(' '.join(reasons))}"
                sentence = f"Waiting: {what}.{why} Next look at {_clock(until, now)}."
                trouble = " ".join([*troubles, *reasons]) or None
                yield Waiting(provider, dedupe_key(f"{what} {trouble}"), trouble, sentence)

    def _at_sensors(self, sensors: Mapping[str, str], next_look: datetime) -> Iterator[Waiting]:
        """What holds up work besides providers: failed attempts, runs of other people, a database that is taken."""
        from grabient_assets.resources.runs import GAVE_UP

        seen: set[str] = set()
        for name, reason in sensors.items():
            held_up = GAVE_UP in reason or "Waiting for" in reason or " has held " in reason
            if held_up and reason not in seen:
                seen.add(reason)
                yield Waiting(
                    name, dedupe_key(reason), reason, f"{_ended(reason)} Next look at {_clock(next_look, next_look)}."
                )


def left_under_way(settings: Settings, onward: str | None = None) -> str:
    """The last words of a stopped command: what goes on at which provider, and how to go on or cancel. `onward` is the
    command that goes on, where it is neither the same one nor `grabient run`.

    The tables are read as they are: no time is left to wait for them, or to bring older ones up to date.
    """
    from grabient_assets.warehouse.connection import open_warehouse

    with open_warehouse(settings).at_once() as connection:
        found = _open_here(connection, settings) if connection is not None else []
    if not found:
        return NOTHING_UNDER_WAY if onward is None else f"{NOTHING_LOST}: `{onward}` goes on."
    parts = [f"{_counted(batches)} at {provider}" for provider, batches in sorted(by_provider(found).items())]
    kept = [one.batch_id for one in found if one.cancel_asked_at is None]
    which = f"`grabient cancel {kept[0]}` stops it" if len(kept) == 1 else "`grabient cancel BATCH` stops one"
    if len(kept) > 1:
        which += f" ({kept[0]} ...)"
    if not kept:
        which = f"they are being cancelled, and {f'`{onward}`' if onward else 'the same command'} goes on with that"
    return (
        f"Stopped. Still under way: {'; '.join(parts)}. They go on there and are paid for. "
        f"`{onward or 'grabient run'}` collects them; {which}."
    )


def by_provider(batches: Sequence[BatchRecord]) -> dict[str, list[BatchRecord]]:
    """The batches of each provider."""
    found: dict[str, list[BatchRecord]] = defaultdict(list)
    for one in batches:
        found[one.provider].append(one)
    return found


def _open_here(connection: DuckDBPyConnection, settings: Settings) -> list[BatchRecord]:
    from grabient_assets.ledger.batches import open_batches
    from grabient_assets.resources.modes import belongs_here

    return [one for one in open_batches(connection) if belongs_here(settings, one.account)]


def _counted(batches: Sequence[BatchRecord]) -> str:
    """How many there are, of how many requests, and for which models; what is special about some."""
    requests = sum(one.request_count for one in batches)
    models = list(dict.fromkeys(one.model for one in batches))
    named = ", ".join(models[:NAMED_AT_MOST]) + (", ..." if len(models) > NAMED_AT_MOST else "")
    noun = "batch" if len(batches) == 1 else "batches"
    asked = "request" if requests == 1 else "requests"
    unclear = sum(one.status == "intended" for one in batches)
    stopping = sum(one.cancel_asked_at is not None for one in batches)
    extra = [
        what if count == len(batches) else f"{count} of them {what}"
        for count, what in ((unclear, "sent without an answer, to be looked for first"), (stopping, "to be cancelled"))
        if count
    ]
    return f"{len(batches)} {noun} of {requests} {asked} ({'; '.join([named, *extra])})"


def _clock(time: datetime, now: datetime) -> str:
    """The time in UTC, with its date when that is not today's."""
    form = "%H:%M:%S UTC" if time.astimezone(UTC).date() == now.astimezone(UTC).date() else "%Y-%m-%d %H:%M UTC"
    return time.astimezone(UTC).strftime(form)


def _different(errors: Iterable[str | None]) -> list[str]:
    """One of each kind: what is said about two batches often differs in their ids alone."""
    return list({dedupe_key(error): error for error in errors if error}.values())


def _ended(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
