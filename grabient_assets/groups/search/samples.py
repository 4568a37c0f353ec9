"""What ten queries find, as a person sees it in the UI: swatches, names and scores."""

from __future__ import annotations

from grabient_assets.gradient.svg import thumbnail
from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS
from grabient_assets.groups.embedding.queries import QueryVectors
from grabient_assets.groups.indexes.versions import IndexVersion
from grabient_assets.groups.markdown import escaped
from grabient_assets.warehouse.connection import Warehouse

SAMPLE_QUERIES = (
    *("misty forest at dawn", "retro diner", "deep ocean at night", "desert sunset", "cherry blossom in spring"),
    *("cosy autumn cabin", "neon city in the rain", "old library", "fresh mint and lemon", "arctic ice"),
)
SAMPLE_HITS = 3
_HITS = """
    SELECT best.place, best.score, p.seed, p.name, p.hex FROM (
        SELECT e.vector_id, e.subject, scored.place, scored.score FROM index_entries e JOIN (
            SELECT v.content_sha256, q.place,
                   round(array_inner_product(v.vector::DOUBLE[{dimensions}], query::DOUBLE[{dimensions}]), 6) AS score
            FROM ({vectors}) v,
                 (SELECT unnest($vectors::DOUBLE[][]) AS query, unnest(range(len($vectors))) AS place) q
            WHERE v.embedder = $embedder AND v.dimensions = $dimensions
        ) scored USING (content_sha256)
        WHERE e.index_name = $index AND e.version = $version
        QUALIFY row_number() OVER (PARTITION BY place ORDER BY score DESC, vector_id) <= $hits
    ) best JOIN palettes p ON p.seed = best.subject
    ORDER BY place, score DESC, vector_id
"""


def sample_hits_markdown(warehouse: Warehouse, version: IndexVersion, vectors_of: QueryVectors) -> str:
    """The first hits of the sample queries: swatches, name and score, as search finds them. A provider's embedder is
    asked for their vectors once."""
    vectors = vectors_of(SAMPLE_QUERIES, version.embedder, version.dimensions)
    with warehouse.read() as connection:
        rows = connection.execute(
            _HITS.format(dimensions=version.dimensions, vectors=DOCUMENT_VECTORS),
            {
                "vectors": vectors,
                "embedder": version.embedder,
                "dimensions": version.dimensions,
                "index": version.index_name,
                "version": version.version,
                "hits": SAMPLE_HITS,
            },
        ).fetchall()
    cells: list[list[str]] = [[query] for query in SAMPLE_QUERIES]
    for place, score, seed, name, colours in rows:
        # Every second colour: an event is stored for ever, and thirty pictures of all eleven take 30 KB.
        swatches = thumbnail(colours[::2], 132, 24)
        cells[place].append(f"![{escaped(seed)}]({swatches}) {escaped(name or seed)} {score:.3f}")
    lines = [f"| query |{' hit |' * SAMPLE_HITS}", "|" + "---|" * (1 + SAMPLE_HITS)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in cells)])
