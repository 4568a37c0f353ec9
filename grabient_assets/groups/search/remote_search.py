"""Search in the index at Cloudflare Vectorize, with the details of the hits from the tables here."""

from __future__ import annotations

import time
from contextlib import closing

from grabient_assets.errors import UsageError
from grabient_assets.groups.embedding.queries import QueryVectors
from grabient_assets.groups.indexes.loaded import query_vector
from grabient_assets.groups.indexes.sync import Connect
from grabient_assets.groups.search.searching import Found, Query, details, found, searched_version
from grabient_assets.providers.vectorize import INDEXED_BYTES, MOST_BARE_MATCHES
from grabient_assets.vectors.exact import Scored
from grabient_assets.warehouse.connection import Warehouse

FILTERS = ("temperature", "brightness", "seed")
"""What `--where` takes here: by these, and by the prompt version, Vectorize filters."""


def search_remotely(
    query: Query,
    warehouse: Warehouse,
    vectors_of: QueryVectors,
    connect: Connect,
    index_name: str = "palettes",
    version: int | None = None,
) -> Found:
    """The hits that Vectorize finds in the live version of the index, or in another. `connect` opens its index.

    Raises UsageError for a version that is not kept there, and for what Vectorize cannot be asked; ProviderError when
    it does not answer.
    """
    started = time.perf_counter()
    wanted = _filter(query)
    chosen = searched_version(warehouse, index_name, version)
    if chosen.remote_name is None:
        raise UsageError(
            f"Version {chosen.version} of the index {index_name!r} is kept in the data folder alone, so --remote "
            "cannot search it. Leave --remote out; or set VECTORIZE_INDEX and run `grabient index sync`, "
            "which also names a version that was left by hand."
        )
    with closing(connect(chosen.remote_name)) as remote:
        vector = query_vector(query.text, chosen, vectors_of)
        matches = remote.query(vector, query.limit, wanted, with_metadata=False)
    best = sorted((Scored(one.id, round(one.score, 6)) for one in matches), key=lambda one: (-one.score, one.vector_id))
    with warehouse.read() as connection:
        hits = details(connection, query, chosen, best)
    return found(query, chosen, hits, started)


def _filter(query: Query) -> dict[str, dict[str, str]]:
    """What Vectorize filters by. It knows the first bytes of a text; the details are compared whole."""
    if query.limit > MOST_BARE_MATCHES:
        raise UsageError(f"--limit is {query.limit}; with --remote it must be from 1 to {MOST_BARE_MATCHES}.")
    for name, value in query.where:
        if name not in FILTERS:
            raise UsageError(
                f"--where '{name}={value}' cannot be asked with --remote. There it can be {', '.join(FILTERS)}; "
                "--prompt-version can be given too."
            )
    wanted = [*query.where, *([("promptVersion", query.prompt_version)] if query.prompt_version is not None else [])]
    return {name: {"$eq": value.encode()[:INDEXED_BYTES].decode(errors="ignore")} for name, value in wanted}
