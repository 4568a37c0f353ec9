"""A folder where workflows are made and carried to their end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from grabient_assets.groups.fetching.fetching import FetchedSource, cut_missing, fetch_due
from grabient_assets.groups.knowledge.purpose import EXTRACTION
from grabient_assets.groups.knowledge.tables import Workflow
from grabient_assets.groups.knowledge.workflows import (
    Planned,
    Status,
    Wish,
    ask_about,
    make_workflow,
    plan_workflow,
    statuses,
)
from grabient_assets.settings import PROVIDERS
from grabient_assets.sources.pages import Fetchers
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.groups.place import Place, place_in

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Knowledge(Place):
    """The folder, and what a person does in it. `now` is the clock of fetching; `pass_time` moves it."""

    sensors = ("sources_due", "extraction_due", "batches_ended", "entries_changed")
    purposes = (EXTRACTION,)

    def __init__(self, folder: Path, instance: dg.DagsterInstance, emulator: Running) -> None:
        super().__init__(folder, instance, emulator)
        self.now = datetime.now(UTC)
        self._made = 0

    def pass_time(self, time: timedelta) -> None:
        self.now += time

    def file(self, name: str, text: str) -> str:
        """The path of a file with this text."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def plan(self, *sources: str, **wish: Any) -> Planned:
        with self.warehouse.read() as connection:
            asked = Wish(**{"name": "talks", "sources": sources, **wish})
            return plan_workflow(connection, asked, PROVIDERS, self.settings, self.now)

    def make(self, *sources: str, max_usd: Decimal | None = None, **wish: Any) -> Workflow:
        """A workflow with an id of the test's own."""
        self._made += 1
        planned = self.plan(*sources, **wish)
        fixed = replace(planned.workflow, workflow_id=f"wf_{self._made:026d}")
        return make_workflow(self.warehouse, replace(planned, workflow=fixed), max_usd, "emulator", self.now)

    def fetch(self, fetchers: Fetchers | None = None, parallel: int = 1) -> list[FetchedSource]:
        """Fetch what is due by the clock of the test."""
        from grabient_assets.resources.sources import fetchers as usual

        chosen = fetchers or usual(self.settings)
        found = fetch_due(self.warehouse, self.store, chosen, lambda: self.now, parallel, self._ask)
        cut_missing(self.warehouse, self.store)
        return found

    def _ask(self, connection: DuckDBPyConnection, source_ids: Sequence[str], now: datetime) -> None:
        ask_about(connection, source_ids, "emulator", now)

    def status(self, workflow: Workflow) -> Status:
        with self.warehouse.read() as connection:
            [found] = statuses(connection, [workflow.workflow_id])
        return found


@contextmanager
def knowledge_in(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Iterator[Knowledge]:
    with place_in(Knowledge, folder, monkeypatch, **settings) as place:
        yield place
