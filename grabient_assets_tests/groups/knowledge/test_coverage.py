"""Coverage: the state of every cell with its figures, and the picture that shows them."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from grabient_assets.gradient.color import linear
from grabient_assets.groups.knowledge.areas import AREAS
from grabient_assets.groups.knowledge.coverage import STATES, Cell, Coverage, read_coverage
from grabient_assets.groups.knowledge.coverage_picture import LONGEST_TITLE, LOOKS, coverage_picture, cut
from grabient_assets.groups.retrieval.reports import coverage_metadata
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.groups.knowledge.planted_workflow import NOW, WORKFLOW, Said, Told, plant

QUOTE = "Ask what the price is compared with"
LOST = "Its quote does not stand in the text."
OTHER = "wf_" + "1" * 26
TOLD = (
    Told(
        "yt_aaaaaaaaaaa",
        "The <b>price</b> talk",
        {
            1: [Said("Stay calm.", QUOTE, "mindset"), Said("Made up.", "words that nobody said", reason=LOST)],
            2: "empty",
            3: "skipped",
            4: [Said("Stay calm.", QUOTE), Said("Compare.", QUOTE)],
            5: "failed",
        },
    ),
    Told("yt_bbbbbbbbbbb", dead=("blocked", "YouTube refuses this address.")),
)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    with warehouse.write() as connection:
        plant(connection, TOLD)
    return warehouse


def test_every_cell_has_its_state_and_the_figures_follow(warehouse: Warehouse) -> None:
    with warehouse.read() as connection:
        found = read_coverage(connection, WORKFLOW)
    states = {(cell.source_id[3], cell.focus_area): (cell.state, cell.entries) for cell in found.cells}
    read = {1: ("ok", 1), 2: ("empty", 0), 3: ("skipped", 0), 4: ("ok", 2), 5: ("failed", 0)}
    expected = {("a", area): read.get(area, ("waiting", 0)) for area in range(1, 10)}
    assert states == {**expected, **{("b", area): ("failed", 0) for area in range(1, 10)}}
    assert {cell.error for cell in found.cells} == {
        None,
        "The answer holds no list of entries.",
        "YouTube refuses this address.",
    }
    assert [title for _, title in found.rows] == [TOLD[0].title, "https://www.youtube.com/watch?v=bbbbbbbbbbb"]
    assert found.figures == {
        "cells": 18,
        "by_state": {"ok": 2, "empty": 1, "skipped": 1, "failed": 10, "waiting": 4},
        "entries_by_area": {**dict.fromkeys(range(1, 10), 0), 1: 1, 4: 2},
        "coverage": 4 / 18,
        "yield": 3 / 2,
        "grounded": 3 / 4,
        "quarantined": 1,
        "duplicates": 1,
    }
    assert len(found.document()["list"]) == 18 and found.document()["sources"] == 2


def test_all_workflows_together_show_a_source_once_as_it_was_read_last(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        read = Told("yt_aaaaaaaaaaa", cells={1: "empty", 4: "empty"})
        plant(connection, [read], OTHER, areas=(1, 4), version="knowledge/v10", made_at=NOW + timedelta(hours=1))
        found, one = read_coverage(connection), read_coverage(connection, OTHER)
        connection.execute("UPDATE workflows SET deleted_at = now()")
        assert read_coverage(connection).figures["coverage"] is None
    assert Counter(cell.state for cell in one.cells) == {"empty": 2}
    assert one.figures["yield"] is None and one.figures["coverage"] == 1
    assert len(found.cells) == 18 and Counter(cell.source_id for cell in found.cells) == dict.fromkeys(
        ("yt_aaaaaaaaaaa", "yt_bbbbbbbbbbb"), 9
    )
    assert {cell.focus_area: cell.state for cell in found.cells if cell.source_id == "yt_aaaaaaaaaaa"}[4] == "empty"


def _filled(sources: int) -> Coverage:
    cells = [
        Cell(f"yt_{at:011}", f"Talk {at} <script>alert(1)</script> & a title that is long", area, state, at % 12, None)
        for at in range(sources)
        for area in range(1, 10)
        for state in STATES[(at + area) % 5 : (at + area) % 5 + 1]
    ]
    return Coverage(tuple(cells), 1, 1, 1, 1)


def test_the_picture_holds_87_sources_x_9_areas() -> None:
    coverage = _filled(87)
    svg = coverage_picture(coverage)
    root = ElementTree.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    assert (width, height) == (float(root.attrib["viewBox"].split()[2]), float(root.attrib["viewBox"].split()[3]))
    assert width <= 900 and height <= 1900
    squares = [one.attrib for one in root.iter("{http://www.w3.org/2000/svg}rect") if "x" in one.attrib]
    drawn = Counter(one["fill"] for one in squares)
    counts = coverage.figures["by_state"]
    assert drawn == {LOOKS[state][0]: count + 1 for state, count in counts.items()}, "each cell, and the legend"
    assert len({(one["x"], one["y"]) for one in squares}) == 87 * 9 + 5, "no two on one place"
    assert all(float(one["x"]) + float(one["width"]) <= width for one in squares)
    texts = [one.text or "" for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sum(text in ("S", "F", "·", "0") for text in texts) >= 87 * 9 * 4 // 5
    assert all(f"{area.number} {area.name}" in texts for area in AREAS)
    assert "<script" not in svg and sum("…" in text for text in texts) == 87
    assert f"failed: {counts['failed']}" in texts and "of 87 sources covered" in texts[-1]
    assert min(int(size) for size in re.findall(r'font-size="(\d+)"', svg)) >= 11
    assert len(svg) < 250_000
    assert "nothing to read yet" in coverage_picture(Coverage((), 0, 0, 0, 0))


def test_the_report_shows_the_picture_and_leaves_out_what_there_is_none_of(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        found = coverage_metadata(connection)
        connection.execute("UPDATE workflows SET deleted_at = now()")
        none = coverage_metadata(connection)
    assert found["picture"].value.startswith("![Coverage](data:image/svg+xml")
    assert (found["sources"], found["cells"], found["ok"], found["failed"]) == (2, 18, 2, 10)
    assert (found["coverage"], found["yield"], found["grounded"]) == (0.2222, 1.5, 0.75)
    assert none["cells"] == 0 and "coverage" not in none and "yield" not in none


def test_a_title_is_one_short_line() -> None:
    assert cut("a\nb\x00\tc") == "a b c"
    assert len(cut("x" * 500)) == LONGEST_TITLE


# Machado, Oliveira and Fernandes 2009, severity 1: linear RGB as people without one kind of cone see it.
SEEN = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}


def _lab(colour: str, seen: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    channels = [linear(int(colour[at : at + 2], 16)) for at in (1, 3, 5)]
    red, green, blue = (
        min(1.0, max(0.0, sum(part * one for part, one in zip(row, channels, strict=True)))) for row in seen
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (one ** (1 / 3) if one > 0.008856 else 7.787 * one + 16 / 116 for one in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("seen", SEEN)
def test_the_states_differ_for_everybody_and_can_be_read(seen: str) -> None:
    labs = {state: _lab(look[0], SEEN[seen]) for state, look in LOOKS.items()}
    close = {
        (one, other): round(sum((a - b) ** 2 for a, b in zip(labs[one], labs[other], strict=True)) ** 0.5, 1)
        for one, other in combinations(labs, 2)
    }
    assert min(close.values()) > 12, close
    weak = {state: abs(_lab(ink, SEEN[seen])[0] - _lab(fill, SEEN[seen])[0]) for state, (fill, ink, _) in LOOKS.items()}
    assert min(weak.values()) > 50, weak
    assert len({look[2] for look in LOOKS.values()}) == len(LOOKS)
