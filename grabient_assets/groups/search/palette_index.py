"""The index `palettes`: what it should hold, the table palette_embeddings that links texts to palettes, its upkeep."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from grabient_assets.groups.embedding.embedding import LOCAL, chosen_embedder, embed_here
from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS, content_in_sql, not_empty_in_sql
from grabient_assets.groups.embedding.purpose import EMBEDDING, ask_for_embeddings
from grabient_assets.groups.embedding.queries import query_embedder
from grabient_assets.groups.indexes.quality import report_on
from grabient_assets.groups.indexes.remote_sync import remote_differences
from grabient_assets.groups.indexes.sync import Synced, sync_index
from grabient_assets.groups.indexes.versions import (
    Build,
    Differences,
    Index,
    IndexVersion,
    differences,
    index_versions,
    left_version,
    live_version,
    named_version,
    version_to_sync,
)
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.search.relevance import judged
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.held_work import Work, sendable_requests
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.resources.modes import answers_from, open_vectorize
from grabient_assets.settings import Settings, load_settings
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_REFINED = f"SELECT * FROM palette_tag_refined WHERE error IS NULL AND {not_empty_in_sql('embed_text')}"

_CONTENT = content_in_sql("r.embed_text")
_WAITING = f"""
    SELECT r.seed, r.prompt_version, r.embed_text, {_CONTENT} AS content_sha256, r.created_at
    FROM ({_REFINED}) r
    LEFT JOIN palette_embeddings e ON e.seed = r.seed AND e.prompt_version = r.prompt_version AND e.embedder = $embedder
    LEFT JOIN ({DOCUMENT_VECTORS}) v ON v.content_sha256 = e.content_sha256 AND v.embedder = e.embedder
    WHERE CASE WHEN e.content_sha256 = sha256(r.embed_text) THEN false
               ELSE e.content_sha256 IS DISTINCT FROM {_CONTENT} END
       OR (e.error IS NULL AND v.content_sha256 IS NULL)
