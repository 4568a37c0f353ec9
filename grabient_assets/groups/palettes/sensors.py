"""When palettes arrive, they are stored and drawn without anybody asking."""

from collections.abc import Sequence

import dagster as dg

from grabient_assets.groups.palettes.assets import palette_images
from grabient_assets.groups.palettes.jobs import load_palettes
from grabient_assets.groups.palettes.tables import asked_versions, palette_seeds
from grabient_assets.ledger.asks import asked_subjects
from grabient_assets.partitions import missing_partitions, version_in_use
from grabient_assets.resources.runs import ABOUT_TAG, UNASKED_TAG, attempt, busy_with
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.wording import counted

ROLE = "load"


def palettes_loaded(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: loaded seeds and prompt versions become partitions, and one run stores and draws all that are due.

    Palettes that somebody asked a model about come first, in a run of their own: requests wait for these pictures.
    The run for the others has UNASKED_TAG.

    A partition that a person deletes is added again: a palette that is loaded is one, and so is a version that
    commands use or that was asked.
    """

    @dg.sensor(
        name="palettes_loaded",
        job=load_palettes,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Adds loaded palettes as partitions and draws their pictures in one run.",
    )
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult:
        database = warehouse.open_briefly()
        with database.read() as connection:
            loaded, versions = palette_seeds(connection), asked_versions(connection)
            asked = asked_subjects(connection)
        added = missing_partitions(context.instance, loaded, [*version_in_use(), *versions])
        done = context.instance.get_materialized_partitions(palette_images.key)
        due = [seed for seed in loaded if seed not in done]
        if not due:
            return _waiting("Every loaded palette has its picture.", added)
        wanted = [seed for seed in due if seed in asked]
        due = wanted or due
        reason = busy_with(context.instance, ROLE)
        if reason:
            return _waiting(reason, added)
        going = attempt(context.instance, database, ROLE, due)
        if isinstance(going, str):
            return _waiting(going, added)
        config = {"config": {"all_due": True, "asked": bool(wanted)}}
        request = dg.RunRequest(
            run_key=going.run_key,
            partition_key=due[0],
            tags={
                **going.tags,
                ABOUT_TAG: counted(len(due), "palette"),
                **({} if wanted else {UNASKED_TAG: "true"}),
            },
            run_config={"ops": {"palettes": config, "palette_images": config}},
        )
        return dg.SensorResult(run_requests=[request], dynamic_partitions_requests=added)

    return look


def _waiting(reason: str, added: Sequence[dg.AddDynamicPartitionsRequest]) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, dynamic_partitions_requests=added)
