from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from grabient_assets.settings import PROJECT_DIR, SHIPPED_PROMPTS
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.driven import Driven, driven
from grabient_assets_tests.pipeline.place import COMMANDS, environment_of


@dataclass(frozen=True)
class Typed:
    """A command that has ended."""

    code: int
    text: str
    seconds: float


@dataclass
class Terminal:
    """A shell in the project folder, its environment pointing at a data folder with three palettes. No daemon runs."""

    pipeline: Driven
    seeds: list[str]

    def type(self, command: list[str]) -> Typed:
        """Run a command to its end. Both streams are in `text`."""
        started = time.monotonic()
        done = subprocess.run(
            [str(COMMANDS / command[0]), *command[1:]],
            cwd=PROJECT_DIR,
            env=environment_of(self.pipeline.folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=HANGING_SECONDS,
        )
        return Typed(done.returncode, done.stdout, time.monotonic() - started)

    def backfills(self) -> dict[str, set[str]]:
        """The partitions of each backfill that waits for the daemon, by its id."""
        found = self.pipeline.instance.get_backfills()
        return {one.backfill_id: set(one.partition_names or ()) for one in found}

    def runs(self, status: dg.DagsterRunStatus) -> int:
        return self.pipeline.instance.get_runs_count(dg.RunsFilter(statuses=[status]))

    def latest_location(self) -> str | None:
        """The code location that the latest run names."""
        [run] = self.pipeline.instance.get_runs(limit=1)
        return run.remote_job_origin.location_name if run.remote_job_origin else None

    def asked(self) -> set[tuple[str, str]]:
        """Provider and seed of everything that is wanted."""
        return set(self.pipeline.rows("SELECT DISTINCT provider, subject FROM asks"))


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """Three palettes, and every prompt version in use."""
    from grabient_assets.partitions import add_partitions
    from grabient_assets.prompting.load import load_prompt_versions

    folder: Path = tmp_path_factory.mktemp("terminal") / "data"
    with driven(folder) as pipeline:
        seeds = pipeline.load(3)
        add_partitions(pipeline.instance, seeds, load_prompt_versions(SHIPPED_PROMPTS))
        yield Terminal(pipeline, seeds)
