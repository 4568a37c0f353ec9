"""Passages: the chunks of sources with their vectors, for a question that no entry answers.

They are searched in the tables here and are in no index. A chunk whose text is the same after another cut keeps its
vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS, not_empty_in_sql
from grabient_assets.groups.embedding.linked_texts import LinkedTexts
from grabient_assets.groups.retrieval.hits import source_url

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_LIVING = """
    SELECT DISTINCT m.source_id, m.workflow_id FROM workflow_sources m JOIN workflows w USING (workflow_id)
    WHERE w.deleted_at IS NULL
"""
CHUNK_TEXTS = LinkedTexts(
    "chunk_embeddings",
    ("chunk_id",),
    f"""
    SELECT c.chunk_id, c.text, s.fetched_at AS created_at,
           CASE WHEN NOT {not_empty_in_sql("c.text")} THEN 'It holds no text.' END AS flaw
    FROM chunks c JOIN sources s USING (source_id) SEMI JOIN ({_LIVING}) USING (source_id)
    """,
    str,
)
"""The texts of the chunks of every source that a workflow holds."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found. `t_start` is in seconds, `url` leads to that second of a video."""

    rank: int
    score: float
    text: str
    source_id: str
    title: str | None
    t_start: float | None
    url: str | None
    chunk_id: str


def nearest_passages(
    connection: DuckDBPyConnection,
    query: Sequence[float],
    embedder: str,
    limit: int,
    workflow: str | None = None,
    threshold: float | None = None,
) -> tuple[Passage, ...]:
    """The chunks nearest to a query, of one workflow or of all; equal texts of a source once."""
    from grabient_assets.vectors.exact import best_in_sql

    entries = f"""
        SELECT min(c.chunk_id) AS vector_id, e.content_sha256
        FROM chunks c JOIN chunk_embeddings e ON e.chunk_id = c.chunk_id AND e.embedder = $embedder AND e.error IS NULL
        JOIN ({_LIVING}) m USING (source_id) WHERE $workflow IS NULL OR m.workflow_id = $workflow
        GROUP BY c.source_id, e.content_sha256
    """
    vectors = f"SELECT * FROM ({DOCUMENT_VECTORS}) WHERE embedder = $embedder AND dimensions = {len(query)}"
    rows = connection.execute(
        f"""
        SELECT b.score, c.text, c.source_id, s.title, c.t_start, s.locator, c.chunk_id
        FROM ({best_in_sql(entries, vectors, len(query))}) b JOIN chunks c ON c.chunk_id = b.vector_id
        JOIN sources s USING (source_id) WHERE b.score >= $threshold ORDER BY b.score DESC, c.source_id, c.position
        """,
        {
            "embedder": embedder,
            "workflow": workflow,
            "query": list(query),
            "limit": limit,
            "threshold": -1 if threshold is None else threshold,
        },
    ).fetchall()
    return tuple(
        Passage(rank, score, text, source, title, t_start, source_url(source, locator, t_start), chunk)
        for rank, (score, text, source, title, t_start, locator, chunk) in enumerate(rows, 1)
    )
