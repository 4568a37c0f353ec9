"""The index `palettes`: what it should hold, the table palette_embeddings that links texts to palettes, its upkeep."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS, content_in_sql, not_empty_in_sql
from grabient_assets.groups.embedding.linked_texts import LinkedTexts, embed_linked, failed_texts
from grabient_assets.groups.embedding.queries import query_embedder
from grabient_assets.groups.indexes import keeping
from grabient_assets.groups.indexes.keeping import KeptIndex, shown
from grabient_assets.groups.indexes.quality import report_on
from grabient_assets.groups.indexes.sync import Measure
from grabient_assets.groups.indexes.versions import Index, IndexVersion, live_version
from grabient_assets.groups.search.relevance import judged
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.settings import Settings, load_settings
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_REFINED = f"SELECT * FROM palette_tag_refined WHERE error IS NULL AND {not_empty_in_sql('embed_text')}"

REFINED_TEXTS = LinkedTexts(
    "palette_embeddings",
    ("prompt_version", "seed"),
    f"SELECT prompt_version, seed, embed_text AS text, created_at, NULL::VARCHAR AS flaw FROM ({_REFINED})",
    SubjectVersion,
)
"""The texts of refined palettes."""

PALETTES = Index(
    "palettes",
    f"""
    SELECT vector_id, subject, namespace, content_sha256, metadata FROM (
        SELECT p.palette_key AS vector_id, r.seed AS subject, NULL::VARCHAR AS namespace, e.content_sha256,
               json_object('seed', r.seed, 'promptVersion', r.prompt_version, 'temperature', r.temperature,
                           'brightness', r.brightness) AS metadata,
               row_number() OVER (PARTITION BY p.palette_key ORDER BY r.prompt_version = $in_use DESC,
                                  r.created_at DESC, p.created_at, r.seed) AS place
        FROM palette_embeddings e
        JOIN ({_REFINED}) r USING (seed, prompt_version)
        JOIN palettes p USING (seed)
        JOIN ({DOCUMENT_VECTORS}) v USING (content_sha256, embedder)
        WHERE e.embedder = $embedder AND v.dimensions = $dimensions
    ) WHERE place = 1
    """,
    REFINED_TEXTS.waiting,
    dict.fromkeys(("seed", "promptVersion", "temperature", "brightness"), "string"),
    lambda: {"in_use": load_settings().prompt_version},
)
"""One vector for each palette: that of the prompt version in use, or of the newest other one until there is one. A
palette whose text has changed keeps its old vector until the new one is there."""

_LATE = f"""
    SELECT p.palette_key AS vector_id, i.vector_id IS NOT NULL AS held
    FROM ({REFINED_TEXTS.waiting}) w JOIN palettes p USING (seed)
    LEFT JOIN index_entries i ON i.index_name = $index AND i.version = $version AND i.vector_id = p.palette_key
    WHERE w.prompt_version = $in_use OR i.vector_id IS NULL
"""


def _measure(settings: Settings, warehouse: Warehouse, clock: Callable[[], datetime]) -> Measure:
    """A version that replaces another one is measured first: one that finds no better than words alone does not go
    live."""

    def why_held(house: Warehouse, version: IndexVersion) -> str | None:
        with house.read() as connection:
            if live_version(connection, PALETTES.name) is None:
                return None  # the first one replaces none that is better
        report = report_on(house, version, judged, query_embedder(settings, warehouse, clock), clock())
        return report.why_worse if report else None

    return why_held


KEPT_PALETTES = KeptIndex(
    PALETTES,
    REFINED_TEXTS,
    lambda settings: settings.vectorize.index if settings.vectorize else None,
    _LATE,
    "No refined palette has a vector of the chosen embedder yet, so no version is begun.",
    "`grabient run` sends them, collects the vectors and goes on; in Dagster the sensor texts_waiting does.",
    _measure,
)
embed_palettes = partial(embed_linked, REFINED_TEXTS)
keep_index = partial(keeping.keep, KEPT_PALETTES)
sync_palettes = partial(keeping.sync, KEPT_PALETTES)
embedder_and_build = partial(keeping.embedder_and_build, KEPT_PALETTES)
index_differences = partial(keeping.index_differences, KEPT_PALETTES)


def search_problems(connection: DuckDBPyConnection, chosen: Collection[SubjectVersion]) -> list[str]:
    """Why some of these palettes are not found by search, as sentences."""
    failed = [one for one in failed_texts(connection, REFINED_TEXTS) if one.key in chosen]
    return [f"{shown(one.key)} has no vector: {one.error}" for one in failed]


def indexed_palettes(connection: DuckDBPyConnection, seeds: Sequence[str], prompt_version: str) -> int:
    """How many of these palettes are found by search, with the vector of their text under the prompt version made.

    The index has one vector for each palette: under another version than the one in use it may be that of the latter.
    """
    row = connection.execute(
        f"""
        SELECT count(*) FROM ({_REFINED}) r
        SEMI JOIN (SELECT unnest($seeds::VARCHAR[]) AS seed) USING (seed)
        JOIN index_versions v ON v.index_name = 'palettes' AND v.state = 'live'
        SEMI JOIN index_entries i ON i.index_name = v.index_name AND i.version = v.version AND i.subject = r.seed
        SEMI JOIN palette_embeddings e ON e.seed = r.seed AND e.prompt_version = r.prompt_version
            AND e.embedder = v.embedder AND e.error IS NULL AND e.content_sha256 = {content_in_sql("r.embed_text")}
        WHERE r.prompt_version = $version
        """,
        {"seeds": list(seeds), "version": prompt_version},
    ).fetchone()
    return row[0] if row else 0


def unmeasured(connection: DuckDBPyConnection) -> bool:
    """Whether the live version was not measured since it went live or changed."""
    row = connection.execute(
        """
        SELECT count(*) FROM index_versions v LEFT JOIN search_reports r USING (index_name, version)
        WHERE v.index_name = 'palettes' AND v.state = 'live' AND (r.reported_at IS NULL
            OR r.reported_at < greatest(v.built_at, v.live_at))
        """
    ).fetchone()
    return bool(row and row[0])


def state_of_index(connection: DuckDBPyConnection) -> str:
    """A digest of all that decides what the index should hold, and of its versions: while it is the same, nothing has
    changed."""
    row = connection.execute(
        """
        SELECT (SELECT bit_xor(hash(seed, prompt_version, embed_text, temperature, brightness, error))
                FROM palette_tag_refined),
               (SELECT bit_xor(hash(seed, prompt_version, embedder, content_sha256, error)) FROM palette_embeddings),
               (SELECT bit_xor(hash(version, state, wanted, present, built_at, error))
                FROM index_versions WHERE index_name = 'palettes')
        """
    ).fetchone()
    return repr(row)
