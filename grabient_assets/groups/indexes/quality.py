"""The table search_reports: how good a version of the index finds, beside words alone and beside chance."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.embedding.queries import QueryVectors
from grabient_assets.groups.indexes.versions import IndexVersion, live_version
from grabient_assets.thresholds import Finding
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows, replacing
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy import float32
    from numpy.typing import NDArray

SAMPLES = 1_000
"""Bootstrap samples of an interval."""
BM25_K1, BM25_B = 1.2, 0.75
"""The usual constants of BM25 (Robertson and Zaragoza 2009, The Probabilistic Relevance Framework)."""
Figures = Mapping[str, float]
"""Of some queries: how many they are (queries), the means ndcg, recall, mrr, words and chance, and the 95 % interval of
ndcg, from low to high."""


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query of a kind, and the grades of the entries that are relevant to it, by place."""

    kind: str
    text: str
    grades: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Judged:
    """The entries of a report in a fixed order, their texts and vectors, and the queries about them. Of the kinds that
    are `computed`, no model has said what is relevant."""

    vector_ids: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: tuple[Sequence[float], ...] = field(repr=False)
    queries: tuple[JudgedQuery, ...] = field(repr=False)
    computed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchReport:
    """One row of `search_reports`. `by_kind` is JSON: the figures of each kind of query, of `all` of them, and of
    `computed`: those of which no model has said what is relevant."""

    index_name: str
    version: int
    queries: int
    ndcg_at_10: float
    recall_at_5: float
    mrr: float
    words_ndcg: float
    chance_ndcg: float
    by_kind: str
    reported_at: datetime

    @property
    def figures(self) -> dict[str, Figures]:
        """What `by_kind` holds."""
        return json.loads(self.by_kind)

    @property
    def not_beaten(self) -> list[str]:
        """Sentences on words and chance where it finds no better, on the queries of computed relevance."""
        own = self.figures.get("computed")
        return [
            f"Version {self.version} of the index {self.index_name!r} finds no better than {name}: nDCG@10 is "
            f"{own['ndcg']:.3f}, that of {name} {own[key]:.3f}, over "
            f"{counted(int(own['queries']), 'query', 'queries')} of computed relevance."
            for key, name in (("words", "words alone"), ("chance", "chance"))
            if own and own["ndcg"] <= own[key]
        ]

    @property
    def why_worse(self) -> str | None:
        """Why it does not find well enough; None when it beats words and chance."""
        return next(iter(self.not_beaten), None)


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one query."""

    kind: str
    ndcg: float
    recall: float
    mrr: float
    words: float
    chance: float


def measure(found: Judged, scores: NDArray[float32]) -> list[Measured]:
    """The figures of every query; `scores` has a row for each query and a column for each entry."""
    words = bm25(found.texts)

    def ranked(row: Sequence[float]) -> list[int]:
        return sorted(range(len(row)), key=lambda place: (-round(row[place], 6), found.vector_ids[place]))

    measured: list[Measured] = []
    for query, row in zip(found.queries, scores.tolist(), strict=True):
        order, grades = ranked(row), query.grades
        measured.append(
            Measured(
                query.kind,
                ndcg(order, grades),
                sum(place in grades for place in order[:5]) / min(5, len(grades)),
                1 / next(rank for rank, place in enumerate(order, 1) if place in grades),
                ndcg(ranked(words(query.text)), grades),
                chance_ndcg(grades, len(row)),
            )
        )
    return measured


def measure_needs(
    vector_ids: Sequence[str], needs: Sequence[Sequence[Collection[str]]], scores: NDArray[Any]
) -> dict[str, float]:
    """The means over questions that need one entry of each of their groups (an AND of ORs, as in AutoRAG): recall@5 is
    the share of the groups of which one is among the first five, MRR and nDCG@10 are about all of them. `scores` has a
    row for each question and a column for each entry."""
    places = {vector_id: place for place, vector_id in enumerate(vector_ids)}
    found: list[tuple[float, float, float]] = []
    for row, groups in zip(scores.round(6).tolist(), needs, strict=True):
        order = sorted(range(len(row)), key=lambda place: (-row[place], vector_ids[place]))
        first = {vector_ids[place] for place in order[:5]}
        grades = {places[one]: 1 for group in groups for one in group}
        rank = next(rank for rank, place in enumerate(order, 1) if place in grades)
        found.append((fmean(not first.isdisjoint(group) for group in groups), 1 / rank, ndcg(order, grades)))
    names = ("recall@5", "MRR", "nDCG@10")
    return {name: round(fmean(column), 4) for name, column in zip(names, zip(*found, strict=True), strict=True)}


def ndcg(order: Sequence[int], grades: Mapping[int, int], depth: int = 10) -> float:
    """nDCG at `depth` with gains 2^grade - 1 (Jarvelin and Kekalainen 2002, as used since Burges 2005)."""
    gains = {place: 2**grade - 1 for place, grade in grades.items()}
    return _dcg([gains.get(place, 0) for place in order[:depth]]) / _dcg(sorted(gains.values(), reverse=True)[:depth])


def chance_ndcg(grades: Mapping[int, int], entries: int, depth: int = 10) -> float:
    """The expected nDCG of a random order: every rank has the mean gain."""
    gains = sorted((2**grade - 1 for grade in grades.values()), reverse=True)
    return _dcg([sum(gains) / entries] * min(depth, entries)) / _dcg(gains[:depth])


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def bm25(texts: Sequence[str]) -> Callable[[str], list[float]]:
    """Gives the score of every text for a query: search by words alone."""
    counts = [Counter(_words(text)) for text in texts]
    mean = fmean(count.total() for count in counts) or 1
    norms = [BM25_K1 * (1 - BM25_B + BM25_B * count.total() / mean) for count in counts]
    documents = Counter(word for count in counts for word in count)

    def scores(query: str) -> list[float]:
        idf = {word: math.log((len(texts) + 1) / (documents[word] + 0.5)) for word in _words(query)}
        return [
            sum(weight * count[word] * (BM25_K1 + 1) / (count[word] + norm) for word, weight in idf.items())
            for count, norm in zip(counts, norms, strict=True)
        ]

    return scores


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def search_beats_words(connection: DuckDBPyConnection, index_name: str) -> Finding:
    """Whether the live version finds better than words alone and than chance, by its stored report: one case for each
    that it does not beat, on the queries of computed relevance."""
    live = live_version(connection, index_name)
    row = connection.execute(
        f"SELECT {', '.join(SearchReport.__dataclass_fields__)} FROM search_reports WHERE index_name = $1 "
        "AND version = $2",
        [index_name, live.version if live else None],
    ).fetchone()
    report = SearchReport(*row) if row else None
    own = report.figures.get("computed") if report else None
    if live is None or report is None or own is None:
        return Finding(0, notes={"search report": "the live version has none with queries of computed relevance"})
    from grabient_assets.groups.indexes.reports import quality_table

    return Finding(
        len(report.not_beaten),
        max(own["words"], own["chance"]),
        report.not_beaten,
        {"nDCG@10": own["ndcg"], "words alone": own["words"], "chance": own["chance"], "queries": own["queries"]},
        {"index": f"{index_name}, version {live.version}, {live.embedder}, {live.dimensions} dimensions"},
        quality_table(report),
    )


def report_on(
    warehouse: Warehouse,
    version: IndexVersion,
    judge: Callable[[DuckDBPyConnection, IndexVersion], Judged],
    vectors_of: QueryVectors,
    now: datetime,
) -> SearchReport | None:
    """Measure the version with the queries of `judge`, and store its report; None while there is no query."""
    import numpy

    with warehouse.read() as connection:
        found = judge(connection, version)
    if not found.queries:
        return None
    texts = [query.text for query in found.queries]
    queries = numpy.array(vectors_of(texts, version.embedder, version.dimensions), dtype=numpy.float32)
    scores = queries @ numpy.array(found.vectors, dtype=numpy.float32).T
    report = summarized(version, measure(found, scores), found.computed, now)
    with warehouse.write() as connection:
        insert_rows(connection, "search_reports", [report], replacing(SearchReport, ("index_name", "version")))
    return report


def summarized(
    version: IndexVersion, measured: Sequence[Measured], computed: Sequence[str], now: datetime
) -> SearchReport:
    """The report of these figures."""
    by_kind = figures_by_kind(measured, computed)
    whole = by_kind["all"]
    return SearchReport(
        version.index_name,
        version.version,
        len(measured),
        ndcg_at_10=whole["ndcg"],
        recall_at_5=whole["recall"],
        mrr=whole["mrr"],
        words_ndcg=whole["words"],
        chance_ndcg=whole["chance"],
        by_kind=json.dumps(by_kind),
        reported_at=now,
    )


def figures_by_kind(measured: Sequence[Measured], computed: Sequence[str]) -> dict[str, Figures]:
    """The figures of all queries, of those of `computed` kinds, and of each kind."""
    kinds = dict.fromkeys((*computed, *(one.kind for one in measured)))
    parts = {"all": kinds, "computed": computed, **{kind: (kind,) for kind in kinds}}
    own = {name: [one for one in measured if one.kind in part] for name, part in parts.items()}
    return {name: _figures(part) for name, part in own.items() if part}


def _figures(measured: Sequence[Measured]) -> Figures:
    import numpy

    columns = numpy.array([astuple(one)[1:] for one in measured])
    samples = numpy.random.default_rng(20261130).choice(columns[:, 0], (SAMPLES, len(columns))).mean(axis=1)
    means = zip(("ndcg", "recall", "mrr", "words", "chance"), columns.mean(axis=0).round(4).tolist(), strict=True)
    low, high = numpy.quantile(samples, (0.025, 0.975)).round(4).tolist()
    return {"queries": len(measured), **dict(means), "low": low, "high": high}