"""
"""Refined palettes whose text has no vector, because it is new or the vector was lost, and no failure. Nearly every
text is folded as it stands, and its plain SHA-256 costs less."""

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


def to_embed(connection: DuckDBPyConnection, embedder: str) -> list[SubjectVersion]:
    """The palettes whose text can get on now: its vector or failure is there to be linked, or nobody asked for it yet.
    The others are asked for: they wait for a provider, or for a person to ask again."""
    rows = connection.execute(
        f"""
        SELECT prompt_version, seed FROM ({_WAITING}) w
        WHERE EXISTS (SELECT 1 FROM embeddings e WHERE e.content_sha256 = w.content_sha256
                      AND e.embedder = $embedder AND e.task = 'document')
           OR NOT EXISTS (SELECT 1 FROM asks a WHERE a.purpose = 'embedding' AND a.prompt_version = 'document'
                          AND a.model = $embedder AND a.subject = 't_' || left(w.content_sha256, 32)
                          AND a.state IN ('open', 'stopped'))
        ORDER BY prompt_version, created_at, seed
        """,
        {"embedder": embedder},
    ).fetchall()
    return [SubjectVersion(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class TextWork:
    """The palettes whose refined text waits for its vector; of these the ones that are `ready` (`to_embed`); and the
    requests that can be sent to a provider now."""

    waiting: list[SubjectVersion]
    ready: list[SubjectVersion]
    work: Work


def text_work(connection: DuckDBPyConnection, model: Model, budget_usd: Decimal | None, now: datetime) -> TextWork:
    """What is to be embedded by this model."""
    waiting = list(waiting_texts(connection, model.id))
    work = Work((), (), ())
    if waiting and model.provider != LOCAL:
        work = sendable_requests(EMBEDDING, PURPOSES, connection, model.provider, budget_usd, now)
    return TextWork(waiting, to_embed(connection, model.id) if waiting else [], work)


def search_problems(connection: DuckDBPyConnection, chosen: Collection[SubjectVersion]) -> list[str]:
    """Why some of these palettes are not found by search, as sentences."""
    failed = [one for one in failed_texts(connection) if SubjectVersion(one.prompt_version, one.seed) in chosen]
    return [f"{one.prompt_version}|{one.seed} has no vector: {one.error}" for one in failed]


def linked_embeddings(connection: DuckDBPyConnection, embedder: str) -> list[PaletteEmbedding]:
    """The refined palettes with what came of their text at this embedder."""
    rows = connection.execute(
        "SELECT seed, prompt_version, embedder, content_sha256, error, created_at FROM palette_embeddings "
        "WHERE embedder = $1",
        [embedder],
    ).fetchall()
    return [PaletteEmbedding(*row) for row in rows]


def held_versions(connection: DuckDBPyConnection) -> list[str]:
    """Why versions that are whole do not go live, and the way on, as sentences."""
    return [
        f"{one.error} The live version is searched; `grabient index rollback --to {one.version}` makes this one live."
        for one in index_versions(connection, PALETTES.name)
        if one.state == "building" and one.error
    ]


def failed_texts(connection: DuckDBPyConnection) -> list[PaletteEmbedding]:
    """The refined palettes whose text, as it stands, could not be embedded."""
    rows = connection.execute(
        f"""
        SELECT e.seed, e.prompt_version, e.embedder, e.content_sha256, e.error, e.created_at
        FROM palette_embeddings e JOIN ({_REFINED}) r USING (seed, prompt_version)
        WHERE e.error IS NOT NULL AND e.content_sha256 = {_CONTENT} ORDER BY ALL
        """
    ).fetchall()
    return [PaletteEmbedding(*row) for row in rows]


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
            AND e.embedder = v.embedder AND e.error IS NULL AND e.content_sha256 = {_CONTENT}
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
    among: Collection[SubjectVersion] | None = None,
) -> list[PaletteEmbedding]:
    """Give refined palettes, all or those of `among`, the vectors of their texts; returns the rows that were written.

    Equal texts are embedded once. A provider's vectors are asked for here, and linked by a later call when they came.
    """
    with warehouse.read() as connection:
        waiting = waiting_texts(connection, model.id)
    texts = [text for one, text in waiting.items() if among is None or one in among]
    if texts and model.provider == LOCAL:
        embed_here(texts, model, answers_from, warehouse, clock)
    elif texts:
        ask_for_embeddings(texts, model, answers_from, warehouse, clock())
    if not waiting:
        return []
    with warehouse.write() as connection:
        return link_embeddings(connection, model.id, ledger_time(connection, clock()))


@dataclass(frozen=True, slots=True)
class Kept:
    """What a round of keeping the index did. `failed` are the texts that could not be embedded, as sentences; `notes`
    say what is still to come, or is not done by itself."""

    embedded: int
    failed: tuple[str, ...]
    synced: Synced | None
    notes: tuple[str, ...] = ()


def keep_index(settings: Settings, warehouse: Warehouse, clock: Callable[[], datetime]) -> Kept:
    """Give refined palettes their vectors, and bring the index to what it should hold.

    A provider's vectors are asked for, and are there when its batches were collected; Cloudflare shows what was written
    a while later. Then another round goes on.
    """
    model, build = embedder_and_build(settings, warehouse)
    rows = embed_palettes(warehouse, model, answers_from(settings), clock)
    notes: list[str] = []
    with warehouse.read() as connection:
        if waiting := len(waiting_texts(connection, model.id)):
            notes.append(
                f"{counted(waiting, 'text')} asked of {model.id} ({model.provider}). `grabient run` sends them, "
                "collects the vectors and goes on; in Dagster the sensor texts_waiting does."
            )
        left = left_version(connection, PALETTES.name, build)
        if left is not None:
            notes.append(
                f"Version {left.version} is what the settings ask for. It was left by hand, so it is not kept; "
                f"`grabient index rollback --to {left.version}` searches it again."
            )
    failed = tuple(f"{one.prompt_version}|{one.seed}: {one.error}" for one in rows if one.error)
    return Kept(len(rows) - len(failed), failed, sync_palettes(settings, warehouse, clock, compare=True), tuple(notes))


def sync_palettes(
    settings: Settings, warehouse: Warehouse, clock: Callable[[], datetime], *, compare: bool = False
) -> Synced | None:
    """Bring the index to what it should hold; None when no palette has a vector yet. A version that replaces another
    one is measured first: one that finds no better than words alone does not go live. With `compare`, what Cloudflare
    lists is compared too."""

    def why_held(house: Warehouse, version: IndexVersion) -> str | None:
        with house.read() as connection:
            if live_version(connection, PALETTES.name) is None:
                return None  # the first one replaces none that is better
        report = report_on(house, version, judged, query_embedder(settings, house, clock), clock())
        return report.why_worse if report else None

    _, build = embedder_and_build(settings, warehouse)
    connect = partial(open_vectorize, settings)
    return sync_index(warehouse, PALETTES, build, clock, why_held, connect, compare=compare)


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


def index_differences(settings: Settings, warehouse: Warehouse) -> tuple[IndexVersion, Differences]:
    """The live version, and how it differs from what it should hold, at Cloudflare too where it is kept there. Raises
    UsageError when there is none."""
    with warehouse.read() as connection:
        version = named_version(connection, PALETTES.name, None)
        found = differences(connection, PALETTES, version) + _unembedded(connection, version)
    if version.remote_name:
        with closing(open_vectorize(settings, version.remote_name)) as remote:
            found += remote_differences(warehouse, version, remote)
    return version, found


def _unembedded(connection: DuckDBPyConnection, version: IndexVersion) -> Differences:
    """The palettes whose text waits for its vector: stale where the index has an older one, otherwise missing."""
    rows = connection.execute(
        f"""
        SELECT p.palette_key, i.vector_id IS NOT NULL AS held FROM ({_WAITING}) w JOIN palettes p USING (seed)
        LEFT JOIN index_entries i ON i.index_name = $index AND i.version = $version AND i.vector_id = p.palette_key
        WHERE w.prompt_version = $in_use OR i.vector_id IS NULL GROUP BY ALL ORDER BY 1
        """,
        {
            "embedder": version.embedder,
            "index": version.index_name,
            "version": version.version,
            "in_use": load_settings().prompt_version,
        },
    ).fetchall()
    return Differences(tuple(key for key, held in rows if not held), tuple(key for key, held in rows if held))
