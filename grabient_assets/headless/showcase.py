"""What the demonstration shows: each palette with what the panel said, what was refined, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from grabient_assets.groups import knowledge
from grabient_assets.headless.status import Spent, spent
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.warehouse.connection import Warehouse

TALKS = Path(knowledge.__file__).with_name("samples")
"""Transcripts of three talks about selling, written for this project."""
TOP_WORDS = 3
CATEGORICAL = ("temperature", "contrast", "brightness", "saturation")
LISTS = ("mood", "style", "dominant_colors", "seasonal", "associations")


@dataclass(frozen=True, slots=True)
class Shown:
    """One palette. `consensus` holds the strongest values per field, `refined` the final tags; empty where missing."""

    seed: str
    name: str | None
    hex: tuple[str, ...]
    consensus: dict[str, list[str]]
    refined: dict[str, list[str]]
    embed_text: str | None


@dataclass(frozen=True, slots=True)
class Showcase:
    """The palettes in order of arrival, and the dollars of their answers by provider."""

    palettes: tuple[Shown, ...]
    spent: tuple[Spent, ...]

    @property
    def cost_usd(self) -> Decimal:
        """All of it."""
        return sum((one.cost_usd for one in self.spent), Decimal(0))


def showcase(warehouse: Warehouse, prompt_version: str, seeds: Sequence[str]) -> Showcase:
    """What is stored about these palettes under the prompt version."""
    from grabient_assets.groups.palettes.tables import palettes
    from grabient_assets.groups.refinement.refined import refined
    from grabient_assets.groups.tagging.tag_consensus import consensus

    among = [SubjectVersion(prompt_version, seed) for seed in seeds]
    with warehouse.read() as connection:
        records = palettes(connection, seeds)
        votes = {record.seed: _strongest(record.votes) for record in consensus(connection, among)}
        final = {record.seed: record for record in refined(connection, among) if record.error is None}
        costs = spent(connection, seeds, prompt_version)
    shown: list[Shown] = []
    for record in records:
        row = final.get(record.seed)
        tags = {f: [getattr(row, f)] for f in CATEGORICAL if getattr(row, f)} if row else {}
        tags |= {f: list(getattr(row, f) or ()) for f in LISTS} if row else {}
        embed_text = row.embed_text if row else None
        shown.append(Shown(record.seed, record.name, record.hex, votes.get(record.seed, {}), tags, embed_text))
    return Showcase(tuple(shown), tuple(costs))


def _strongest(votes: str) -> dict[str, list[str]]:
    return {
        field: [vote["value"] for vote in counted[:TOP_WORDS]]
        for field, counted in json.loads(votes).items()
        if counted
    }
