"""Palettes that are tagged wave by wave, answered in the words of the emulated models, without any batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from grabient_assets.emulator.answering import answer
from grabient_assets.emulator.questions import Question
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.groups.palettes.loading import load_palettes, palette_record
from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts, tagging_message
from grabient_assets.groups.palettes.tables import PaletteRecord, add_palettes, palettes
from grabient_assets.groups.tagging.adaptive import ask_in_waves
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, Answer, read_answer
from grabient_assets.groups.tagging.asking import TaggingAsk, ask_for_tags
from grabient_assets.groups.tagging.collection import Completed, complete_palettes
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import TagRecord, record_tags
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.due import DueRequest, due_requests
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.pipeline.place import samples

COST = Decimal("0.001")


@dataclass
class WaveHouse:
    """Some of the bundled palettes in a house."""

    folder: Path
    count: int = 20
    house: House = field(init=False)
    palettes: list[SubjectVersion] = field(init=False)

    def __post_init__(self) -> None:
        self.house = House(self.folder)
        load_palettes(self.house.warehouse, samples(self.count), "samples", self.house.clock())
        self.palettes = [SubjectVersion("v1", row.palette.canonical) for row in samples(self.count).rows]

    def wish(self, providers: Sequence[str] = PROVIDERS, analyses: int = 2, **more: Any) -> TaggingAsk:
        return TaggingAsk(more.pop("palettes", self.palettes), providers, analyses, "emulator", **more)

    def ask(self, providers: Sequence[str] = PROVIDERS, panel: Sequence[str] = PROVIDERS, **more: Any) -> None:
        """Want the palettes tagged adaptively."""
        ask_in_waves(self.wish(providers, **more), panel, self.house.warehouse, self.house.clock.wind(seconds=1))

    def ask_in_full(self, analyses: int = 2) -> None:
        ask_for_tags(self.wish(analyses=analyses), self.house.warehouse, self.house.clock.wind(seconds=1))

    def due(self) -> list[tuple[str, DueRequest]]:
        """What would be sent now, with its provider."""
        with self.house.warehouse.read() as connection:
            return [(name, one) for name in PROVIDERS for one in due_requests(connection, TAGGING, name)]

    def by_model(self) -> Counter[str]:
        """How many requests are due, by model."""
        return Counter(one.model for _, one in self.due())

    def answer(self, unusable: Iterable[str] = (), fate: str = "invalid") -> int:
        """Everything that is due is answered, about the palettes `unusable` with something of no use; how many."""
        due, bad = self.due(), set(unusable)
        self.house.clock.wind(seconds=1)
        with self.house.warehouse.write() as connection:
            colours = {one.seed: one for one in palettes(connection)}
            record_tags(connection, list(self._rows(due, colours, bad, fate)))
        return len(due)

    def complete(self, providers: Sequence[str] = PROVIDERS) -> Completed:
        """Judge, and build the consensus of what is complete."""
        return complete_palettes(self.house.warehouse, providers, lambda: self.house.clock.wind(seconds=1))

    def to_the_end(self) -> list[int]:
        """Answer and judge until nothing is due; the requests of each round."""
        rounds: list[int] = []
        while self.due():
            rounds.append(self.answer())
            self.complete()
        return rounds

    def waves(self) -> Counter[tuple[int, str | None]]:
        """How many palettes are in which wave, or settled after it and why."""
        rows = self.house.rows("SELECT wave, reason FROM tagging_waves")
        return Counter(dict(Counter((row[0], row[1]) for row in rows)))

    def _rows(
        self, due: Sequence[tuple[str, DueRequest]], colours: dict[str, PaletteRecord], bad: set[str], fate: str
    ) -> Iterator[TagRecord]:
        system = load_palette_prompts("v1")["tagging"].body
        for provider, one in due:
            message = tagging_message(one.custom_id, colours[one.subject].colours())
            read = read_answer(answer(Question(one.model, one.custom_id, system, message)).text, one.custom_id)
            usable = isinstance(read, Answer) and one.subject not in bad
            said = self.said(one.model, colours[one.subject], read) if usable and isinstance(read, Answer) else {}
            key = (one.subject, "v1", provider, one.model, one.analysis_index, one.custom_id)
            how = ("succeeded", None) if usable else (fate, "of no use")
            yield TagRecord(*key, fate=how[0], created_at=self.house.clock(), error=how[1], cost_usd=COST, **said)

    def said(self, model: str, palette: PaletteRecord, read: Answer) -> dict[str, Any]:
        """What a model is recorded to have said, of what it said."""
        return {f: getattr(read, f) for f in (*CATEGORICAL_FIELDS, *LIST_FIELDS)}


@dataclass
class TruthfulHouse(WaveHouse):
    """Invented palettes of which every model says what the colours say, but for `mistaken`: they call every contrast
    that is not clear-cut medium, or low where it is medium."""

    mistaken: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.house = House(self.folder)
        dice = Random(1)
        seeds = [decode_seed(",".join(f"{dice.uniform(0.1, 1):.3f}" for _ in range(12))) for _ in range(self.count)]
        self.palettes = [SubjectVersion("v1", seed.canonical) for seed in seeds]
        with self.house.warehouse.write() as connection:
            add_palettes(connection, [palette_record(seed, seed.canonical, self.house.clock()) for seed in seeds])

    def said(self, model: str, palette: PaletteRecord, read: Answer) -> dict[str, Any]:
        values = {field: getattr(palette, field) for field in CATEGORICAL_FIELDS}
        if model in self.mistaken and "contrast" not in palette.clear_cut:
            values["contrast"] = "low" if values["contrast"] == "medium" else "medium"
        return super().said(model, palette, read) | values
