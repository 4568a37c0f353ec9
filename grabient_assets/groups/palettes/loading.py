"""From a palette file, or a bare seed, to rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from grabient_assets.gradient.facts import describe
from grabient_assets.gradient.palette import Palette
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.groups.palettes.palette_file import PaletteFile, PaletteRow
from grabient_assets.groups.palettes.tables import (
    PaletteRecord,
    RejectedRecord,
    add_palettes,
    palettes,
    record_rejected,
)
from grabient_assets.warehouse.connection import Warehouse


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of a palette file: seeds that are new, seeds that were there already, lines that are not palettes."""

    accepted: tuple[str, ...]
    known: tuple[str, ...]
    rejected: tuple[RejectedRecord, ...]


def load_palettes(warehouse: Warehouse, file: PaletteFile, source: str, now: datetime) -> LoadReport:
    """Store every palette of the file that is new, and keep its rejected lines under the name `source`."""
    records = [_record(row, now) for row in file.rows]
    rejected = [RejectedRecord(source, line.line, line.entry, line.text, line.reason, now) for line in file.rejected]
    with warehouse.write() as connection:
        added = add_palettes(connection, records)
        record_rejected(connection, source, rejected)
    order = list(dict.fromkeys(r.seed for r in records))
    return LoadReport(
        accepted=tuple(s for s in order if s in added),
        known=(*(s for s in order if s not in added), *(row.seed for row in file.duplicates)),
        rejected=tuple(rejected),
    )


def ensure_palettes(warehouse: Warehouse, seeds: Sequence[str], now: datetime) -> list[PaletteRecord]:
    """The rows of these canonical seeds, in order; a seed that was never loaded is stored from its own letters."""
    with warehouse.read() as connection:
        found = {record.seed: record for record in palettes(connection, seeds)}
    fresh = [palette_record(decode_seed(seed), seed, now) for seed in seeds if seed not in found]
    if fresh:
        with warehouse.write() as connection:
            add_palettes(connection, fresh)
        found.update({record.seed: record for record in fresh})
    return [found[seed] for seed in seeds]


def palette_record(
    palette: Palette,
    source_seed: str,
    now: datetime,
    name: str | None = None,
    style: str = "linearSwatches",
    steps: int = 11,
    angle: float = 90.0,
) -> PaletteRecord:
    """Everything the table keeps of a palette, computed from its coefficients."""
    colours = describe(palette)
    facts = colours.facts
    return PaletteRecord(
        seed=palette.canonical,
        source_seed=source_seed,
        palette_key=palette.palette_key,
        name=name,
        style=style,
        steps=steps,
        angle=angle,
        coeffs=palette.coeffs,
        globals=palette.globals,
        hex=colours.hex,
        rgb=colours.rgb,
        hsl=colours.hsl,
        lch=colours.lch,
        color_names=colours.color_names,
        harmonies=colours.harmonies,
        temperature=facts.temperature,
        contrast=facts.contrast,
        brightness=facts.brightness,
        saturation=facts.saturation,
        clear_cut=tuple(sorted(facts.clear_cut)),
        created_at=now,
    )


def _record(row: PaletteRow, now: datetime) -> PaletteRecord:
    return palette_record(row.palette, row.source_seed, now, row.name, row.style, row.steps, row.angle)
