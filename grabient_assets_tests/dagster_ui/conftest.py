from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from grabient_assets.emulator.endpoint import ensure_emulator
from grabient_assets.headless.driver import execute_job, quiet_dagster
from grabient_assets.resources.home import dagster_instance
from grabient_assets.resources.runs import ABOUT_TAG
from grabient_assets.settings import PROJECT_DIR, load_settings
from grabient_assets_tests.hanging import HANGING_SECONDS
from grabient_assets_tests.pipeline.dev import Dev, dagster_dev
from grabient_assets_tests.pipeline.driven import TAG_BATCHES
from grabient_assets_tests.pipeline.place import (
    COMMANDS,
    control,
    creates,
    emulator_ended_after,
    environment_of,
    samples,
    settings_of,
)


@dataclass
class Carried:
    """A running `dagster dev` whose daemon has carried scattered palettes from a backfill to the embed text.

    `killed` are the runs that were launched and not over when an earlier one went down, as its storage tells;
    `in_process` is one that a process without a daemon executed itself, as `grabient run` does.
    """

    dev: Dev
    seeds: list[str]
    chosen: set[str]
    killed: set[str]
    in_process: str
    created: list[dict[str, Any]]

    @property
    def keys(self) -> list[str]:
        return [f"v1|{seed}" for seed in self.seeds if seed in self.chosen]


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carried]:
    """A new data folder; twelve palettes loaded by the command line, three scattered ones asked for over GraphQL.

    Everything of `dagster dev` is killed when a provider has taken a batch and has not said so yet. Another one carries
    the palettes to their end, with nobody's help.
    """
    folder: Path = tmp_path_factory.mktemp("dev") / "data"
    seeds = [row.palette.canonical for row in samples(12).rows]
    chosen = {seeds[0], seeds[5], seeds[11]}
    with emulator_ended_after(folder):
        with dagster_dev(folder) as dev:
            killed = _killed_while_it_sends(dev, seeds, chosen)
        in_process = _executed_in_process(folder)
        with dagster_dev(folder) as dev:
            dev.until(
                "from the power cut to the embed text",
                lambda: dev.green("embed_text") == chosen,
                lambda: {asset: chosen - dev.green(asset) for asset in (*TAG_BATCHES, "tag_consensus", "embed_text")},
            )
            yield Carried(dev, seeds, chosen, killed, in_process, dev.creates())


def _killed_while_it_sends(dev: Dev, seeds: list[str], chosen: set[str]) -> set[str]:
    """Load and ask, then kill at a create call that openai has taken and holds; the ids of the runs cut off.

    Those are asked for when nothing runs any more: until then runs of the other providers start and end.
    """
    emulator = ensure_emulator(dev.folder)
    held = {
        "match": {"provider": "openai", "route": "create", "times": 1},
        "action": {"do": "hold", "after_accept": True},
    }
    control(emulator, "faults", {"rules": [held]})
    file = dev.folder.with_name("palettes.txt")
    file.write_text("".join(f"{row.source_seed}\n" for row in samples(12).rows), encoding="utf-8")
    subprocess.run(
        [COMMANDS / "grabient", "load", file],
        cwd=PROJECT_DIR,
        env=environment_of(dev.folder),
        check=True,
        timeout=HANGING_SECONDS,
    )
    dev.until("pictures", lambda: dev.green("palette_images") == set(seeds), lambda: dev.green("palette_images"))
    dev.backfill(list(TAG_BATCHES), [f"v1|{seed}" for seed in seeds if seed in chosen])

    def is_taken() -> bool:
        """And no other run is about to start: Dagster gives one that was killed just then two minutes."""
        taken = any(one["provider"] == "openai" for one in creates(emulator))
        return taken and all(run["status"] != "STARTING" for run in dev.runs())

    dev.until("the create call", is_taken, lambda: creates(emulator))
    dev.kill()
    control(emulator, "faults", {"rules": []})
    control(emulator, "release", {})
    return _launched(dev.folder / "dagster")


def _executed_in_process(folder: Path) -> str:
    """The id of a run of a free job that this process executes."""
    from grabient_assets.definitions import grabient

    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings_of(folder).items():
            environment.setenv(name, value)
        with dagster_instance(load_settings()) as instance, quiet_dagster():
            job = grabient().resolve_job_def("report_models")
            done = execute_job(job, instance, {}, {ABOUT_TAG: "executed in process"}, partition_key="v1")
    assert done.success, done.failure
    return done.run_id


def _launched(home: Path) -> set[str]:
    """The runs that have, or had, a process of their own."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        found = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]))
    return {run.run_id for run in found}
