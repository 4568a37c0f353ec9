"""A refinement is read against the consensus that the refiner was shown, whatever is stored by now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.batching.reparse import Reparsed, reparse_batches
from grabient_assets.batching.round import collect_batches
from grabient_assets.groups.readers import reader_of
from grabient_assets.groups.refinement.asking import ask_for_refinement, refiner
from grabient_assets.groups.refinement.basis import UNKNOWN, basis_of
from grabient_assets.groups.refinement.submission import submit_due_refinements
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.retallying import tally_again
from grabient_assets.groups.tagging.submission import submit_due_tagging
from grabient_assets.warehouse.batches import BatchRecord
from grabient_assets.warehouse.palettes import ImageRecord, record_images
from grabient_assets_tests.batching.house import House, palette
from grabient_assets_tests.batching.scripted_provider import ScriptedProvider, answered

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


OTHER = '{"mood": ["loud"], "associations": ["lava"]}'


class Pipeline:
    """A tagged palette whose refinement is with the provider."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        self.tagger = ScriptedProvider(name="google", clock=self.house.clock)
        self.refiner = ScriptedProvider(name=refiner().provider, clock=self.house.clock, labels=False)
        self.chosen = self.house.load(palette(1))
        self.house.ask(self.chosen, providers=["google"])
        connection = self.tagger.connection()
        sent = submit_due_tagging(connection, self.house.warehouse, self.house.store, self.house.clock)
        self.tagger.end_all()
        self.collect(self.tagger, [one.batch for one in sent.batches])
        complete_palettes(self.house.warehouse, ["google"], self.house.clock)
        self.submit()

    def submit(self) -> None:
        house = self.house
        picture = ImageRecord(self.chosen[0].seed, "images/1.png", None, "s", 1, 1, 3, "s", "local", house.clock())
        with house.warehouse.write() as connection:
            record_images(connection, [picture])
        house.store.put("images/1.png", b"png", "image/png")
        ask_for_refinement(self.chosen, "emulator", house.warehouse, house.clock())
        connection = self.refiner.connection()
        [sent] = submit_due_refinements(connection, house.warehouse, house.store, house.clock, by_url=False).batches
        self.batch = sent.batch

    def collect(self, provider: ScriptedProvider, batches: list[BatchRecord]) -> None:
        house = self.house
        house.clock.wind(seconds=1)
        reader = reader_of(house.warehouse, house.store)
        ids = [batch.batch_id for batch in batches]
        done = collect_batches(ids, provider.connect, house.warehouse, house.store, reader, house.clock)
        assert done.troubles == ()

    def refine(self) -> None:
        [known] = self.refiner.held
        [custom_id] = self.refiner.held[known].file.custom_ids
        self.refiner.end(known, [answered(custom_id, text=json.dumps({"ref": custom_id, **ANSWER}))])
        self.collect(self.refiner, [self.batch])

    def reparse(self) -> Reparsed:
        house = self.house
        return reparse_batches(
            [],
            None,
            house.warehouse,
            house.store,
            reader_of(house.warehouse, house.store),
            lambda provider: (self.tagger if provider == "google" else self.refiner).read_line,
            lambda connection, chosen: tally_again(connection, chosen, ["google"]),
        )

    def refined(self) -> tuple[Any, ...]:
        query = "SELECT associations, consensus_digest, fate, created_at, cost_usd FROM palette_tag_refined"
        [row] = self.house.rows(query)
        return row

    def consensus(self) -> str:
        return self.house.rows("SELECT digest FROM tag_consensus")[0][0]


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


def change_the_consensus(pipeline: Pipeline) -> None:
    """The stored one reads otherwise now, as after another answer."""
    row = pipeline.house.rows("SELECT votes FROM tag_consensus")[0][0]
    votes = json.loads(row)
    votes["associations"] = [{"value": "lava", "models": 1, "share": 1.0}]
    pipeline.house.write("UPDATE tag_consensus SET votes = ?, digest = 'another'", json.dumps(votes))


def test_the_stored_consensus_is_the_basis_while_it_is_the_one_that_was_shown(pipeline: Pipeline) -> None:
    before = pipeline.consensus()
    pipeline.refine()
    associations, digest, fate, *_ = pipeline.refined()
    assert (digest, fate, associations[-1]) == (before, "repaired", "ocean")
    live = pipeline.house.rows("SELECT * FROM palette_tag_refined")
    assert pipeline.reparse().outdated == 0 and pipeline.house.rows("SELECT * FROM palette_tag_refined") == live


def test_a_consensus_that_changed_while_the_refiner_was_at_it_fills_no_gap(pipeline: Pipeline) -> None:
    shown = pipeline.consensus()
    change_the_consensus(pipeline)
    pipeline.refine()
    associations, digest, fate, *_ = pipeline.refined()
    assert digest == shown, "it was not made from the one that is stored now"
    assert (fate, associations[-1]) == ("repaired", "ocean")


def test_read_again_it_keeps_the_consensus_it_was_made_from(pipeline: Pipeline) -> None:
    pipeline.refine()
    live = pipeline.refined()
    pipeline.house.write("UPDATE palette_tag_refined SET associations = NULL, error = 'old', fate = 'invalid'")
    pipeline.house.write("UPDATE tag_consensus SET digest = 'older', votes = '{}'")
    pipeline.house.write("UPDATE palette_tag_refined SET consensus_digest = 'older'")
    done = pipeline.reparse()
    assert pipeline.refined() == live and done.outdated == 0
    change_the_consensus(pipeline)
    pipeline.house.write("DELETE FROM palette_tag_refined")
    with pipeline.house.warehouse.read() as connection:
        assert connection.execute("SELECT digest FROM tag_consensus").fetchone() == ("another",)
    assert pipeline.reparse().outdated == 0, "the consensus is rebuilt in the same stroke"
    assert pipeline.refined() == live


def test_a_basis_that_nobody_knows_any_more_is_none(pipeline: Pipeline) -> None:
    change_the_consensus(pipeline)
    (pipeline.house.folder / "objects" / "batches" / pipeline.batch.batch_id / "requests.jsonl.gz").unlink()
    [found] = basis_of(pipeline.batch, pipeline.house.warehouse, pipeline.house.store).values()
    assert (found.consensus, found.digest) == (None, UNKNOWN)


def test_refinements_from_an_earlier_consensus_are_counted(pipeline: Pipeline) -> None:
    pipeline.refine()
    live = pipeline.refined()
    pipeline.tagger.read_line = lambda line: replace(ScriptedProvider.read_line(pipeline.tagger, line), text=OTHER)
    done = pipeline.reparse()
    assert (done.consensus, done.outdated) == (1, 1)
    assert pipeline.refined() == live and pipeline.consensus() != live[1]
    again = pipeline.reparse()
    assert (again.consensus, again.outdated) == (0, 1) and pipeline.refined() == live
