"""The partition spaces of the chorus: groups, and the runs in them."""

from collections.abc import Sequence

import dagster as dg

from grabient_assets.groups.chorus.runs import ChorusRun

chorus_groups = dg.DynamicPartitionsDefinition(name="chorus_groups")
chorus_runs = dg.DynamicPartitionsDefinition(name="chorus_runs")


def missing_partitions(instance: dg.DagsterInstance, runs: Sequence[ChorusRun]) -> list[dg.AddDynamicPartitionsRequest]:
    """What a tick must add so that these runs and their groups are partitions."""
    found: list[dg.AddDynamicPartitionsRequest] = []
    wanted = ((chorus_groups, [run.group_id for run in runs]), (chorus_runs, [run.run_id for run in runs]))
    for space, keys in wanted:
        assert space.name is not None
        known = set(instance.get_dynamic_partitions(space.name)) if keys else set()
        if fresh := [key for key in dict.fromkeys(keys) if key not in known]:
            found.append(space.build_add_request(fresh))
    return found
