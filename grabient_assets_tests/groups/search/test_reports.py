"""What a person sees of how good search is."""

from __future__ import annotations

from xml.etree import ElementTree

from grabient_assets.groups.search.reports import COLUMNS, Series, quality_chart, quality_rows

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
