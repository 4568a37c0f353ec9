"""What a person sees of refinement in the UI, per partition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.asking.purpose_assets import Metadata
from grabient_assets.groups.markdown import picture
from grabient_assets.groups.palettes.tables import PaletteRecord, palettes
from grabient_assets.groups.refinement.refined import RefinedRecord, refined
from grabient_assets.groups.tagging.withheld import explained, withheld_palettes
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.partitions import partition_key
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ASSETS = ("refined_tags", "embed_text")


def refined_events(warehouse: Warehouse, among: Sequence[SubjectVersion]) -> Iterator[dg.AssetMaterialization]:
    """Materializations for those of the palettes that are refined."""
    with warehouse.read() as connection:
        rows = refined(connection, among)
        colours = {record.seed: record for record in palettes(connection, {row.seed for row in rows})}
    for row in rows:
        if row.error is not None:
            continue
        key, palette = partition_key(SubjectVersion(row.prompt_version, row.seed)), colours[row.seed]
        for asset, metadata in zip(ASSETS, (refined_metadata, embed_text_metadata), strict=True):
            yield dg.AssetMaterialization(asset, partition=key, metadata=metadata(row, palette))


def withheld_notes(
    connection: DuckDBPyConnection, partitions: Sequence[SubjectVersion]
) -> dict[SubjectVersion, Metadata]:
    """Why a check keeps those of the palettes from refinement that it does."""
    return {
        one.partition: {
            "state": dg.MetadataValue.text("kept from refinement"),
            "why": dg.MetadataValue.text(explained(one)),
        }
        for one in withheld_palettes(connection, partitions)
    }


def refined_metadata(record: RefinedRecord, palette: PaletteRecord) -> Metadata:
    """The refined tags, who made them, and what they cost."""
    words = {
        "mood": record.mood,
        "style": record.style,
        "dominant colours": record.dominant_colors,
        "seasonal": record.seasonal,
        "associations": record.associations,
    }
    facts = f"{record.temperature}, {record.contrast} contrast, {record.brightness}, {record.saturation}"
    return {
        "palette": picture(palette.seed, palette.hex),
        "measured": dg.MetadataValue.text(facts),
        **{name: dg.MetadataValue.text(", ".join(tags or ()) or "none") for name, tags in words.items()},
        "model": dg.MetadataValue.text(record.model),
        "batch": dg.MetadataValue.text(record.batch_id or "-"),
        "tokens": dg.MetadataValue.text(f"{record.input_tokens} in, {record.output_tokens} out"),
        "cost_usd": dg.MetadataValue.float(float(record.cost_usd or 0)),
    }


def embed_text_metadata(record: RefinedRecord, palette: PaletteRecord) -> Metadata:
    """The text a vector search will find the palette by."""
    text = record.embed_text or ""
    return {
        "palette": picture(palette.seed, palette.hex),
        "embed_text": dg.MetadataValue.text(text),
        "words": dg.MetadataValue.int(len(text.split())),
        "repaired": dg.MetadataValue.bool(bool(record.embed_text_repaired)),
    }
