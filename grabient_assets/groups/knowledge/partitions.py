"""The partition space of knowledge: cells, one source x one focus area, `fa4|yt_...`."""

import dagster as dg

from grabient_assets.groups.fetching.partitions import sources
from grabient_assets.groups.knowledge.areas import AREAS

focus_areas = dg.StaticPartitionsDefinition([f"fa{area.number}" for area in AREAS])
cells = dg.MultiPartitionsDefinition({"focus_area": focus_areas, "source": sources})


def cell_key(source_id: str, area: int) -> str:
    """The Dagster key of a cell."""
    return f"fa{area}|{source_id}"
