"""When a prompt version has come to rest, its models are measured."""

import dagster as dg

from grabient_assets.groups.calibration.jobs import report_models
from grabient_assets.groups.sensors import version_sensor
from grabient_assets.groups.tagging.model_reports import settled_without_report


def consensus_settled(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: a report for every version whose consensus is newer than it, once no tagging of it is open."""
    return version_sensor(
        "consensus_settled",
        report_models,
        lambda connection: ((version, newest.isoformat()) for version, newest in settled_without_report(connection)),
        "Measures the models of a prompt version when its consensus has changed and nothing of it is open.",
        "Every settled consensus has its report.",
        interval,
        status,
    )
