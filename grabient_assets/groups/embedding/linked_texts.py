"""Tables that link things to the vectors of their texts: what waits for a vector, and the links once it is there.

Equal texts are embedded once, whatever they belong to. A text that has changed keeps its old link until the vector of
the new one is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Generic, TypeVar

from grabient_assets.groups.embedding.embedding import LOCAL, embed_here
from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS, content_in_sql
from grabient_assets.groups.embedding.purpose import EMBEDDING, ask_for_embeddings
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.held_work import Work, sendable_requests
from grabient_assets.registry.model import Model
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

K = TypeVar("K")
"""What a text belongs to, made of the key columns in their order."""


@dataclass(frozen=True, slots=True)
class LinkedTexts(Generic[K]):
    """A table with the columns of `key`, and embedder, content_sha256, error and created_at.

    `texts` is a relation of everything that should have a vector: the key columns, `text`, created_at, and `flaw`: why
    the text is not embedded, or NULL.
    """

    table: str
    key: tuple[str, ...]
    texts: str
    make_key: Callable[..., K]

    @property
    def columns(self) -> str:
        """The key columns for SQL."""
        return ", ".join(self.key)

    @property
    def waiting(self) -> str:
        """Relation of `texts` with content_sha256 that have no vector of $embedder, because they are new or the vector
        was lost, and no failure. Nearly every text is folded as it stands, and its plain SHA-256 costs less."""
        content = content_in_sql("r.text")
        same = " AND ".join(f"e.{name} = r.{name}" for name in self.key)
        return f"""
            SELECT r.*, {content} AS content_sha256
            FROM ({self.texts}) r
            LEFT JOIN {self.table} e ON {same} AND e.embedder = $embedder
            LEFT JOIN ({DOCUMENT_VECTORS}) v ON v.content_sha256 = e.content_sha256 AND v.embedder = e.embedder
            WHERE CASE WHEN e.content_sha256 = sha256(r.text) THEN false
                       ELSE e.content_sha256 IS DISTINCT FROM {content} END
               OR (e.error IS NULL AND v.content_sha256 IS NULL)
        """


@dataclass(frozen=True, slots=True)
class TextLink(Generic[K]):
    """One row of such a table. With `error` the text has no vector, and is not embedded again by itself."""

    key: K
    embedder: str
    content_sha256: str
    error: str | None
    created_at: datetime


def waiting_texts(connection: DuckDBPyConnection, linked: LinkedTexts[K], embedder: str) -> dict[K, str]:
    """The texts that have neither a vector of the embedder nor a failure."""
    rows = connection.execute(
        f"SELECT text, {linked.columns} FROM ({linked.waiting}) ORDER BY created_at, {linked.columns}",
        {"embedder": embedder},
    ).fetchall()
    return {linked.make_key(*key): text for text, *key in rows}


def to_embed(connection: DuckDBPyConnection, linked: LinkedTexts[K], embedder: str) -> list[K]:
    """Whose text can get on now: its vector or failure is there to be linked, or nobody asked for it yet. The others
    are asked for: they wait for a provider, or for a person to ask again."""
    rows = connection.execute(
        f"""
        SELECT {linked.columns} FROM ({linked.waiting}) w
        WHERE w.flaw IS NOT NULL
           OR EXISTS (SELECT 1 FROM embeddings e WHERE e.content_sha256 = w.content_sha256
                      AND e.embedder = $embedder AND e.task = 'document')
           OR NOT EXISTS (SELECT 1 FROM asks a WHERE a.purpose = 'embedding' AND a.prompt_version = 'document'
                          AND a.model = $embedder AND a.subject = 't_' || left(w.content_sha256, 32)
                          AND a.state IN ('open', 'stopped'))
        ORDER BY created_at, {linked.columns}
        """,
        {"embedder": embedder},
    ).fetchall()
    return [linked.make_key(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class TextWork(Generic[K]):
    """Whose text waits for its vector; of these the ones that are `ready` (`to_embed`); and the requests that can be
    sent to a provider now."""

    waiting: list[K]
    ready: list[K]
    work: Work


def text_work(
    connection: DuckDBPyConnection, linked: LinkedTexts[K], model: Model, budget_usd: Decimal | None, now: datetime
) -> TextWork[K]:
    """What is to be embedded by this model."""
    waiting = list(waiting_texts(connection, linked, model.id))
    work = Work((), (), ())
    if waiting and model.provider != LOCAL:
        work = sendable_requests(EMBEDDING, PURPOSES, connection, model.provider, budget_usd, now)
    return TextWork(waiting, to_embed(connection, linked, model.id) if waiting else [], work)


def text_links(connection: DuckDBPyConnection, linked: LinkedTexts[K], embedder: str) -> list[TextLink[K]]:
    """What came of the texts at this embedder."""
    rows = connection.execute(
        f"SELECT {linked.columns}, embedder, content_sha256, error, created_at FROM {linked.table} WHERE embedder = $1",
        [embedder],
    ).fetchall()
    return [_link(linked, row) for row in rows]


def failed_texts(connection: DuckDBPyConnection, linked: LinkedTexts[K]) -> list[TextLink[K]]:
    """The texts that, as they stand, could not be embedded, whatever the embedder."""
    rows = connection.execute(
        f"""
        SELECT {linked.columns}, e.embedder, e.content_sha256, e.error, e.created_at
        FROM {linked.table} e JOIN ({linked.texts}) r USING ({linked.columns})
        WHERE e.error IS NOT NULL AND e.content_sha256 = {content_in_sql("r.text")} ORDER BY ALL
        """
    ).fetchall()
    return [_link(linked, row) for row in rows]


def link_embeddings(
    connection: DuckDBPyConnection, linked: LinkedTexts[K], embedder: str, now: datetime
) -> list[TextLink[K]]:
    """Link what waits to the vector of its text, or to its failure, where there is one now; returns those rows."""
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE new_links AS
        SELECT {", ".join(f"w.{name}" for name in linked.key)}, $embedder AS embedder, w.content_sha256,
               coalesce(w.flaw, v.error) AS error, $now AS created_at
        FROM ({linked.waiting}) w
        LEFT JOIN embeddings v ON v.content_sha256 = w.content_sha256 AND v.embedder = $embedder
            AND v.task = 'document'
        WHERE w.flaw IS NOT NULL OR v.content_sha256 IS NOT NULL
        """,
        {"embedder": embedder, "now": now},
    )
    connection.execute(
        f"""
        INSERT INTO {linked.table} BY NAME SELECT * FROM new_links
        ON CONFLICT DO UPDATE SET content_sha256 = excluded.content_sha256, error = excluded.error,
            created_at = excluded.created_at
        """
    )
    rows = connection.execute(
        f"SELECT {linked.columns}, embedder, content_sha256, error, created_at FROM new_links"
    ).fetchall()
    connection.execute("DROP TABLE new_links")
    return [_link(linked, row) for row in rows]


