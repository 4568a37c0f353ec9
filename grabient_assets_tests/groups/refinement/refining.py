"""A palette on its way through refinement: real warehouse, ledger and archive, providers in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grabient_assets.gradient.palette import Palette
from grabient_assets.groups.palettes.tables import ImageRecord, record_images
from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.groups.refinement.asking import ask_for_refinement
from grabient_assets.groups.refinement.purpose import REFINEMENT, refiner
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.reparse import Reparsed, reparse_batches
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets_tests.ledger.house import House, palette
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider, answered

LONG = "A calm and dreamy palette of blue light over quiet water that drifts from warm sand to the open ocean " * 2
ANSWER = {
    "temperature": "warm",
    "contrast": "high",
    "brightness": "light",
    "saturation": "vibrant",
    "mood": ["calm", "dreamy"],
    "style": ["minimal", "soft"],
    "dominant_colors": ["blue"],
    "seasonal": [],
    "associations": ["dune", "sand", "sky", "water"],
    "embed_text": " ".join(LONG.split()[:40]),
}
"""One association too few: the fifth comes from the consensus."""


class Pipeline:
    """A tagged palette whose refinement is with the provider. `tags`: what every tagger says."""

    def __init__(self, folder: Path, tags: dict[str, Any] | None = None, colours: Palette | None = None) -> None:
        self.house = House(folder)
        self.tagger = ScriptedProvider(name="google", clock=self.house.clock)
        self.refiner = ScriptedProvider(name=refiner().provider, clock=self.house.clock, labels=False)
        self.chosen = self.house.load(colours or palette(1))
        self.house.ask(self.chosen, providers=["google"])
        connection = self.tagger.connection()
        sent = submit_due(
            TAGGING, Submission(connection, PURPOSES, self.house.warehouse, self.house.store, self.house.clock)
        )
        if tags is None:
            self.tagger.end_all()
        for known, held in self.tagger.held.items() if tags else ():
            text = json.dumps(tags)
            self.tagger.end(known, [answered(custom_id, text=text) for custom_id in held.file.custom_ids])
        self.collect(self.tagger, [one.batch for one in sent.batches])
        complete_palettes(self.house.warehouse, ["google"], self.house.clock)
        self.submit()

    def submit(self) -> None:
        house = self.house
        picture = ImageRecord(self.chosen[0].subject, "images/1.png", None, "s", 1, 1, 3, "s", "local", house.clock())
        with house.warehouse.write() as connection:
            record_images(connection, [picture])
        house.store.put("images/1.png", b"png", "image/png")
        ask_for_refinement(self.chosen, "emulator", house.warehouse, house.clock())
        connection = self.refiner.connection()
        [sent] = submit_due(
            REFINEMENT, Submission(connection, PURPOSES, house.warehouse, house.store, house.clock)
        ).batches
        self.batch = sent.batch

    def collect(self, provider: ScriptedProvider, batches: list[BatchRecord]) -> None:
        house = self.house
        house.clock.wind(seconds=1)
        reader = reader_of(house.warehouse, house.store)
        ids = [batch.batch_id for batch in batches]
        done = collect_batches(ids, provider.connect, house.warehouse, house.store, reader, house.clock)
        assert done.troubles == ()

    def refine(self, **changes: Any) -> None:
        [known] = self.refiner.held
        [custom_id] = self.refiner.held[known].file.custom_ids
        said = {"ref": custom_id, **ANSWER, **changes}
        self.refiner.end(known, [answered(custom_id, text=json.dumps(said))])
        self.collect(self.refiner, [self.batch])

    def reparse(self) -> Reparsed:
        house = self.house
        return reparse_batches(
            [],
            None,
            house.warehouse,
            house.store,
            PURPOSES,
            reader_of(house.warehouse, house.store),
            lambda provider: (self.tagger if provider == "google" else self.refiner).read_line,
            ["google"],
        )

    def refined(self) -> tuple[Any, ...]:
        query = "SELECT associations, consensus_digest, fate, created_at, cost_usd FROM palette_tag_refined"
        [row] = self.house.rows(query)
        return row

    def consensus(self) -> str:
        return self.house.rows("SELECT digest FROM tag_consensus")[0][0]
