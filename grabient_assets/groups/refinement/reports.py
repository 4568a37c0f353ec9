"""What a person sees of refinement in the UI, per partition."""

from __future__ import annotations

import dagster as dg

from grabient_assets.groups.picture import picture
from grabient_assets.warehouse.palettes import PaletteRecord
from grabient_assets.warehouse.refined import RefinedRecord

Metadata = dict[str, dg.MetadataValue]


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
