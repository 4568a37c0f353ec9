"""What a person sees of how good search is."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from grabient_assets.groups.indexes.quality import Figures, SearchReport
from grabient_assets.groups.indexes.reports import COLUMNS, Series, quality_chart, quality_rows, report_markdown
from grabient_assets.groups.indexes.versions import named_version
from grabient_assets.groups.search.samples import SAMPLE_QUERIES, sample_hits_markdown
from grabient_assets.vectors.local_embedder import embed_locally
from grabient_assets_tests.groups.search.shelf import START, TEXTS, Shelf

SVG = "{http://www.w3.org/2000/svg}"
ONE = {"queries": 12, "ndcg": 0.3, "low": 0.2, "high": 0.4, "words": 0.25, "chance": 0.1, "recall": 0.5, "mrr": 0.75}
TAGS = {"all": ONE | {"ndcg": 0.35}, "mood": ONE}
SERIES: Series = {"text": {"all": ONE, "mood": ONE | {"high": 0.75}}, "tags": TAGS}


def test_the_rows_hold_every_figure_of_every_kind_and_series() -> None:
    rows = quality_rows(SERIES)
    assert [row[:3] for row in rows] == [
        ["all", "12", "text"],
        ["all", "12", "tags"],
        ["mood", "12", "text"],
        ["mood", "12", "tags"],
    ]
    assert rows[1][3:] == ["0.350 (0.200-0.400)", "0.250", "0.100", "0.500", "0.750"]
    assert {len(row) for row in rows} == {len(COLUMNS)}


def test_the_chart_has_a_dot_where_each_figure_is_and_names_kinds_and_series() -> None:
    svg = ElementTree.fromstring(quality_chart(SERIES))
    dots = [float(dot.attrib["cx"]) for dot in svg.iter(f"{SVG}circle")]
    left, right = 150, 570  # 0.0 and 0.8, the next fifth above the highest end of an interval
    assert dots == [round(left + (right - left) * value / 0.8, 1) for value in (0.3, 0.35, 0.3, 0.3)]
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert words[:5] == ["0.0", "0.2", "0.4", "0.6", "0.8"]
    assert {"all, 12", "mood, 12", "● text", "● tags"} <= set(words)


def report(**by_kind: Figures) -> SearchReport:
    return SearchReport("palettes", 3, 12, 0.3, 0.5, 0.75, 0.25, 0.1, json.dumps(by_kind), START)


def drawn(markdown: str) -> list[str]:
    """The SVG texts of the pictures."""
    return [base64.b64decode(one).decode() for one in re.findall(r"data:image/svg\+xml;base64,([^)]+)", markdown)]


@pytest.mark.parametrize(
    ("own", "verdict"),
    [
        (report(all=ONE, computed=ONE), "On the queries of computed relevance it finds better than words alone"),
        (report(all=ONE, computed=ONE | {"words": 0.3}), "finds no better than words alone"),
        (report(all=ONE, mood=ONE), "None of them is of computed relevance."),
    ],
)
def test_a_report_shows_its_verdict_its_chart_and_its_table(own: SearchReport, verdict: str) -> None:
    shown = report_markdown(own)
    head, _, rows = shown.split("\n\n")
    assert head.startswith("Version 3 of the index palettes, 12 queries. ") and verdict in head
    assert drawn(shown) == [quality_chart({"embed_text": own.figures})]
    assert [line.split(" | ")[0] for line in rows.splitlines()[2:]] == [f"| {kind}" for kind in own.figures]


def test_sample_hits_are_those_of_search_as_swatches_with_name_and_score(tmp_path: Path) -> None:
    """One palette has a name that would break the table, another has none; the pictures fit into an event."""
    shelf = Shelf(tmp_path, TEXTS | {f"more{number}": f"Cherry blossom in spring {number}." for number in range(9)})
    with shelf.write() as connection:
        connection.execute("UPDATE palettes SET name = 'a | b' WHERE seed = 'sea'")
        connection.execute("UPDATE palettes SET name = NULL WHERE seed = 'mist'")
        colours = [f"#0000{number:02x}" for number in range(11)]
        connection.execute("UPDATE palettes SET hex = $1 WHERE seed = 'diner'", [colours])
    shelf.build()
    asked: list[Sequence[str]] = []

    def vectors_of(texts: Sequence[str], embedder: str, dimensions: int) -> list[list[float]]:
        asked.append(texts)
        assert embedder == "wordllama-256"
        return embed_locally(texts, dimensions).tolist()

    with shelf.warehouse.read() as connection:
        version = named_version(connection, "palettes", None)
    shown = sample_hits_markdown(shelf.warehouse, version, vectors_of)
    assert asked == [SAMPLE_QUERIES] and len(SAMPLE_QUERIES) == 10 and len(shown) < 20_000
    rows = shown.splitlines()[2:]
    names = {"sea": "a \\| b", "diner": "diner", "fire": "fire", "mist": "mist"}
    for query, row in zip(SAMPLE_QUERIES, rows, strict=True):
        hits = [
            f"![{hit.seed}](...) {names.get(hit.seed, hit.seed)} {hit.score:.3f}" for hit in shelf.find(query, 3).hits
        ]
        assert re.sub(r"\(data:[^)]*\)", "(...)", row) == f"| {' | '.join([query, *hits])} |"
    [diner] = {one for one in drawn(shown) if "#00000a" in one}
    assert re.findall("#0000..", diner) == colours[::2], "every second colour, first and last among them"
