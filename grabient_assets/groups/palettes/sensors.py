"""When palettes arrive, they are stored and drawn without anybody asking."""

import dagster as dg

from grabient_assets.groups.palettes.assets import palette_images
from grabient_assets.groups.palettes.jobs import load_palettes
from grabient_assets.partitions import SEEDS, seeds
from grabient_assets.resources.runs import attempt, busy_with
from grabient_assets.resources.warehouse import WarehouseResource, skipped_while_locked
from grabient_assets.warehouse.palettes import palette_seeds

ROLE = "load"


def palettes_loaded(interval: int, status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """The sensor: new seeds become partitions, and one run stores and draws all that are due."""

    @dg.sensor(
        name="palettes_loaded",
        job=load_palettes,
        minimum_interval_seconds=interval,
        default_status=status,
        description="Adds loaded palettes as partitions and draws their pictures in one run.",
    )
    @skipped_while_locked
    def look(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
        with warehouse.open_briefly().read() as connection:
            loaded = palette_seeds(connection)
        known = set(context.instance.get_dynamic_partitions(SEEDS))
        fresh = [seed for seed in loaded if seed not in known]
        done = context.instance.get_materialized_partitions(palette_images.key)
        due = [seed for seed in loaded if seed not in done]
        if not due:
            return dg.SkipReason("Every loaded palette has its picture.")
        reason = busy_with(context.instance, ROLE)
        if reason:
            return dg.SkipReason(reason)
        going = attempt(context.instance, ROLE, due)
        if isinstance(going, str):
            return dg.SkipReason(going)
        config = {"config": {"all_due": True}}
        request = dg.RunRequest(
            run_key=going.run_key,
            partition_key=due[0],
            tags={**going.tags, "grabient/palettes": str(len(due))},
            run_config={"ops": {"palettes": config, "palette_images": config}},
        )
        added = [seeds.build_add_request(fresh)] if fresh else []
        return dg.SensorResult(run_requests=[request], dynamic_partitions_requests=added)

    return look
