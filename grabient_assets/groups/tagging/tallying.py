"""From the answers in the table to the consensus in the table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, Answer
from grabient_assets.groups.tagging.consensus import (
    Consensus,
    ModelAnswer,
    Vote,
    build_consensuses,
    consensus_for_prompt,
)
from grabient_assets.providers.asking import json_line
from grabient_assets.warehouse.asks import PaletteVersion
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.palettes import PaletteRecord, palettes
from grabient_assets.warehouse.tags import AnswerRecord, ConsensusRecord, answers, record_consensus

PALETTES_AT_ONCE = 200
"""Palettes whose answers are in memory together: with eighty answers each about 120 MB."""


def tally(warehouse: Warehouse, chosen: Sequence[PaletteVersion], now: datetime) -> list[ConsensusRecord]:
    """Build and store the consensus of these palettes; one without a usable answer gets none."""
    records: list[ConsensusRecord] = []
    for start in range(0, len(chosen), PALETTES_AT_ONCE):
        records += _tally_portion(warehouse, chosen[start : start + PALETTES_AT_ONCE], now)
    return records


def _tally_portion(warehouse: Warehouse, chosen: Sequence[PaletteVersion], now: datetime) -> list[ConsensusRecord]:
    with warehouse.read() as connection:
        found = answers(connection, chosen)
        colours = {record.seed: record for record in palettes(connection, {p.seed for p in chosen})}
    records = consensus_records(found, colours, now)
    if records:
        with warehouse.write() as connection:
            record_consensus(connection, records)
    return records


def consensus_records(
    found: Sequence[AnswerRecord], colours: Mapping[str, PaletteRecord], now: datetime
) -> list[ConsensusRecord]:
    """The consensus of every palette that these answers are about. `colours`: the palettes by seed."""
    rows = ((PaletteVersion(row.prompt_version, row.seed), _model_answer(row)) for row in found)
    return [
        _record(partition, consensus, colours[partition.seed], now)
        for partition, consensus in build_consensuses(rows, lambda partition: colours[partition.seed].rgb).items()
        if consensus.models
    ]


def stored_consensus(record: ConsensusRecord) -> Consensus:
    """The consensus as it stands in the table."""
    votes: dict[str, list[dict[str, Any]]] = json.loads(record.votes)
    return Consensus(
        models=record.models,
        answers=record.answers,
        votes={field: tuple(Vote(**vote) for vote in found) for field, found in votes.items()},
    )


def _model_answer(row: AnswerRecord) -> ModelAnswer:
    answer = Answer(
        temperature=row.temperature,
        contrast=row.contrast,
        brightness=row.brightness,
        saturation=row.saturation,
        mood=tuple(row.mood or ()),
        style=tuple(row.style or ()),
        dominant_colors=tuple(row.dominant_colors or ()),
        harmony=tuple(row.harmony or ()),
        seasonal=tuple(row.seasonal or ()),
        associations=tuple(row.associations or ()),
    )
    return ModelAnswer(row.provider, row.model, row.analysis_index, answer)


def _record(partition: PaletteVersion, consensus: Consensus, palette: PaletteRecord, now: datetime) -> ConsensusRecord:
    return ConsensusRecord(
        seed=partition.seed,
        prompt_version=partition.prompt_version,
        models=consensus.models,
        answers=consensus.answers,
        temperature=consensus.top("temperature"),
        contrast=consensus.top("contrast"),
        brightness=consensus.top("brightness"),
        saturation=consensus.top("saturation"),
        votes=json.dumps(consensus.votes_json(), ensure_ascii=False),
        facts=json.dumps(_facts(palette)),
        digest=consensus_digest(consensus),
        created_at=now,
    )


def consensus_digest(consensus: Consensus) -> str:
    """Changes exactly when the refiner would read something else: what a refinement was made from is known by it.

    Nothing else may enter: another digest is another request, and costs money.
    """
    return hashlib.sha256(json_line(consensus_for_prompt(consensus))).hexdigest()


def _facts(palette: PaletteRecord) -> dict[str, Any]:
    facts: dict[str, Any] = {field: getattr(palette, field) for field in CATEGORICAL_FIELDS}
    return {**facts, "harmonies": palette.harmonies, "clear_cut": palette.clear_cut}
