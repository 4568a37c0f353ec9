"""What must hold of vectors, of the index, and of what search finds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.asking.checks import Check, none_of
from grabient_assets.groups.embedding.embeddings import FARTHEST_FROM_ONE
from grabient_assets.groups.embedding.linked_texts import failed_texts
from grabient_assets.groups.indexes.keeping import index_finding, shown
from grabient_assets.groups.indexes.quality import search_beats_words
from grabient_assets.groups.search.palette_index import PALETTES, REFINED_TEXTS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def _strange_vectors(connection: DuckDBPyConnection) -> tuple[int, list[str]]:
    """Stored vectors that are not of unit length, hold a number that is not finite, or have other dimensions than most
    of their embedder's."""
    rows = connection.execute(
        """
        WITH usual AS (SELECT embedder, mode(dimensions) AS dimensions FROM embeddings WHERE error IS NULL GROUP BY ALL)
        SELECT e.embedder || ' ' || e.subject FROM embeddings e JOIN usual u USING (embedder)
        WHERE e.error IS NULL AND (
            e.dimensions <> u.dimensions OR len(e.vector) <> e.dimensions
            OR NOT isfinite(list_sum(e.vector)) OR abs(sqrt(list_inner_product(e.vector, e.vector)) - 1) > $1)
        ORDER BY 1
        """,
        [FARTHEST_FROM_ONE],
    ).fetchall()
    return len(rows), [row[0] for row in rows[:20]]


def _without_vector(connection: DuckDBPyConnection) -> tuple[int, list[str]]:
    failed = failed_texts(connection, REFINED_TEXTS)
    return len(failed), [f"{shown(one.key)}: {one.error}" for one in failed[:20]]


embedding_checks = (
    none_of(
        "vectors_match_their_model",
        "palette_embeddings",
        "Every stored vector has the dimensions of its embedder and the length 1, and only finite numbers.",
        _strange_vectors,
    ),
    replace(
        none_of(
            "every_refined_palette_has_a_vector",
            "palette_embeddings",
            "No refined text was left without a vector. One that could not be embedded is not embedded again by "
            "itself; refining the palette again makes another text.",
            _without_vector,
        ),
        severity=dg.AssetCheckSeverity.WARN,
    ),
)
index_checks = (
    Check(
        dg.AssetCheckSpec(
            "index_holds_what_it_should",
            asset="palette_index",
            description="The live version holds every vector that it should, in its present form, and no other. "
            "A version with a difference does not go live.",
            blocking=True,
        ),
        lambda connection: index_finding(connection, PALETTES),
        between=", ",
    ),
)
report_checks = (
    Check(
        dg.AssetCheckSpec(
            "search_beats_words",
            asset="search_reports",
            description="On queries whose palettes are computed from colours, the live index finds better (nDCG@10) "
            "than words alone and than chance. A version that does not is kept from replacing another one.",
        ),
        lambda connection: search_beats_words(connection, PALETTES.name),
        dg.AssetCheckSeverity.WARN,
        between=", ",
    ),
)
