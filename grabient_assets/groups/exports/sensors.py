"""When nothing of a prompt version is open any more, its refined palettes are exported."""

import dagster as dg

from grabient_assets.groups.exports.jobs import export_palettes
from grabient_assets.groups.exports.tables import settled_without_export
from grabient_assets.groups.sensors import version_sensor


def refinement_settled(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: a new file for every version whose palettes are not in the object store as they are now."""
    return version_sensor(
        "refinement_settled",
        export_palettes,
        settled_without_export,
        "Exports the refined palettes of a version when they have changed and nothing of it is open.",
        "Every settled version is exported as it is.",
        interval,
        status,
    )
