"""The table palette_embeddings: which text of which palette has a vector; and what the index `palettes` should hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.search.indexes import DOCUMENT_VECTORS, Index
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.settings import load_settings

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_REFINED = "SELECT * FROM palette_tag_refined WHERE error IS NULL AND embed_text <> ''"

_WAITING = f"""
    SELECT r.seed, r.prompt_version, r.embed_text, sha256(r.embed_text) AS content_sha256, r.created_at
    FROM ({_REFINED}) r
    LEFT JOIN palette_embeddings e ON e.seed = r.seed AND e.prompt_version = r.prompt_version AND e.embedder = $embedder
    WHERE e.content_sha256 IS DISTINCT FROM sha256(r.embed_text)
"""
"""Refined palettes whose text has no vector yet, and no failure. A refined text is folded already
(refinement/embed_text.py), so its SHA-256 is that of its content."""

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
    _WAITING,
    ("seed", "promptVersion", "temperature", "brightness"),
    lambda: {"in_use": load_settings().prompt_version},
)
"""One vector for each palette: that of the prompt version in use, or of the newest other one until there is one. A
palette whose text has changed keeps its old vector until the new one is there."""


@dataclass(frozen=True, slots=True)
class PaletteEmbedding:
    """One row of `palette_embeddings`. With `error` the text has no vector, and is not embedded again by itself."""

    seed: str
    prompt_version: str
    embedder: str
    content_sha256: str
    error: str | None
    created_at: datetime


def waiting_texts(connection: DuckDBPyConnection, embedder: str) -> dict[SubjectVersion, str]:
    """The texts of refined palettes that have neither a vector of the embedder nor a failure, by palette."""
    rows = connection.execute(
        f"SELECT prompt_version, seed, embed_text FROM ({_WAITING}) ORDER BY prompt_version, created_at, seed",
        {"embedder": embedder},
    ).fetchall()
    return {SubjectVersion(version, seed): text for version, seed, text in rows}


def link_embeddings(connection: DuckDBPyConnection, embedder: str, now: datetime) -> list[PaletteEmbedding]:
    """Link waiting palettes to the vector of their text, or to its failure, where there is one now; returns those."""
    rows = connection.execute(
        f"""
        INSERT INTO palette_embeddings BY NAME
        SELECT w.seed, w.prompt_version, v.embedder, v.content_sha256, v.error, $now AS created_at
        FROM ({_WAITING}) w JOIN embeddings v USING (content_sha256)
        WHERE v.embedder = $embedder AND v.task = 'document'
        ON CONFLICT DO UPDATE SET content_sha256 = excluded.content_sha256, error = excluded.error,
            created_at = excluded.created_at
        RETURNING seed, prompt_version, embedder, content_sha256, error, created_at
        """,
        {"embedder": embedder, "now": now},
    ).fetchall()
    return [PaletteEmbedding(*row) for row in rows]
