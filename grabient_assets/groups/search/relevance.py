"""Queries whose relevant palettes are known without labels: from colours, harmonies and the panel's consensus.

Nothing here reads the text that is searched, nor the refined tags. Grades: 2 for what is clear-cut, 1 for the rest that
is right, 0 for what is not, or is contradicted by the colours. The refiner was shown the consensus and takes words from
it, so the queries of moods and associations favour search by words. Those of COMPUTED kinds do not.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from grabient_assets.gradient.color import nearest_name
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS
from grabient_assets.groups.indexes.quality import Judged, JudgedQuery
from grabient_assets.groups.indexes.versions import IndexVersion

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COMPUTED = ("colour", "fact", "harmony")
"""The kinds of queries whose relevant palettes are computed from their colours; the others have them from the panel."""
MOST_PALETTES = 5_000
"""A report reads so many palettes at most, always the same ones: the order is that of a digest of their ids."""
LEAST_PALETTES = 20
"""Of fewer palettes nothing is asked: by chance alone, words would find better every other time."""
LEAST_RELEVANT = 2
"""A query with fewer relevant palettes says little, and one that is true of most of them as well."""
MOST_OF_A_KIND = 40
CLEAR_COLOURS = 3
"""So many of the eleven colours make a colour name clear-cut."""
CLEAR_SHARE, SOME_SHARE = 0.5, 0.2
"""The share of the models that makes a word of the consensus clear-cut, or right."""


def judged(connection: DuckDBPyConnection, version: IndexVersion) -> Judged:
    """The queries that the palettes of a version allow, colours first."""
    rows = connection.execute(
        f"""
        SELECT e.vector_id, r.embed_text, v.vector, p.rgb, p.harmonies, p.clear_cut, c.votes,
               {", ".join(f"p.{name}" for name in CATEGORICAL_VALUES)}
        FROM (SELECT * FROM index_entries WHERE index_name = $1 AND version = $2
              ORDER BY sha256(vector_id) LIMIT {MOST_PALETTES}) e
        JOIN ({DOCUMENT_VECTORS}) v
            ON v.content_sha256 = e.content_sha256 AND v.embedder = $3 AND v.dimensions = $4
        JOIN palettes p ON p.seed = e.subject
        JOIN palette_tag_refined r ON r.seed = e.subject AND r.prompt_version = (e.metadata ->> 'promptVersion')
        LEFT JOIN tag_consensus c ON c.seed = r.seed AND c.prompt_version = r.prompt_version
        ORDER BY sha256(e.vector_id)
        """,
        [version.index_name, version.version, version.embedder, version.dimensions],
    ).fetchall()
    found: defaultdict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for place, (_, _, _, rgb, harmonies, clear_cut, votes, *words) in enumerate(rows):
        for name, count in Counter(nearest_name(tuple(one)) for one in rgb).items():
            found["colour", name][place] = 2 if count >= CLEAR_COLOURS else 1
        for name, value in zip(CATEGORICAL_VALUES, words, strict=True):
            found["fact", _fact_query(name, value)][place] = 2 if name in clear_cut else 1
        for harmony in harmonies:
            found["harmony", f"{harmony} colours"][place] = 2
        for name in ("mood", "associations"):
            for vote in (json.loads(votes) if votes else {}).get(name, ()):
                if vote["share"] >= SOME_SHARE and not vote.get("contradicted"):
                    found[name, vote["value"]][place] = 2 if vote["share"] >= CLEAR_SHARE else 1
    vector_ids, texts, vectors = (tuple(row[column] for row in rows) for column in range(3))
    return Judged(vector_ids, texts, vectors, _usable(found, len(rows)), COMPUTED)


def _fact_query(name: str, value: str) -> str:
    return f"{value} {'colours' if name in ('temperature', 'brightness') else name}"


def _usable(found: Mapping[tuple[str, str], dict[int, int]], palettes: int) -> tuple[JudgedQuery, ...]:
    """Those that can tell good from bad, the ones with most relevant palettes of each kind."""
    by_kind: defaultdict[str, list[JudgedQuery]] = defaultdict(list)
    for (kind, text), grades in found.items() if palettes >= LEAST_PALETTES else ():
        if LEAST_RELEVANT <= len(grades) <= palettes / 2:
            by_kind[kind].append(JudgedQuery(kind, text, grades))
    for queries in by_kind.values():
        queries.sort(key=lambda one: (-len(one.grades), one.text))
    return tuple(one for queries in by_kind.values() for one in queries[:MOST_OF_A_KIND])
