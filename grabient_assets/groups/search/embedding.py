"""Giving texts their vectors: in this process where the embedder is local, by the ledger where it is a provider's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from grabient_assets.errors import EmbedderError, SettingsError
from grabient_assets.groups.search.embeddings import (
    EmbeddingRecord,
    UnitVector,
    checked,
    keep_texts,
    record_embeddings,
    texts_of,
    without_vector,
)
from grabient_assets.groups.search.palette_index import PaletteEmbedding, link_embeddings, waiting_texts
from grabient_assets.groups.search.purpose import EMBEDDING, ask_for_embeddings
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.identity import custom_id_of
from grabient_assets.ledger.send import Sent
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model, Task
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse

LOCAL = "local"


def chosen_embedder() -> Model:
    """The embedder of GRABIENT_EMBEDDER: the local one, or the model of that id. Raises SettingsError."""
    chosen, registry = load_settings().embedder, load_registry()
    known = {model.id: model for model in registry.models if "embedder" in model.roles}
    if chosen == LOCAL:
        return registry.panel("embedder")[0]
    if chosen not in known:
        raise SettingsError(f"GRABIENT_EMBEDDER is {chosen!r}; it must be {LOCAL} or one of {', '.join(known)}.")
    return known[chosen]


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


def embed_here(
    texts: Sequence[str], model: Model, answers_from: str, warehouse: Warehouse, clock: Callable[[], datetime]
) -> None:
    """Compute and store the vectors of those of the texts that have none. Nothing is sent, and nothing is billed."""
    from array import array

    from grabient_assets.vectors.local_embedder import embed_locally

    task: Task = "document"
    target = EMBEDDING.target(task, model, answers_from)
    rules = model.vectors
    assert rules is not None
    with warehouse.write() as connection:
        contents = keep_texts(connection, texts, clock())
        lacking = texts_of(connection, without_vector(connection, set(contents), model.id, task, target.request_digest))
    vectors = embed_locally([text.text for text in lacking.values()], rules.default)
    with warehouse.write() as connection:
        now = ledger_time(connection, clock())
        rows: list[EmbeddingRecord] = []
        for (subject, text), vector in zip(lacking.items(), vectors, strict=True):
            found = checked(array("f", vector.tobytes()), rules.default, rules.unit_length)
            unit = found if isinstance(found, UnitVector) else None
            rows.append(
                EmbeddingRecord(
                    content_sha256=text.content_sha256,
                    embedder=model.id,
                    task=task,
                    subject=subject,
                    provider=model.provider,
                    custom_id=custom_id_of(text.content_sha256[:24], target.request_digest, 0),
                    fate="succeeded" if unit else "invalid",
                    created_at=now,
                    error=None if unit else str(found),
                    dimensions=rules.default if unit else None,
                    vector=unit.numbers if unit else None,
                    norm=unit.norm if unit else None,
                )
            )
        record_embeddings(connection, rows)


def embed_queries(
    texts: Sequence[str],
    model: Model,
    answers_from: str,
    submission: Callable[[str], AbstractContextManager[Submission]],
) -> list[list[float]]:
    """The vectors of queries by a provider's embedder. They are direct calls in the ledger, so a query that was asked
    before costs nothing.

    `submission` opens what is needed to send to a provider. Raises EmbedderError when a vector did not come, with the
    reason.
    """
    with submission(model.provider) as sending:
        warehouse, now = sending.warehouse, sending.clock()
        asked = ask_for_embeddings(texts, model, answers_from, warehouse, now, "query", delivery="direct")
        sent = submit_due(EMBEDDING, sending) if asked.asked else Sent()
        with warehouse.read() as connection:
            rows = connection.execute(
                "SELECT content_sha256, vector, error FROM embeddings WHERE embedder = $1 AND task = 'query' "
                "AND content_sha256 IN (SELECT unnest($2::VARCHAR[]))",
                [model.id, list(asked.contents)],
            ).fetchall()
    vectors = {content: vector for content, vector, _ in rows if vector is not None}
    if lacking := [text for text, content in zip(texts, asked.contents, strict=True) if content not in vectors]:
        reasons = dict.fromkeys([*(error for _, _, error in rows if error), *sent.complaints, *sent.held])
        why = " ".join(reasons) or "A call for it is still under way; search again."
        raise EmbedderError(f"{model.id} ({model.provider}) made no vector of the query {lacking[0]!r}. {why}")
    return [vectors[content] for content in asked.contents]
