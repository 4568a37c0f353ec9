"""The partition space of fetching: sources."""

from collections.abc import Iterable

import dagster as dg

from grabient_assets.partitions import additions

sources = dg.DynamicPartitionsDefinition(name="sources")


def missing_sources(instance: dg.DagsterInstance, source_ids: Iterable[str]) -> list[dg.AddDynamicPartitionsRequest]:
    """What a tick must add so that these sources are partitions."""
    return additions(instance, ((sources, source_ids),))


def unreported(instance: dg.DagsterInstance, asset: str, keys: Iterable[str]) -> list[str]:
    """Those of the partitions that have no materialization of the asset yet."""
    wanted = list(keys)
    known = instance.get_materialized_partitions(dg.AssetKey(asset)) if wanted else set[str]()
    return [key for key in wanted if key not in known]
