from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.settings import PROJECT_DIR
from grabient_assets_tests.pipeline.dev import Dev, dagster_dev
from grabient_assets_tests.pipeline.driven import TAG_BATCHES
from grabient_assets_tests.pipeline.place import COMMANDS, environment_of, samples

CARRY_SECONDS = 300.0
"""A quiet machine of two cores needs a quarter of this."""


@dataclass
class Carried:
    """A running `dagster dev` whose daemon has carried scattered palettes from a backfill to the embed text."""

    dev: Dev
    seeds: list[str]
    chosen: set[str]
    created: list[dict[str, Any]]
    seconds: float

    @property
    def keys(self) -> list[str]:
        return [f"v1|{seed}" for seed in self.seeds if seed in self.chosen]


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carried]:
    """A new data folder; twelve palettes loaded by the command line, three scattered ones asked for over GraphQL."""
    folder: Path = tmp_path_factory.mktemp("dev") / "data"
    seeds = [row.palette.canonical for row in samples(12).rows]
    chosen = {seeds[0], seeds[5], seeds[11]}
    file = folder.with_name("palettes.txt")
    file.write_text("".join(f"{row.source_seed}\n" for row in samples(12).rows), encoding="utf-8")
    with dagster_dev(folder) as dev:
        subprocess.run(
            [COMMANDS / "grabient", "load", file], cwd=PROJECT_DIR, env=environment_of(folder), check=True, timeout=60
        )
        dev.until(
            "pictures", lambda: dev.green("palette_images") == set(seeds), 90, lambda: dev.green("palette_images")
        )
        dev.backfill(list(TAG_BATCHES), [f"v1|{seed}" for seed in seeds if seed in chosen])
        seconds = dev.until(
            "from the backfill to the embed text",
            lambda: dev.green("embed_text") == chosen,
            CARRY_SECONDS,
            lambda: {asset: chosen - dev.green(asset) for asset in (*TAG_BATCHES, "tag_consensus", "embed_text")},
        )
        yield Carried(dev, seeds, chosen, dev.creates(), seconds)
