"""A warehouse in which the emulated panel has answered the bundled palettes: its own words, through our reader."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from grabient_assets.emulator.answering import answer
from grabient_assets.emulator.questions import Question
from grabient_assets.groups.palettes.loading import load_palettes
from grabient_assets.groups.palettes.palette_file import SAMPLES, read_palette_file
from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts, tagging_message
from grabient_assets.groups.palettes.tables import PaletteRecord, palettes
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, Answer, read_answer
from grabient_assets.groups.tagging.tags import TagRecord, record_tags
from grabient_assets.groups.tagging.wave_audit import FIELDS, Tally, begin_audits, end_audits
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.registry.load import load_registry
from grabient_assets.warehouse.connection import Warehouse

AT = datetime(2026, 11, 1, tzinfo=UTC)
COST = Decimal("0.001")


def answered_warehouse(path: Path, analyses: int = 2, source: Path = SAMPLES) -> Warehouse:
    """The palettes of the file, all bundled ones by default, the whole panel, version v1; every answer costs COST."""
    warehouse = Warehouse(path)
    load_palettes(warehouse, read_palette_file(source), "samples", AT)
    with warehouse.write() as connection:
        record_tags(connection, list(_answers(palettes(connection), analyses)))
    return warehouse


def all_palettes(warehouse: Warehouse) -> list[SubjectVersion]:
    """Every palette under v1."""
    with warehouse.read() as connection:
        return [SubjectVersion("v1", one.seed) for one in palettes(connection)]


def audit_wave_one(warehouse: Warehouse, turned: int) -> None:
    """Twenty palettes that were certain after wave one and were asked about again; in so many contrast turned."""
    certain = all_palettes(warehouse)[:20]
    values = dict.fromkeys(FIELDS, "as before")
    with warehouse.write() as connection:
        begin_audits(connection, {one: ("plan", Tally(4, tuple(values.values()))) for one in certain}, AT)
        found = [Tally(10, tuple({**values, "contrast": "turned"}.values()))] * turned
        found += [Tally(10, tuple(values.values()))] * (len(certain) - turned)
        end_audits(connection, dict(zip(certain, found, strict=True)), AT)


def _answers(rows: list[PaletteRecord], analyses: int) -> Iterator[TagRecord]:
    system = load_palette_prompts("v1")["tagging"].body
    for palette in rows:
        for model in load_registry().panel("tagger"):
            for index in range(analyses):
                ref = f"{palette.palette_key}-{model.id}-{index}"
                text = answer(Question(model.id, ref, system, tagging_message(ref, palette.colours()))).text
                read = read_answer(text, ref)
                usable = isinstance(read, Answer)
                said = {f: getattr(read, f) for f in (*CATEGORICAL_FIELDS, *LIST_FIELDS)} if usable else {}
                key = (palette.seed, "v1", model.provider, model.id, index, ref)
                fate, error = ("succeeded", None) if usable else ("invalid", "unreadable")
                yield TagRecord(*key, fate=fate, created_at=AT, error=error, cost_usd=COST, **said)
