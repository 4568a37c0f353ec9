"""How well an index finds, measured without labels; shuffled vectors must fail."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.gradient.color import NAMED_COLOURS
from grabient_assets.groups.indexes.quality import (
    Measured,
    SearchReport,
    bm25,
    chance_ndcg,
    ndcg,
    report_on,
    search_beats_words,
    summarized,
)
from grabient_assets.groups.indexes.versions import IndexVersion, live_version
from grabient_assets.groups.search.relevance import COMPUTED, judged
from grabient_assets.thresholds import Finding
from grabient_assets.vectors.local_embedder import embed_locally
from grabient_assets_tests.groups.search.shelf import Shelf

SCENES = {
    "red": "A cherry sports car, crimson lips and poppies.",
    "navy": "The ocean at midnight, deep blue and very dark.",
    "lime": "Fresh grass and young leaves, a bright green meadow.",
    "gold": "Treasure and yellow metal, a golden crown.",
    "pink": "Bubble gum, flamingos and rosy cheeks.",
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Six palettes of each of five colours; the text tells the colour in other words."""
    texts = {f"{name}{number}": f"{text} Number {number}." for name, text in SCENES.items() for number in range(6)}
    shelf = Shelf(tmp_path_factory.mktemp("shelf"), texts)
    with shelf.write() as connection:
        for name in SCENES:
            rgb = [list(NAMED_COLOURS[name])] * 11
            connection.execute("UPDATE palettes SET rgb = $1 WHERE seed LIKE $2", [rgb, f"{name}_"])
        warm = "temperature = 'warm', clear_cut = ['temperature']"
        connection.execute(f"UPDATE palettes SET {warm} WHERE seed LIKE 'red_'")
    shelf.build()
    return shelf


def live(shelf: Shelf) -> IndexVersion:
    with shelf.warehouse.read() as connection:
        found = live_version(connection, "palettes")
    assert found is not None
    return found


def vectors_of(texts: Sequence[str], _: str, dimensions: int) -> list[list[float]]:
    return embed_locally(texts, dimensions).tolist()


def measured(shelf: Shelf) -> SearchReport:
    report = report_on(
        shelf.warehouse, live(shelf), judged, lambda texts, *_: embed_locally(texts).tolist(), shelf.clock()
    )
    assert report is not None
    return report


def check(shelf: Shelf) -> Finding:
    with shelf.warehouse.read() as connection:
        return search_beats_words(connection, "palettes")


def test_queries_come_from_colours_and_never_from_the_text(shelf: Shelf) -> None:
    with shelf.warehouse.read() as connection:
        found = judged(connection, live(shelf))
    by_text = {query.text: query for query in found.queries}
    assert set(by_text) == {*SCENES, "warm colours"}
    reds = {place for place, vector_id in enumerate(found.vector_ids) if vector_id.startswith("key-red")}
    assert by_text["red"].grades == dict.fromkeys(reds, 2) == by_text["warm colours"].grades
    assert (by_text["red"].kind, by_text["warm colours"].kind) == ("colour", "fact")


def test_meaning_beats_words_and_chance_and_shuffled_vectors_do_not(shelf: Shelf) -> None:
    report = measured(shelf)
    assert report.why_worse is None and report.queries == 6
    assert report.ndcg_at_10 > 0.5 > report.chance_ndcg
    assert shelf.rows("SELECT index_name, version, queries, ndcg_at_10 FROM search_reports") == [
        ("palettes", 1, 6, report.ndcg_at_10)
    ]
    assert report.figures["colour"]["queries"] == 5
    good = check(shelf)
    assert (good.found, good.examples) == (0, [])
    assert good.figures["nDCG@10"] == report.figures["computed"]["ndcg"] > good.threshold == good.figures["chance"]
    assert good.notes["index"] == "palettes, version 1, wordllama-256, 256 dimensions"
    assert "| colour | 5 | embed\\_text |" in good.table
    with shelf.write() as connection:  # every text gets the vector of another one, of another scene
        connection.execute(
            """
            CREATE TEMP TABLE turned AS SELECT a.content_sha256, b.vector FROM
                (SELECT content_sha256, row_number() OVER (ORDER BY text) AS n FROM texts) a JOIN
                (SELECT vector, row_number() OVER (ORDER BY text) AS n
                 FROM embeddings JOIN texts USING (content_sha256)) b
                ON b.n = 1 + (a.n + 6) % 30
            """
        )
        connection.execute(
            "UPDATE embeddings SET vector = t.vector FROM turned t WHERE t.content_sha256 = embeddings.content_sha256"
        )
    shuffled, finding = measured(shelf), check(shelf)
    assert shuffled.ndcg_at_10 < report.ndcg_at_10 / 2
    assert shuffled.why_worse is not None and "finds no better than" in shuffled.why_worse
    assert finding.found == len(finding.examples) > 0 and finding.examples[0] in shuffled.why_worse
    assert shelf.rows("SELECT count(*) FROM search_reports") == [(1,)]


