"""How good search is, as a person sees it in the UI: figures and a chart."""

from __future__ import annotations

import math
from collections.abc import Mapping

from grabient_assets.gradient.svg import data_uri
from grabient_assets.groups import charts
from grabient_assets.groups.indexes.quality import Figures, SearchReport
from grabient_assets.groups.markdown import escaped, table
from grabient_assets.wording import counted

LABEL, WIDTH, LINE = 150, 420, 13
"""Pixels of the names, of the scale, and of one line of the chart."""
Series = Mapping[str, Mapping[str, Figures]]
"""What is compared -> kind of query -> its figures."""
COLOURS = ("#c2410c", "#1d4ed8", "#15803d")
COLUMNS = ("kind of query", "queries", "form", "nDCG@10 (95 %)", "words alone", "chance", "recall@5", "MRR")


def quality_rows(series: Series) -> list[list[str]]:
    """The cells of COLUMNS, a row for each kind of query and series."""
    return [
        [
            kind,
            f"{own[kind]['queries']}",
            name,
            f"{own[kind]['ndcg']:.3f} ({own[kind]['low']:.3f}-{own[kind]['high']:.3f})",
            *(f"{own[kind][figure]:.3f}" for figure in ("words", "chance", "recall", "mrr")),
        ]
        for kind in next(iter(series.values()))
        for name, own in series.items()
    ]


def report_markdown(report: SearchReport) -> str:
    """The figures of a report with their chart."""
    head = f"Version {report.version} of the index {report.index_name}, {counted(report.queries, 'query', 'queries')}."
    beats = "On the queries of computed relevance it finds better than words alone and than chance."
    verdict = report.why_worse or (beats if "computed" in report.figures else "None of them is of computed relevance.")
    picture = f"![nDCG@10 by kind of query]({data_uri(quality_chart(_series(report)))})"
    return f"{escaped(f'{head} {verdict}')}\n\n{picture}\n\n{quality_table(report)}"


def quality_table(report: SearchReport) -> str:
    """The figures of a report, in Markdown."""
    return table(COLUMNS, quality_rows(_series(report)))


def _series(report: SearchReport) -> Series:
    return {"embed_text": report.figures}


def quality_chart(series: Series) -> str:
    """SVG text: nDCG@10 with its interval, a line for each kind of query and series."""
    kinds = next(iter(series.values()))
    end = math.ceil(5 * max(one["high"] for own in series.values() for one in own.values())) / 5 or 1

    def x(value: float) -> float:
        return round(LABEL + WIDTH * value / end, 1)

    row = LINE * len(series) + 8
    bottom = row * len(kinds) + 8
    parts = ['<rect width="100%" height="100%" fill="white"/>']
    for step in range(round(5 * end) + 1):
        parts.append(f'<path stroke="#ddd" d="M{x(step / 5)} 0V{bottom}"/>')
        parts.append(charts.text(x(step / 5), bottom + 14, f"{step / 5:.1f}", "middle"))
    for number, kind in enumerate(kinds):
        for place, (own, colour) in enumerate(zip(series.values(), COLOURS, strict=False)):
            one, y = own[kind], number * row + LINE * place + 14
            parts.append(charts.interval(x(one["low"]), x(one["ndcg"]), x(one["high"]), y, colour))
            parts.append(f'<path stroke="{colour}" fill="none" d="M{x(one["words"])} {y - 4}l4 4l-4 4l-4-4z"/>')
            parts.append(f'<path stroke="#888" stroke-width="2" d="M{x(one["chance"])} {y - 4}v8"/>')
        queries = f"{kind}, {series[next(iter(series))][kind]['queries']}"
        parts.append(charts.text(LABEL - 8, number * row + row / 2 + 6, queries, "end"))
    for place, (name, colour) in enumerate(zip(series, COLOURS, strict=False)):
        parts.append(charts.text(8 + LABEL * place, bottom + 34, f"● {name}", "start", colour=colour))
    parts.append(charts.text(8, bottom + 52, "nDCG@10 with its 95 % interval. ◇ words alone (BM25), | chance", "start"))
    return charts.chart(LABEL + WIDTH + 20, bottom + 62, parts)
