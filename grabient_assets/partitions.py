"""The partition spaces.

Palettes and pictures are partitioned by seed alone; everything that depends on a prompt is partitioned by prompt
version and seed, in one space (`v1|<seed>`), and the assets about a whole version by the version alone.

Both dimensions are dynamic. `seeds` are the palettes that are loaded. `prompt_versions` are the version that commands
use and those of which something was asked: a draft or a release that nobody asks makes nothing look missing, and a
version whose folder is gone keeps its partitions. A person may add another one in the UI, or delete any of them. Those
in use are added again by the next tick of `palettes_loaded`, and by every run that stands under one of them.

A chorus has spaces of its own: its groups, and the runs in them; edits have one. They are added by the ticks of their
sensors.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Protocol

import dagster as dg

from grabient_assets.asking.purpose_assets import PartitionSpace
from grabient_assets.errors import PromptError, SeedError
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.ledger.asks import SubjectVersion, by_version
from grabient_assets.prompting.released import load_released
from grabient_assets.settings import load_settings, prompts_dir

# Dagster warns of each `backfill_policy` that it is in beta. Every file of assets imports this one before it has one.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")

SEEDS, PROMPT_VERSIONS = "seeds", "prompt_versions"
seeds = dg.DynamicPartitionsDefinition(name=SEEDS)
prompt_versions = dg.DynamicPartitionsDefinition(name=PROMPT_VERSIONS)
palette_versions = dg.MultiPartitionsDefinition({"prompt_version": prompt_versions, "seed": seeds})
chorus_groups = dg.DynamicPartitionsDefinition(name="chorus_groups")
chorus_runs = dg.DynamicPartitionsDefinition(name="chorus_runs")
edits = dg.DynamicPartitionsDefinition(name="edits")


def add_partitions(instance: dg.DagsterInstance, loaded: Iterable[str], asked: Iterable[str] = ()) -> None:
    """Make partitions of these seeds, in order, of the prompt version in use, and of the `asked` ones."""
    for added in missing_partitions(instance, loaded, [*version_in_use(), *asked]):
        instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys))


def missing_partitions(
    instance: dg.DagsterInstance, loaded: Iterable[str], versions: Iterable[str]
) -> list[dg.AddDynamicPartitionsRequest]:
    """What a tick must add so that these seeds and prompt versions are partitions; nothing when they are."""
    return additions(instance, ((seeds, loaded), (prompt_versions, versions)))


class RunInGroup(Protocol):
    """A run of a chorus: all that its partitions need."""

    @property
    def run_id(self) -> str: ...

    @property
    def group_id(self) -> str: ...


def missing_chorus_partitions(
    instance: dg.DagsterInstance, runs: Sequence[RunInGroup]
) -> list[dg.AddDynamicPartitionsRequest]:
    """What a tick must add so that these runs and their groups are partitions."""
    groups, own = (run.group_id for run in runs), (run.run_id for run in runs)
    return additions(instance, ((chorus_groups, groups), (chorus_runs, own)))


def additions(
    instance: dg.DagsterInstance, wanted: Iterable[tuple[dg.DynamicPartitionsDefinition, Iterable[str]]]
) -> list[dg.AddDynamicPartitionsRequest]:
    """What must be added so that these keys of these spaces are partitions."""
    found: list[dg.AddDynamicPartitionsRequest] = []
    for space, named in wanted:
        assert space.name is not None
        keys = list(dict.fromkeys(named))
        known = set(instance.get_dynamic_partitions(space.name)) if keys else set()
        if fresh := [key for key in keys if key not in known]:
            found.append(space.build_add_request(fresh))
    return found


def unreported(instance: dg.DagsterInstance, asset: str, keys: Iterable[str]) -> list[str]:
    """Those of the partitions that have no materialization of the asset yet."""
    wanted = list(keys)
    known = instance.get_materialized_partitions(dg.AssetKey(asset)) if wanted else set[str]()
    return [key for key in wanted if key not in known]


def version_in_use() -> tuple[str, ...]:
    """The prompt version of GRABIENT_PROMPT_VERSION; none while it is a draft, or `released.toml` cannot be read:
    asking and sending report that error."""
    version = load_settings().prompt_version
    try:
        return (version,) if version in load_released(prompts_dir()) else ()
    except PromptError:
        return ()


def partitions_under(
    instance: dg.DagsterInstance, requests: Sequence[dg.RunRequest]
) -> list[dg.AddDynamicPartitionsRequest]:
    """The prompt versions and seeds under which these runs are to stand, and which are no partitions."""
    keys = [request.partition_key.partition("|") for request in requests if request.partition_key]
    return missing_partitions(instance, [seed for _, _, seed in keys if seed], [version for version, _, _ in keys])


def partition_key(partition: SubjectVersion) -> str:
    """The Dagster key of a palette under a prompt version: `v1|<seed>`."""
    return f"{partition.prompt_version}|{partition.subject}"


def chosen_seeds(context: dg.AssetExecutionContext) -> list[str]:
    """The seeds this run was started for. Dagster stores any text as a key, so each is checked here."""
    return [_canonical(key) for key in _keys(context)]


def chosen_palettes(context: dg.AssetExecutionContext) -> list[SubjectVersion]:
    """The palettes and prompt versions this run was started for."""
    chosen: list[SubjectVersion] = []
    for key in _keys(context):
        version, _, seed = str(key).partition("|")
        chosen.append(SubjectVersion(version, _canonical(seed)))
    return chosen


def neighbours(instance: dg.DagsterInstance, chosen: Iterable[SubjectVersion]) -> list[list[SubjectVersion]]:
    """The palettes in rows without a gap, as a range of Dagster's covers them: in the order of the seeds, version by
    version. Those whose seed is no partition are left out."""
    place = {seed: number for number, seed in enumerate(instance.get_dynamic_partitions(SEEDS))}
    rows: list[list[SubjectVersion]] = []
    for found in by_version(one for one in chosen if one.subject in place).values():
        last = None
        for one in sorted(found, key=lambda one: place[one.subject]):
            if last is None or place[one.subject] != last + 1:
                rows.append([])
            rows[-1].append(one)
            last = place[one.subject]
    return rows


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


PALETTE_VERSIONS = PartitionSpace(palette_versions, partition_key, chosen_palettes, neighbours, partitions_under)
"""The space of everything that models are asked about palettes."""