def embed_linked(
    linked: LinkedTexts[K],
    warehouse: Warehouse,
    model: Model,
    answers_from: str,
    clock: Callable[[], datetime],
    among: Collection[K] | None = None,
) -> list[TextLink[K]]:
    """Give the texts, all or those of `among`, their vectors; returns the rows that were written.

    Equal texts are embedded once. A provider's vectors are asked for here, and linked by a later call when they came.
    """
    with warehouse.read() as connection:
        waiting = waiting_texts(connection, linked, model.id)
        flawed = _flawed(connection, linked, model.id) if waiting else set[K]()
    texts = [text for one, text in waiting.items() if one not in flawed and (among is None or one in among)]
    if texts and model.provider == LOCAL:
        embed_here(texts, model, answers_from, warehouse, clock)
    elif texts:
        ask_for_embeddings(texts, model, answers_from, warehouse, clock())
    if not waiting:
        return []
    with warehouse.write() as connection:
        return link_embeddings(connection, linked, model.id, ledger_time(connection, clock()))


def _flawed(connection: DuckDBPyConnection, linked: LinkedTexts[K], embedder: str) -> set[K]:
    rows = connection.execute(
        f"SELECT {linked.columns} FROM ({linked.waiting}) WHERE flaw IS NOT NULL", {"embedder": embedder}
    ).fetchall()
    return {linked.make_key(*row) for row in rows}


def _link(linked: LinkedTexts[K], row: tuple[object, ...]) -> TextLink[K]:
    width = len(linked.key)
    return TextLink(linked.make_key(*row[:width]), *row[width:])  # pyright: ignore[reportArgumentType]
