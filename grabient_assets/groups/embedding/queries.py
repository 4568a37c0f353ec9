"""The vectors of queries: computed here by the local embedder, by direct calls in the ledger where it is a provider's.

The local way imports neither the ledger nor the registry: they take as long as a search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from grabient_assets.errors import EmbedderError
from grabient_assets.settings import Settings
from grabient_assets.vectors.local_embedder import LOCAL_EMBEDDER, embed_locally
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from grabient_assets.ledger.submission import Submission
    from grabient_assets.registry.model import Model

QueryVectors = Callable[[Sequence[str], str, int], list[list[float]]]
"""The vectors of queries, by the embedder of that name, with so many dimensions."""


def query_embedder(settings: Settings, warehouse: Warehouse, clock: Callable[[], datetime]) -> QueryVectors:
    """Gives the vectors of queries by the embedder that is asked for."""

    def embed(texts: Sequence[str], embedder: str, dimensions: int) -> list[list[float]]:
        if embedder == LOCAL_EMBEDDER:
            return embed_locally(texts, dimensions).tolist()
        from grabient_assets.registry.load import load_registry
        from grabient_assets.resources.modes import answers_from

        model = next(one for one in load_registry().models if one.id == embedder)
        return embed_queries(texts, model, answers_from(settings), partial(_sending, warehouse, clock))

    return embed


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
    from grabient_assets.groups.embedding.purpose import EMBEDDING, ask_for_embeddings
    from grabient_assets.ledger.send import Sent
    from grabient_assets.ledger.submission import submit_due

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


@contextmanager
def _sending(warehouse: Warehouse, clock: Callable[[], datetime], provider: str) -> Iterator[Submission]:
    from grabient_assets.groups.purposes import PURPOSES
    from grabient_assets.ledger.submission import Submission
    from grabient_assets.resources.objects import open_store
    from grabient_assets.resources.providers import ProvidersResource
    from grabient_assets.settings import load_settings

    with ProvidersResource().connect(provider) as connection:
        yield Submission(connection, PURPOSES, warehouse, open_store(load_settings()), clock)
