"""Driving a run to its goal: drives the pipeline until nothing is open, and knows when waiting is useless."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from grabient_assets.errors import StoreError, StoreUnusableError
from grabient_assets.groups.embedding.purpose import EMBEDDING
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.headless.run_goal import REFINED, RunGoal, Until
from grabient_assets.headless.status import Progress, progress
from grabient_assets.headless.waiting import Waiting, Waits
from grabient_assets.ledger.asks import SubjectVersion, stopped_asks
from grabient_assets.ledger.overdue import locked_out, unanswered_in_a_row, unreachable_in_a_row
from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from grabient_assets.asking.purpose_assets import PurposeAssets
    from grabient_assets.headless.driver import Driver, FinishedRun

UNREACHABLE_TIMES = 3
"""After so many submissions in a row that never reached a provider it is given up; the pauses between them grow."""
UNANSWERED_TIMES = 8
"""The same for submissions that were sent and had no answer (5xx, connection lost), and were cleared up each time."""
QUIET_LOOKS = 5
"""How often nothing may move while a sensor has given up, before the run does too."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. `finished` is false when the time was up first; `problems` are sentences for a person."""

    finished: bool
    progress: Progress
    problems: tuple[str, ...]

    def reached(self, until: Until) -> int:
        """How many of the palettes are where they should be."""
        if until == "indexed":
            return self.progress.indexed
        return self.progress.refined if until == "refined" else self.progress.consensus


