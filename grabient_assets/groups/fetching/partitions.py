"""The partition space of fetching: sources."""

from collections.abc import Iterable

import dagster as dg

from grabient_assets.partitions import additions

sources = dg.DynamicPartitionsDefinition(name="sources")


def missing_sources(instance: dg.DagsterInstance, source_ids: Iterable[str]) -> list[dg.AddDynamicPartitionsRequest]:
    """What a tick must add so that these sources are partitions."""
    return additions(instance, ((sources, source_ids),))