def test_only_queries_computed_from_colours_decide(shelf: Shelf) -> None:
    """The refiner repeats words of the consensus, so words find moods better than they should."""

    def one(kind: str, own: float, words: float, chance: float = 0.1) -> Measured:
        return Measured(kind, own, 0.5, 0.5, words, chance)

    moods_lose = summarized(
        live(shelf), [one("colour", 0.4, 0.3), *[one("mood", 0.1, 0.9)] * 9], COMPUTED, shelf.clock()
    )
    assert moods_lose.ndcg_at_10 < moods_lose.words_ndcg and moods_lose.why_worse is None
    colours_lose = summarized(
        live(shelf), [one("fact", 0.3, 0.3), *[one("mood", 0.9, 0.1)] * 9], COMPUTED, shelf.clock()
    )
    assert colours_lose.not_beaten == [
        "Version 1 of the index 'palettes' finds no better than words alone: nDCG@10 is 0.300, that of words alone "
        "0.300, over 1 query of computed relevance."
    ]
    both = summarized(live(shelf), [one("harmony", 0.1, 0.3, 0.2)], COMPUTED, shelf.clock())
    assert len(both.not_beaten) == 2
    only_moods = summarized(live(shelf), [one("mood", 0.1, 0.9)], COMPUTED, shelf.clock())
    assert only_moods.why_worse is None, "nothing is known from colours"


def test_without_a_report_nothing_is_found(tmp_path: Path) -> None:
    empty = Shelf(tmp_path, {"alone": "The only one."})
    assert check(empty).found == 0 and "search report" in check(empty).notes
    empty.build()
    assert check(empty).found == 0 and "search report" in check(empty).notes


def test_without_a_query_there_is_no_report(tmp_path: Path) -> None:
    one = Shelf(tmp_path, {"alone": "The only one."})
    one.build()
    assert (
        report_on(one.warehouse, live(one), judged, lambda texts, *_: embed_locally(texts).tolist(), one.clock())
        is None
    )


def test_the_report_has_means_and_intervals_by_kind(shelf: Shelf) -> None:
    figures = [Measured("colour", number / 10, 0.5, 1.0, 0.2, 0.1) for number in range(11)]
    report = summarized(live(shelf), figures, COMPUTED, shelf.clock())
    assert (report.queries, report.ndcg_at_10, report.recall_at_5, report.mrr) == (11, pytest.approx(0.5), 0.5, 1.0)
    colour = json.loads(report.by_kind)["colour"]
    assert (colour["queries"], colour["ndcg"], colour["words"], colour["chance"]) == (11, 0.5, 0.2, 0.1)
    spread = 1.96 * math.sqrt(0.1 / 11)  # the variance of these figures is 0.1
    assert colour["low"] == pytest.approx(0.5 - spread, abs=0.02)
    assert colour["high"] == pytest.approx(0.5 + spread, abs=0.02)


def test_ndcg_by_hand() -> None:
    grades = {0: 2, 1: 1}
    best = 3 + 1 / math.log2(3)
    assert ndcg([0, 1, 2], grades) == 1
    assert ndcg([1, 0, 2], grades) == pytest.approx((1 + 3 / math.log2(3)) / best)
    assert ndcg([2, 3, 4], grades) == 0
    assert ndcg([2, 0], grades, depth=1) == 0


GRADES = st.dictionaries(st.integers(0, 19), st.integers(1, 2), min_size=1)


@given(grades=GRADES, order=st.permutations(range(20)), depth=st.integers(1, 20))
def test_ndcg_lies_between_0_and_1_and_is_1_for_the_ideal_order(
    grades: dict[int, int], order: list[int], depth: int
) -> None:
    assert 0 <= ndcg(order, grades, depth) <= 1
    ideal = sorted(order, key=lambda place: -grades.get(place, 0))
    assert ndcg(ideal, grades, depth) == 1
    if depth >= len(grades):
        swapped = [place for place in order if place not in grades] + [place for place in order if place in grades]
        assert len(grades) == 20 or ndcg(swapped, grades, depth) < 1


def test_chance_is_the_mean_of_random_orders() -> None:
    grades, dice = {0: 2, 3: 1, 7: 1}, numpy.random.default_rng(5)
    mean = numpy.mean([ndcg(dice.permutation(40).tolist(), grades) for _ in range(4_000)])
    assert chance_ndcg(grades, 40) == pytest.approx(mean, abs=0.01)


def test_bm25_by_hand() -> None:
    words = bm25(["red red sea", "blue sea", "green"])
    red, sea = words("red"), words("the Sea")
    assert red[0] > 0 and red[1:] == [0, 0]
    assert sea[1] > sea[0] > sea[2] == 0, "the shorter text tells more"
    idf = math.log(1 + (3 - 1 + 0.5) / 1.5)
    assert red[0] == pytest.approx(idf * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2)))
