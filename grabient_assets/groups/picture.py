"""A palette as a person sees it in the UI."""

from __future__ import annotations

import dagster as dg

from grabient_assets.gradient.svg import thumbnail
from grabient_assets.groups.palettes.tables import PaletteRecord


def picture(palette: PaletteRecord) -> dg.MetadataValue:
    """The palette itself, inline: small, because every event is stored for ever."""
    return dg.MetadataValue.md(f"![{palette.seed}]({thumbnail(palette.hex)})")
