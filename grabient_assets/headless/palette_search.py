"""Searching palettes in one process and without Dagster.

A search with the local embedder imports neither the ledger nor the registry: they take as long as the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from grabient_assets.groups.search.indexes import IndexVersion
from grabient_assets.groups.search.searching import Found, Query, search
from grabient_assets.settings import Settings
from grabient_assets.vectors.local_embedder import LOCAL_EMBEDDER, embed_locally
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from grabient_assets.ledger.submission import Submission

Clock = Callable[[], datetime]


def find_palettes(
    query: Query, settings: Settings, warehouse: Warehouse, clock: Clock, version: int | None = None
) -> Found:
    """The palettes nearest to the query. Raises UsageError when there is no index yet."""
    embed = query_embedder(settings, warehouse, clock)
    return search(query, warehouse, lambda text, chosen: embed([text], chosen)[0], version=version)


def query_embedder(
    settings: Settings, warehouse: Warehouse, clock: Clock
) -> Callable[[Sequence[str], IndexVersion], list[list[float]]]:
    """Gives the vectors of queries by the embedder of a version."""

    def embed(texts: Sequence[str], version: IndexVersion) -> list[list[float]]:
        if version.embedder == LOCAL_EMBEDDER:
            return embed_locally(texts, version.dimensions).tolist()
        from grabient_assets.groups.search.embedding import embed_queries
        from grabient_assets.registry.load import load_registry
        from grabient_assets.resources.modes import answers_from

        model = next(one for one in load_registry().models if one.id == version.embedder)
        return embed_queries(texts, model, answers_from(settings), partial(_sending, warehouse, clock))

    return embed


@contextmanager
def _sending(warehouse: Warehouse, clock: Clock, provider: str) -> Iterator[Submission]:
    from grabient_assets.groups.purposes import PURPOSES
    from grabient_assets.ledger.submission import Submission
    from grabient_assets.resources.objects import open_store
    from grabient_assets.resources.providers import ProvidersResource
    from grabient_assets.settings import load_settings

    with ProvidersResource().connect(provider) as connection:
        yield Submission(connection, PURPOSES, warehouse, open_store(load_settings()), clock)
