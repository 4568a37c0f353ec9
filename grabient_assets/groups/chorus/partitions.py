"""The partition spaces of the chorus: groups, and the runs in them."""

from collections.abc import Sequence

import dagster as dg

from grabient_assets.groups.chorus.runs import ChorusRun
from grabient_assets.partitions import additions

chorus_groups = dg.DynamicPartitionsDefinition(name="chorus_groups")
chorus_runs = dg.DynamicPartitionsDefinition(name="chorus_runs")


def missing_partitions(instance: dg.DagsterInstance, runs: Sequence[ChorusRun]) -> list[dg.AddDynamicPartitionsRequest]:
    """What a tick must add so that these runs and their groups are partitions."""
    groups, own = (run.group_id for run in runs), (run.run_id for run in runs)
    return additions(instance, ((chorus_groups, groups), (chorus_runs, own)))
