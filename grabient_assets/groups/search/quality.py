"""The table search_reports: how good a version of the index finds, beside words alone and beside chance."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS
from grabient_assets.groups.embedding.queries import QueryVectors
from grabient_assets.groups.indexes.versions import IndexVersion
from grabient_assets.groups.search.relevance import Judged, JudgedQuery, judged
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows, replacing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy import float32
    from numpy.typing import NDArray

SAMPLES = 1_000
"""Bootstrap samples of an interval."""
BM25_K1, BM25_B = 1.2, 0.75
"""The usual constants of BM25 (Robertson and Zaragoza 2009, The Probabilistic Relevance Framework)."""


@dataclass(frozen=True, slots=True)
class SearchReport:
    """One row of `search_reports`. `by_kind` is JSON: kind -> queries, ndcg, low, high (95 %), words, chance."""

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
    def why_worse(self) -> str | None:
        """Why it does not find well enough; None when it beats words and chance."""
        for name, other in (("words alone", self.words_ndcg), ("chance", self.chance_ndcg)):
            if self.ndcg_at_10 <= other:
                return (
                    f"Version {self.version} of the index {self.index_name!r} finds no better than {name}: nDCG@10 is "
                    f"{self.ndcg_at_10:.3f}, that of {name} {other:.3f}, over {self.queries} queries."
                )
        return None


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one query."""

    kind: str
    ndcg: float
    recall: float
    reciprocal_rank: float
    words: float
    chance: float


def measure(found: Judged, scores: NDArray[float32]) -> list[Measured]:
    """The figures of every query; `scores` has a row for each query and a column for each palette."""
    words = Bm25(found.texts)
    measured: list[Measured] = []
    for query, row in zip(found.queries, scores, strict=True):
        order = sorted(range(len(row)), key=lambda place: (-round(float(row[place]), 6), found.vector_ids[place]))
        by_words = words.scores(query.text)
        order_of_words = sorted(range(len(row)), key=lambda place: (-by_words[place], found.vector_ids[place]))
        first = next(rank for rank, place in enumerate(order, 1) if place in query.grades)
        measured.append(
            Measured(
                query.kind,
                ndcg(order, query.grades),
                sum(place in query.grades for place in order[:5]) / min(5, len(query.grades)),
                1 / first,
                ndcg(order_of_words, query.grades),
                chance_ndcg(query.grades, len(row)),
            )
        )
    return measured


def ndcg(order: Sequence[int], grades: Mapping[int, int], depth: int = 10) -> float:
    """nDCG at `depth` with gains 2^grade - 1 (Jarvelin and Kekalainen 2002, as used since Burges 2005)."""
    gained = sum((2 ** grades.get(place, 0) - 1) / math.log2(rank + 1) for rank, place in enumerate(order[:depth], 1))
    return gained / _ideal(grades, depth)


def chance_ndcg(grades: Mapping[int, int], palettes: int, depth: int = 10) -> float:
    """The expected nDCG of a random order: every rank has the mean gain."""
    mean = sum(2**grade - 1 for grade in grades.values()) / palettes
    return mean * sum(1 / math.log2(rank + 1) for rank in range(1, min(depth, palettes) + 1)) / _ideal(grades, depth)


def _ideal(grades: Mapping[int, int], depth: int) -> float:
    best = sorted(grades.values(), reverse=True)[:depth]
    return sum((2**grade - 1) / math.log2(rank + 1) for rank, grade in enumerate(best, 1))


class Bm25:
    """BM25 over these texts: search by words alone."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._counts = [Counter(_words(text)) for text in texts]
        lengths = [count.total() for count in self._counts]
        mean = fmean(lengths) or 1
        self._norms = [BM25_K1 * (1 - BM25_B + BM25_B * length / mean) for length in lengths]
        self._documents = Counter(word for count in self._counts for word in count)

    def scores(self, query: str) -> list[float]:
        """The score of every text."""
        idf = {
            word: math.log(1 + (len(self._counts) - number + 0.5) / (number + 0.5))
            for word in set(_words(query))
            if (number := self._documents[word])
        }
        return [
            sum(weight * count[word] * (BM25_K1 + 1) / (count[word] + norm) for word, weight in idf.items())
            for count, norm in zip(self._counts, self._norms, strict=True)
        ]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def report_on(
    warehouse: Warehouse,
    version: IndexVersion,
    vectors_of: QueryVectors,
    now: datetime,
) -> SearchReport | None:
    """Measure the version and store its report; None while the palettes allow no query."""
    import numpy

    with warehouse.read() as connection:
        found = judged(connection, version)
        vectors = _vectors(connection, version, found.contents)
    if not found.queries:
        return None
    texts = [query.text for query in found.queries]
    queries = numpy.array(vectors_of(texts, version.embedder, version.dimensions), dtype=numpy.float32)
    measured = measure(found, queries @ vectors.T)
    report = summarized(version, found.queries, measured, now)
    with warehouse.write() as connection:
        insert_rows(connection, "search_reports", [report], replacing(SearchReport, ("index_name", "version")))
    return report


def summarized(
    version: IndexVersion, queries: Sequence[JudgedQuery], measured: Sequence[Measured], now: datetime
) -> SearchReport:
    """The report of these figures."""
    kinds = dict.fromkeys(query.kind for query in queries)
    by_kind = {kind: _summary([one for one in measured if one.kind == kind]) for kind in kinds}
    return SearchReport(
        version.index_name,
        version.version,
        len(measured),
        fmean(one.ndcg for one in measured),
        fmean(one.recall for one in measured),
        fmean(one.reciprocal_rank for one in measured),
        fmean(one.words for one in measured),
        fmean(one.chance for one in measured),
        json.dumps(by_kind),
        now,
    )


def _summary(measured: Sequence[Measured]) -> dict[str, Any]:
    import numpy

    figures = numpy.array([one.ndcg for one in measured])
    samples = numpy.random.default_rng(20261130).choice(figures, (SAMPLES, len(figures))).mean(axis=1)
    low, high = numpy.quantile(samples, (0.025, 0.975)).round(4).tolist()
    return {
        "queries": len(measured),
        "ndcg": round(float(figures.mean()), 4),
        "low": low,
        "high": high,
        "words": round(fmean(one.words for one in measured), 4),
        "chance": round(fmean(one.chance for one in measured), 4),
    }


def _vectors(connection: DuckDBPyConnection, version: IndexVersion, contents: Sequence[str]) -> NDArray[float32]:
    import numpy

    rows = dict(
        connection.execute(
            f"SELECT content_sha256, vector FROM ({DOCUMENT_VECTORS}) WHERE embedder = $1 AND dimensions = $2 "
            "AND content_sha256 IN (SELECT unnest($3::VARCHAR[]))",
            [version.embedder, version.dimensions, list(contents)],
        ).fetchall()
    )
    return numpy.array([rows[content] for content in contents], dtype=numpy.float32).reshape(-1, version.dimensions)
