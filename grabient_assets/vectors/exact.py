"""Exact search: the unit vectors nearest to a query. Nothing is approximated, so there is no recall to explain.

Hits are ranked by (score in float64 rounded to six digits, vector_id), so that every way of computing gives the same. A
product in float32 only chooses candidates: its last digits depend on who computes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import SupportsGetItem
    from numpy import bool_, float32
    from numpy.typing import NDArray

SLACK = 1e-5
"""What scores of two ways of computing may differ by. Float32 sums of 3,072 products differ by some 1e-6."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A vector and its cosine similarity to the query, rounded to six digits."""

    vector_id: str
    score: float


def nearest(
    matrix: NDArray[float32],
    vector_ids: SupportsGetItem[int, str],
    query: NDArray[float32],
    limit: int,
    among: NDArray[bool_] | None = None,
) -> list[Scored]:
    """The best `limit` rows of a matrix of unit vectors, which may lie in a memory-mapped file. `among` says which rows
    count. `vector_ids` gives the id of a row. Raises ValueError for a query of other dimensions."""
    return nearest_with_ties(matrix, vector_ids, query, limit, among)[:limit]


def nearest_with_ties(
    matrix: NDArray[float32],
    vector_ids: SupportsGetItem[int, str],
    query: NDArray[float32],
    limit: int,
    among: NDArray[bool_] | None = None,
) -> list[Scored]:
    """The same, and every further row whose score equals that of the last one, or comes near it: for who ranks those by
    something else than their ids."""
    import numpy

    scores = matrix @ query
    rows = numpy.arange(len(scores)) if among is None else numpy.flatnonzero(among)
    if among is not None:
        scores = scores[rows]
    if len(rows) > limit:
        least = numpy.partition(scores, len(rows) - limit)[len(rows) - limit]
        rows = rows[scores >= least - SLACK]
    exact = (matrix[rows].astype(numpy.float64) @ query.astype(numpy.float64)).round(6).tolist()
    ids = (vector_ids[row] for row in rows.tolist())
    found = sorted(zip(ids, exact, strict=True), key=lambda one: (-one[1], one[0]))
    return [Scored(vector_id, score) for vector_id, score in found]


def best_in_sql(entries: str, vectors: str, dimensions: int, *, ties: bool = False) -> str:
    """SQL of the best $limit of `entries` (vector_id, content_sha256): vector_id, score. `vectors` is a relation
    (content_sha256, vector); it takes $query. With `ties`, also those whose score equals that of the last one.

    Scores are computed where the vectors lie, in float64, and joined afterwards: vectors that go through a join take
    twice as long.
    """
    cut = "QUALIFY rank() OVER (ORDER BY score DESC) <= $limit" if ties else ""
    return f"""
        WITH scored AS MATERIALIZED (
            SELECT content_sha256,
                   round(array_inner_product(vector::DOUBLE[{dimensions}], $query::DOUBLE[{dimensions}]), 6) AS score
            FROM ({vectors})
        )
        SELECT vector_id, score FROM ({entries}) JOIN scored USING (content_sha256)
        {cut} ORDER BY score DESC, vector_id {"" if ties else "LIMIT $limit"}
    """
