"""The chosen embedder, and its vectors of texts in this process where it is the local one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from grabient_assets.errors import SettingsError
from grabient_assets.groups.embedding.embeddings import (
    EmbeddingRecord,
    UnitVector,
    checked,
    keep_texts,
    record_embeddings,
    texts_of,
    without_vector,
)
from grabient_assets.groups.embedding.purpose import EMBEDDING
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.identity import custom_id_of
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
