"""The partition spaces.

`seeds` is dynamic: `grabient load` adds to it. Palettes and pictures are partitioned by seed alone; everything that
depends on what models are told is partitioned by prompt version and seed, in one space (`v1|<seed>`), and what is said
about a whole version by the version alone. The prompt versions are the folders under `prompts/`, so a new one appears
when the code location is reloaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg

from grabient_assets.errors import SeedError
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.settings import PROMPTS_DIR
from grabient_assets.warehouse.asks import PaletteVersion

SEEDS = "seeds"
seeds = dg.DynamicPartitionsDefinition(name=SEEDS)
prompt_versions = dg.StaticPartitionsDefinition(load_prompt_versions(PROMPTS_DIR))
palette_versions = dg.MultiPartitionsDefinition({"prompt_version": prompt_versions, "seed": seeds})


def add_seeds(instance: dg.DagsterInstance, loaded: Iterable[str]) -> None:
    """Make partitions of these seeds, in order, where they are none yet."""
    known = set(instance.get_dynamic_partitions(SEEDS))
    fresh = [seed for seed in dict.fromkeys(loaded) if seed not in known]
    if fresh:
        instance.add_dynamic_partitions(SEEDS, fresh)


def partition_key(partition: PaletteVersion) -> str:
    """The Dagster key of a palette under a prompt version: `v1|<seed>`."""
    return f"{partition.prompt_version}|{partition.seed}"


def chosen_seeds(context: dg.AssetExecutionContext) -> list[str]:
    """The seeds this run was started for. Dagster stores any text as a key, so each is checked here."""
    return [_canonical(key) for key in _keys(context)]


def chosen_palettes(context: dg.AssetExecutionContext) -> list[PaletteVersion]:
    """The palettes and prompt versions this run was started for."""
    chosen: list[PaletteVersion] = []
    for key in _keys(context):
        version, _, seed = str(key).partition("|")
        chosen.append(PaletteVersion(version, _canonical(seed)))
    return chosen


def by_version(partitions: Iterable[PaletteVersion]) -> dict[str, list[str]]:
    """The seeds of each prompt version, in order."""
    found: dict[str, list[str]] = {}
    for partition in partitions:
        found.setdefault(partition.prompt_version, []).append(partition.seed)
    return found


def _keys(context: dg.AssetExecutionContext) -> Sequence[str]:
    keys = [str(key) for key in context.partition_keys]
    if not keys:
        raise dg.Failure(
            "This run was started for no partition at all. A range must name the earlier key first: "
            "the keys stand in the order in which the palettes were loaded."
        )
    return keys


def _canonical(seed: str) -> str:
    try:
        canonical = decode_seed(seed).canonical
    except SeedError as error:
        raise dg.Failure(f"Partition {seed!r} is not a palette: {error.reason}. Delete the partition.") from error
    if canonical != seed:
        raise dg.Failure(f"Partition {seed!r} is not the canonical spelling; use {canonical!r}, or `grabient load`.")
    return seed
