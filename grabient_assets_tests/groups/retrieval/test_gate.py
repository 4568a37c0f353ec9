"""The gate of retrieval: it holds for the local embedder, fails for shuffled vectors, and waits for a provider's."""

from __future__ import annotations

import json
from collections import Counter

import numpy
import pytest

from grabient_assets.groups.embedding.embedding import chosen_embedder
from grabient_assets.groups.indexes.quality import measure_needs
from grabient_assets.groups.retrieval.gate import (
    FOLDER,
    LEVELS,
    ask_for_fixture,
    judged_retrieval,
    measure_retrieval,
    read_fixture,
    retrieval_finding,
)
from grabient_assets.vectors.local_embedder import embed_locally
from grabient_assets_tests.groups.search.place import SMALL, collect, submit
from grabient_assets_tests.ledger.place_at_emulator import Place


def test_the_fixture_is_about_all_areas_and_names_only_entries_it_has() -> None:
    fixture = read_fixture()
    rows = [json.loads(line) for line in (FOLDER / "entries.jsonl").read_text("utf-8").splitlines()]
    assert len({row["id"] for row in rows}) == len({row["content"] for row in rows}) == len(rows) >= 60
    assert set(Counter(row["area"] for row in rows)) == set(range(1, 10))
    assert {row["type"] for row in rows} == {"technique", "mindset", "sales_phrase", "example"}
    needed = {one for groups in fixture.questions.values() for group in groups for one in group}
    assert len(fixture.questions) >= 25 and needed <= set(fixture.entries)
    assert any(len(groups) > 1 for groups in fixture.questions.values())


def test_the_local_embedder_keeps_the_level_and_shuffled_vectors_do_not(place: Place) -> None:
    with place.house.warehouse.read() as connection:
        finding = retrieval_finding(connection, chosen_embedder(), emulated=True)
    assert finding.found == 0 and set(finding.figures) == set(LEVELS)
    assert all(finding.figures[name] >= level.limit + 0.05 for name, level in LEVELS.items()), finding.figures
    fixture = read_fixture()
    entries, questions = (embed_locally(texts) for texts in fixture.texts().values())
    for seed in range(5):
        shuffled = numpy.random.default_rng(seed).permutation(entries)
        bad = judged_retrieval(measure_retrieval(fixture, shuffled.tolist(), questions.tolist()), "shuffled")
        assert bad.found == 3 and "recall@5 is 0." in bad.examples[0]


def test_recall_is_the_share_of_the_groups_that_are_met() -> None:
    ids = [*"abcdefgh"]
    order = numpy.array([[8.0, 7, 6, 5, 4, 3, 2, 1]]) / 10
    assert measure_needs(ids, [[["a"]]], order) == {"recall@5": 1.0, "MRR": 1.0, "nDCG@10": 1.0}
    found = measure_needs(ids, [[["h", "b"], ["g"]]], order)
    assert (found["recall@5"], found["MRR"]) == (0.5, 0.5)
    # gains 1 at the ranks 2, 7 and 8 of three that are relevant
    ideal = sum(1 / numpy.log2(rank + 1) for rank in (1, 2, 3))
    assert found["nDCG@10"] == pytest.approx(sum(1 / numpy.log2(rank + 1) for rank in (2, 7, 8)) / ideal, abs=1e-4)


def test_a_provider_embeds_the_fixture_once_through_the_ledger(place: Place) -> None:
    house = place.house
    fixture = read_fixture()

    def finding() -> tuple[dict[str, str], set[str]]:
        with house.warehouse.read() as connection:
            found = retrieval_finding(connection, SMALL, emulated=True)
        assert found.found == 0
        return dict(found.notes), set(found.figures)

    assert ask_for_fixture(house.warehouse, chosen_embedder(), "emulator", house.clock) == 0
    assert finding()[0] == {"waiting": f"the fixture has no vectors of {SMALL.id} ({SMALL.provider}) yet"}
    asked = ask_for_fixture(house.warehouse, SMALL, "emulator", house.clock)
    assert asked == len(fixture.entries) + len(fixture.questions)
    assert ask_for_fixture(house.warehouse, SMALL, "emulator", house.clock) == 0
    assert "waiting" in finding()[0]
    assert submit(place, SMALL.provider).complaints == ()
    collect(place)
    notes, figures = finding()
    assert "mean nothing" in notes["not judged"] and figures == set(LEVELS)
    with house.warehouse.read() as connection:
        judged = retrieval_finding(connection, SMALL, emulated=False)
    assert judged.found == 3, "vectors that mean nothing fail the gate"
