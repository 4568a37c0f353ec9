"""A folder where choruses are asked and carried to their end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from grabient_assets.groups.chorus.asking import Planned, Wish, ask_chorus, plan_group
from grabient_assets.groups.chorus.purpose import ARTWORK, STATEMENT
from grabient_assets.groups.chorus.runs import ChorusRun, retry_runs, runs_of
from grabient_assets.groups.chorus.tables import ChorusGroup
from grabient_assets.groups.comparisons.artists import Compared, compare_artists
from grabient_assets.groups.comparisons.documents import possible_costs
from grabient_assets.groups.comparisons.signals import keep_signals
from grabient_assets.headless.chorus_run import SENSORS
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.groups.place import Place, now, place_in

FOUR = ("claude-haiku-5-5", "gpt-6-luna", "openai/gpt-oss-120b", "gemini-3.5-flash-lite")
SIZE = "1024x640"
"""The smallest that the brush makes: painting takes half as long."""


class Chorus(Place):
    """The folder, and what a person does in it."""

    sensors = SENSORS
    purposes = (STATEMENT, ARTWORK)

    def __init__(self, folder: Path, instance: dg.DagsterInstance, emulator: Running) -> None:
        super().__init__(folder, instance, emulator)
        self._asked = 0

    def plan(self, **wish: Any) -> Planned:
        with self.warehouse.read() as connection:
            asked = Wish(**({"artists": FOUR, "size": SIZE} | wish))
            return plan_group(connection, asked, PROVIDERS, datetime.now(UTC))

    def ask(self, max_usd: Decimal | None = None, budget: Decimal | None = None, **wish: Any) -> ChorusGroup:
        """A group with an id of the test's own: what the emulated artists write, and whether one of them fails, follows
        from it."""
        self._asked += 1
        planned = self.plan(**wish)
        group = replace(planned.group, group_id=f"rg_{self._asked:026d}")
        return ask_chorus(self.warehouse, replace(planned, group=group), max_usd, budget, "emulator")

    def compare(self, group: ChorusGroup) -> Compared:
        assert keep_signals(self.warehouse, self.store, [group.group_id]) == []
        return compare_artists(self.warehouse, now())

    def runs(self, group: ChorusGroup) -> dict[str, ChorusRun]:
        """By artist, and the iteration where there are several."""
        with self.warehouse.read() as connection:
            found = runs_of(connection, [group.group_id])
        return {run.artist if group.iterations == 1 else f"{run.artist} {run.iteration}": run for run in found}

    def possible(self, group: ChorusGroup, run: ChorusRun | None = None) -> dict[str, float]:
        with self.warehouse.read() as connection:
            return possible_costs(connection, group.group_id, run)

    def retry(self, group: ChorusGroup) -> list[str]:
        with self.warehouse.write() as connection:
            runs = runs_of(connection, [group.group_id])
            return [run.run_id for run in retry_runs(connection, runs, "emulator", datetime.now(UTC))]

    def red(self, asset: str, space: str = "chorus_runs") -> set[str]:
        return super().red(asset, space)

    def partitions(self) -> Sequence[str]:
        return list(self.instance.get_dynamic_partitions("chorus_runs"))


@contextmanager
def chorus_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chorus]:
    with place_in(Chorus, folder, monkeypatch) as place:
        yield place
