"""What a person sees of refinement in the UI, per partition."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

import dagster as dg

from grabient_assets.groups.palettes.tables import PaletteRecord, palettes
from grabient_assets.groups.picture import picture
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.refined import RefinedRecord, asked_refinements
from grabient_assets.partitions import partition_key
from grabient_assets.warehouse.connection import Warehouse

Metadata = dict[str, dg.MetadataValue]
ASSETS = ("refined_tags", "embed_text")


def refined_events(
    warehouse: Warehouse, rows: Sequence[RefinedRecord], selected: Container[str] = ASSETS
) -> Iterator[dg.AssetMaterialization]:
    """Materializations for the palettes among these rows that are refined."""
    with warehouse.read() as connection:
        colours = {record.seed: record for record in palettes(connection, {row.seed for row in rows})}
    for row in rows:
        if row.error is not None:
            continue
        key, palette = partition_key(SubjectVersion(row.prompt_version, row.seed)), colours[row.seed]
        for asset, metadata in zip(ASSETS, (refined_metadata, embed_text_metadata), strict=True):
            if asset in selected:
                yield dg.AssetMaterialization(asset, partition=key, metadata=metadata(row, palette))


def asked_events(warehouse: Warehouse, among: Sequence[SubjectVersion]) -> Iterator[dg.AssetMaterialization]:
    """A materialization of `refinement_batches` for each of these palettes whose refinement is asked for: how far it
    is, and why it failed."""
    with warehouse.read() as connection:
        found = asked_refinements(connection, among)
    for one in found:
        metadata = {"state": dg.MetadataValue.text(one.state), "batch": dg.MetadataValue.text(one.batch_id or "none")}
        if one.reason:
            metadata["why"] = dg.MetadataValue.text(one.reason[:1000])
        yield dg.AssetMaterialization("refinement_batches", partition=partition_key(one.partition), metadata=metadata)


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
        "palette": picture(palette),
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
        "palette": picture(palette),
        "embed_text": dg.MetadataValue.text(text),
        "words": dg.MetadataValue.int(len(text.split())),
        "repaired": dg.MetadataValue.bool(bool(record.embed_text_repaired)),
    }
