"""A refinement is read against the consensus that the refiner was shown, whatever is stored by now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from grabient_assets.groups.refinement.reading import UNKNOWN, basis_of
from grabient_assets_tests.groups.refinement.refining import Pipeline
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider

OTHER = '{"mood": ["loud"], "associations": ["lava"]}'


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
    assert (
        pipeline.reparse().followed["outdated"] == 0
        and pipeline.house.rows("SELECT * FROM palette_tag_refined") == live
    )


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
    assert pipeline.refined() == live and done.followed["outdated"] == 0
    change_the_consensus(pipeline)
    pipeline.house.write("DELETE FROM palette_tag_refined")
    with pipeline.house.warehouse.read() as connection:
        assert connection.execute("SELECT digest FROM tag_consensus").fetchone() == ("another",)
    assert pipeline.reparse().followed["outdated"] == 0, "the consensus is rebuilt in the same stroke"
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
    assert (done.followed["consensus"], done.followed["outdated"]) == (1, 1)
    assert pipeline.refined() == live and pipeline.consensus() != live[1]
    again = pipeline.reparse()
    assert (again.followed["consensus"], again.followed["outdated"]) == (0, 1) and pipeline.refined() == live
