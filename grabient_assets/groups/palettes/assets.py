"""Palettes and their pictures, partitioned by seed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from grabient_assets.groups.markdown import picture
from grabient_assets.groups.palettes.loading import ensure_palettes
from grabient_assets.groups.palettes.pictures import Drawn, draw_palettes
from grabient_assets.groups.palettes.tables import PaletteRecord, palette_seeds
from grabient_assets.ledger.asks import asked_subjects
from grabient_assets.partitions import chosen_seeds, seeds
from grabient_assets.resources.objects import ObjectsResource
from grabient_assets.resources.reporting import report_materializations, show_reason
from grabient_assets.resources.warehouse import WarehouseResource


class PalettesConfig(dg.Config):
    """What a run is about."""

    all_due: bool = False
    """Every loaded palette that this asset has not reported yet, instead of the partitions the run was started for."""

    asked: bool = False
    """With `all_due`: of these only the palettes that somebody asked a model about."""


@dg.asset(
    partitions_def=seeds,
    hooks={show_reason},
    group_name="palettes",
    kinds={"duckdb"},
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="A cosine gradient per seed: coefficients, eleven colours in four notations, names, harmonies and "
    "colour facts. `grabient load` brings palettes in; materializing a seed that was never loaded stores it.",
    metadata={"dagster/table_name": "palettes"},
)
def palettes(context: dg.AssetExecutionContext, config: PalettesConfig, warehouse: WarehouseResource) -> None:
    now = datetime.now(UTC)
    chosen = _due(context, config, warehouse, "palettes") if config.all_due else chosen_seeds(context)
    records = ensure_palettes(warehouse.open(context), chosen, now)
    _report(context, {record.seed: _palette_metadata(record) for record in records})


@dg.asset(
    partitions_def=seeds,
    hooks={show_reason},
    group_name="palettes",
    kinds={"s3", "python"},
    deps=[palettes],
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="The picture of each palette, 440x100 PNG of eleven swatches, in the object store. An unchanged "
    "picture is neither rendered nor uploaded again.",
    metadata={"dagster/table_name": "palette_images"},
)
def palette_images(
    context: dg.AssetExecutionContext, config: PalettesConfig, warehouse: WarehouseResource, objects: ObjectsResource
) -> None:
    now = datetime.now(UTC)
    chosen = _due(context, config, warehouse, "palette_images") if config.all_due else chosen_seeds(context)
    database = warehouse.open(context)
    drawn = draw_palettes(ensure_palettes(database, chosen, now), database, objects.open(), now)
    _report(context, {one.palette.seed: _image_metadata(one) for one in drawn})
    context.log.info("%d pictures, %d of them drawn now", len(drawn), sum(d.fresh for d in drawn))


def _due(
    context: dg.AssetExecutionContext, config: PalettesConfig, warehouse: WarehouseResource, asset: str
) -> Sequence[str]:
    """What is loaded and not reported yet, and always the partition that the run stands under."""
    reported = context.instance.get_materialized_partitions(dg.AssetKey(asset)) - {context.partition_key}
    with warehouse.open(context).read() as connection:
        among = asked_subjects(connection) | {context.partition_key} if config.asked else None
        loaded = palette_seeds(connection)
    return [seed for seed in loaded if seed not in reported and (among is None or seed in among)]


def _report(context: dg.AssetExecutionContext, found: Mapping[str, dict[str, dg.MetadataValue]]) -> None:
    """Tell Dagster that these partitions are there. For the partitions of the run itself Dagster does so at its end."""
    own = {str(key) for key in context.partition_keys}
    others: list[dg.AssetMaterialization] = []
    for seed, metadata in found.items():
        if seed in own:
            context.add_asset_metadata(metadata, partition_key=seed)
        else:
            others.append(dg.AssetMaterialization(context.asset_key, partition=seed, metadata=metadata))
    report_materializations(context, others)


def _palette_metadata(record: PaletteRecord) -> dict[str, dg.MetadataValue]:
    return {
        "palette": picture(record.seed, record.hex),
        "name": dg.MetadataValue.text(record.name or "-"),
        "colours": dg.MetadataValue.text(", ".join(record.color_names)),
        "harmonies": dg.MetadataValue.text(", ".join(record.harmonies) or "none"),
        "facts": dg.MetadataValue.text(
            f"{record.temperature}, {record.contrast} contrast, {record.brightness}, {record.saturation}"
        ),
        "source_seed": dg.MetadataValue.text(record.source_seed),
    }


def _image_metadata(drawn: Drawn) -> dict[str, dg.MetadataValue]:
    image = drawn.image
    found: dict[str, dg.MetadataValue] = {
        "picture": picture(drawn.palette.seed, drawn.palette.hex),
        "object": dg.MetadataValue.text(f"{image.store} {image.object_key}"),
        "bytes": dg.MetadataValue.int(image.bytes),
        "sha256": dg.MetadataValue.text(image.sha256),
        "drawn": dg.MetadataValue.bool(drawn.fresh),
    }
    if image.url:
        found["url"] = dg.MetadataValue.url(image.url)
    return found
