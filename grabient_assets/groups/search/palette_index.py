"""The index `palettes`: what it should hold, the table palette_embeddings that links texts to palettes, its upkeep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from grabient_assets.groups.embedding.embedding import LOCAL, chosen_embedder, embed_here
from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS
from grabient_assets.groups.embedding.purpose import ask_for_embeddings
from grabient_assets.groups.embedding.queries import query_embedder
from grabient_assets.groups.indexes.sync import Synced, sync_index
from grabient_assets.groups.indexes.versions import (
    Build,
    Differences,
    Index,
    IndexVersion,
    differences,
    index_versions,
    named_version,
    version_to_sync,
)
from grabient_assets.groups.search.quality import report_on
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.resources.modes import answers_from, open_vectorize
from grabient_assets.settings import Settings, load_settings
from grabient_assets.warehouse.connection import Warehouse

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


def embed_palettes(
    warehouse: Warehouse,
    model: Model,
    answers_from: str,
    clock: Callable[[], datetime],
) -> list[PaletteEmbedding]:
    """Give refined palettes the vectors of their texts; returns the rows that were written.

    Equal texts are embedded once. A provider's vectors are asked for here, and linked by a later call when they came.
    """
    with warehouse.read() as connection:
        waiting = waiting_texts(connection, model.id)
    if not waiting:
        return []
    if model.provider == LOCAL:
        embed_here([*waiting.values()], model, answers_from, warehouse, clock)
    else:
        ask_for_embeddings([*waiting.values()], model, answers_from, warehouse, clock())
    with warehouse.write() as connection:
        return link_embeddings(connection, model.id, ledger_time(connection, clock()))


@dataclass(frozen=True, slots=True)
class Kept:
    """What a round of keeping the index did. `failed` are the texts that could not be embedded, as sentences."""

    embedded: int
    failed: tuple[str, ...]
    synced: Synced | None


def keep_index(settings: Settings, warehouse: Warehouse, clock: Callable[[], datetime]) -> Kept:
    """Give refined palettes their vectors, and bring the index to what it should hold.

    A provider's vectors are asked for, and are there when its batches were collected; Cloudflare shows what was written
    a while later. Then another round goes on.
    """
    model, build = embedder_and_build(settings, warehouse)
    rows = embed_palettes(warehouse, model, answers_from(settings), clock)
    failed = tuple(f"{one.prompt_version}|{one.seed}: {one.error}" for one in rows if one.error)

    def why_held(house: Warehouse, version: IndexVersion) -> str | None:
        report = report_on(house, version, query_embedder(settings, house, clock), clock())
        return report.why_worse if report and _is_replaced(house) else None

    synced = sync_index(warehouse, PALETTES, build, clock, why_held, partial(open_vectorize, settings))
    return Kept(len(rows) - len(failed), failed, synced)


def embedder_and_build(settings: Settings, warehouse: Warehouse) -> tuple[Model, Build]:
    """The embedder that new texts get their vectors from, and the build that the settings ask for.

    After a rollback the version that is kept may be of another embedder than the chosen one: it goes on with its own.
    """
    chosen = chosen_embedder()
    assert chosen.vectors is not None
    build = Build(chosen.id, chosen.vectors.default, settings.vectorize.index if settings.vectorize else None)
    with warehouse.read() as connection:
        kept = version_to_sync(connection, PALETTES.name, build)
    return (chosen if kept is None else next(m for m in load_registry().models if m.id == kept.embedder)), build


def index_differences(warehouse: Warehouse) -> tuple[IndexVersion, Differences]:
    """The live version, and how it differs from what it should hold. Raises UsageError when there is none."""
    with warehouse.read() as connection:
        version = named_version(connection, PALETTES.name, None)
        return version, differences(connection, PALETTES, version)


def _is_replaced(warehouse: Warehouse) -> bool:
    """Whether another version is live: the first one goes live however well it finds, for there is no better one."""
    with warehouse.read() as connection:
        return any(one.state == "live" for one in index_versions(connection, PALETTES.name))