@dataclass(slots=True)
class PipelineRun:
    """One run of the driver for a goal. `seen` is told of finished runs and of progress, as often as there is news;
    `waits` of what is waited for, before every pause."""

    goal: RunGoal
    warehouse: Warehouse
    settings: Settings
    seen: Callable[[FinishedRun | None, Progress], None]
    waits: Callable[[Sequence[Waiting]], None] = lambda _: None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _given_up: dict[str, str] = field(default_factory=dict)
    _quiet: int = 0
    _stuck: tuple[str, ...] = ()

    def follow(self, driver: Driver, timeout: float) -> Outcome:
        """Drive until nothing that the goal needs is open, or `timeout` seconds have passed.

        Raises StoreUnusableError when a run failed and the object store takes nothing more.
        """
        from grabient_assets.headless.driver import drive
        from grabient_assets.ledger.held_work import release

        with self.warehouse.write() as connection:
            release(connection, self.started)
        known = Waits(self.settings)

        def report_waits(seconds: float) -> None:
            now = datetime.now(UTC)
            with self.warehouse.read() as connection:
                waiting = known.now(connection, driver.waiting, now, now + timedelta(seconds=seconds))
            self.waits(waiting)

        finished = drive(driver, lambda: self._is_open(driver), self._report_progress, timeout, waits=report_waits)
        progress = self.progress()
        outcome = Outcome(finished, progress, ())
        lacking = outcome.reached(self.goal.until) < progress.palettes
        return replace(outcome, problems=self._problems(lacking=lacking))

    def progress(self) -> Progress:
        """How far the chosen palettes are now."""
        with self.warehouse.read() as connection:
            return progress(connection, self.goal.seeds, self.goal.prompt_version, self.started)

    def _report_progress(self, finished: FinishedRun | None) -> None:
        if finished is not None:
            self._quiet = 0
            if not finished.success:
                self._check_store()
        self.seen(finished, self.progress())

    def _check_store(self) -> None:
        """After a run that failed: a store that takes nothing more ends the command, instead of run after run."""
        from grabient_assets.resources.objects import open_store
        from grabient_assets.store.objects import check_store

        try:
            check_store(open_store(self.settings))
        except StoreUnusableError:
            raise
        except StoreError:
            return  # the next run may find it working again

    def _is_open(self, driver: Driver) -> bool:
        """Asked when nothing moved: whether anything is still to come."""
        from grabient_assets.resources.runs import GAVE_UP

        self._give_up()
        stuck = tuple(reason for reason in driver.waiting.values() if GAVE_UP in reason)
        self._quiet = self._quiet + 1 if stuck else 0
        if self._quiet >= QUIET_LOOKS:
            self._stuck = stuck
            return False
        return self._batches_open() or self._work_waits()

    def _give_up(self) -> None:
        """Providers that no submission reaches, and those whose key is refused while their batches are open."""
        with self.warehouse.read() as connection:
            self._given_up |= locked_out(connection)
            for provider in self.goal.providers:
                found = unreachable_in_a_row(connection, provider, self.started)
                if found and found[0] >= UNREACHABLE_TIMES:
                    self._given_up[provider] = found[1]
                found = unanswered_in_a_row(connection, provider, self.started)
                if found and found[0] >= UNANSWERED_TIMES:
                    self._given_up[provider] = f"{provider} took no batch in {found[0]} tries. {found[1]}"

    def _purposes(self) -> list[PurposeAssets]:
        """The purposes that the goal goes through: without refinement, those that do not follow another."""
        from grabient_assets.groups.purposes import purpose_assets

        refined = self.goal.until in REFINED
        return [shown for shown in purpose_assets().values() if refined or shown.follow_up is None]

    def _batches_open(self) -> bool:
        from grabient_assets.ledger.batches import open_batches
        from grabient_assets.resources.modes import belongs_here

        purposes = {shown.name for shown in self._purposes()} | ({EMBEDDING.name} if self._indexes else set())
        with self.warehouse.read() as connection:
            found = open_batches(connection)
        here = [b for b in found if b.purpose in purposes and belongs_here(self.settings, b.account)]
        return any(b.provider not in self._given_up for b in here)

    def _work_waits(self) -> bool:
        """Whether something is to be sent or completed, as the sensors see it."""
        from grabient_assets.asking.purpose_assets import sendable_work

        usable, budget = self.goal.providers, self.settings.budget_usd
        for shown in self._purposes():
            asked = [name for name in shown.providers() if name in usable and name not in self._given_up]
            with self.warehouse.read() as connection:
                now = datetime.now(UTC)
                if any(sendable_work(shown, connection, name, usable, budget, now) for name in asked):
                    return True
            if shown.to_complete(self.warehouse, usable):
                return True
        return self._indexes and self._index_waits()

    @property
    def _indexes(self) -> bool:
        return self.goal.until == "indexed"

    def _index_waits(self) -> bool:
        """Whether a text is to be embedded or the index to be synced, as the sensors see it."""
        from grabient_assets.groups.embedding.linked_texts import text_work
        from grabient_assets.groups.indexes.sync import sync_is_due
        from grabient_assets.groups.search.palette_index import PALETTES, REFINED_TEXTS, embedder_and_build

        model, build = embedder_and_build(self.settings, self.warehouse)
        with self.warehouse.read() as connection:
            found = text_work(connection, REFINED_TEXTS, model, self.settings.budget_usd, datetime.now(UTC))
            sendable = found.work and model.provider in self.goal.providers and model.provider not in self._given_up
            return bool(found.ready or sendable) or sync_is_due(connection, PALETTES, build)

    def _problems(self, *, lacking: bool) -> tuple[str, ...]:
        """Sentences about what stands in the way; of what is not tried now when something is `lacking`."""
        from grabient_assets.groups.search.palette_index import search_problems
        from grabient_assets.groups.tagging.withheld import sentences, withheld_palettes
        from grabient_assets.ledger.held_work import held_back

        chosen = [SubjectVersion(self.goal.prompt_version, seed) for seed in self.goal.seeds]
        with self.warehouse.read() as connection:
            stopped = stopped_asks(connection, PURPOSES, self.started)
            held = held_back(connection, PURPOSES, self.settings.budget_usd, datetime.now(UTC), chosen)
            withheld = withheld_palettes(connection, chosen if self.goal.until in REFINED else [])
            search = search_problems(connection, chosen) if self._indexes and lacking else []
        reasons = [one.sentence if one.failed else one.reason for one in stopped]
        reported = {
            "over_budget",
            *(["failed"] if lacking or self._stuck else []),
            *(["put_off", "paused"] if lacking else []),
        }
        waiting = [one.sentence for one in held if one.kind in reported]
        found = [*self._given_up.values(), *waiting, *reasons, *sentences(withheld), *search]
        return tuple(dict.fromkeys(found))
