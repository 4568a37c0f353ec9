"""Exact search: the unit vectors nearest to a query. Nothing is approximated, so there is no recall to explain.

The product in float32 only chooses candidates, because its last digits depend on who computes it. Candidates are
scored in float64 and ranked by (score rounded to six digits, vector_id), so every way of computing gives the same hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    vector_ids: Sequence[str],
    query: NDArray[float32],
    limit: int,
    among: NDArray[bool_] | None = None,
) -> list[Scored]:
    """The best `limit` rows of a matrix of unit vectors, which may lie in a memory-mapped file. `among` says which rows
    count. Raises ValueError for a query of other dimensions."""
    import numpy

    scores = matrix @ query
    rows = numpy.arange(len(scores)) if among is None else numpy.flatnonzero(among)
    if among is not None:
        scores = scores[rows]
    if len(rows) > limit:
        least = numpy.partition(scores, len(rows) - limit)[len(rows) - limit]
        rows = rows[scores >= least - SLACK]
    return ranked([vector_ids[row] for row in rows.tolist()], matrix[rows], query, limit)


def ranked(vector_ids: Sequence[str], vectors: Any, query: Any, limit: int) -> list[Scored]:
    """These candidates by their exact scores, the best `limit` of them."""
    import numpy

    if not len(vector_ids):
        return []
    rows = numpy.asarray(vectors, dtype=numpy.float64)
    scores = (rows @ numpy.asarray(query, dtype=numpy.float64)).round(6).tolist()
    found = sorted(zip(vector_ids, scores, strict=True), key=lambda one: (-one[1], one[0]))
    return [Scored(vector_id, score) for vector_id, score in found[:limit]]


def candidates(relation: str, dimensions: int) -> str:
    """SQL of the candidates among `relation` (vector_id, vector): vector_id, vector. It takes $query and $limit."""
    return f"""
        WITH scored AS MATERIALIZED (
            SELECT vector_id, vector,
                   array_inner_product(vector::FLOAT[{dimensions}], $query::FLOAT[{dimensions}]) AS score
            FROM ({relation})
        )
        SELECT vector_id, vector FROM scored
        WHERE score >= (SELECT min(score) FROM (SELECT score FROM scored ORDER BY score DESC LIMIT $limit)) - {SLACK}
    """
