"""Search in knowledge: the entries nearest to a question, each with its place in its source and the request that made
it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import UsageError
from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS, folded
from grabient_assets.groups.embedding.queries import QueryVectors, query_embedder
from grabient_assets.groups.indexes.loaded import SMALL, Loaded, LoadedMatrix, query_vector
from grabient_assets.groups.indexes.sync import Connect
from grabient_assets.groups.indexes.versions import IndexVersion, named_version
from grabient_assets.groups.retrieval.hits import AREA, IN_MEMORY, IN_TABLE, TYPE, KnowledgeHit, hits_of
from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy import bool_, float32
    from numpy.typing import NDArray

    from grabient_assets.vectors.exact import Scored

INDEX_NAME = "knowledge"
MOST_CHARACTERS, MOST_HITS = 2_000, 1_000
_COLUMNS = {
    "workflow": "hash(e.namespace)",
    "area": AREA,
    "type": f"hash({TYPE})",
    "content": f"hash(e.content_sha256, {AREA}, {TYPE})",
}
_DETAILS = {
    "namespaces": "e.namespace",
    "subjects": "e.subject",
    "contents": "e.content_sha256",
    "metadata": "e.metadata::VARCHAR",
}
"""What IN_MEMORY takes."""


@dataclass(frozen=True, slots=True)
class KnowledgeQuery:
    """A question that was checked. Without areas, types or a workflow, all count; hits below the threshold do not."""

    text: str
    areas: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    workflow: str | None = None
    limit: int = 10
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class KnowledgeFound:
    """The answer to a question, with the index version that gave it."""

    query: str
    hits: tuple[KnowledgeHit, ...]
    version: int
    embedder: str
    elapsed_ms: float


def knowledge_query(
    text: str,
    areas: Sequence[int] = (),
    types: Sequence[str] = (),
    workflow: str | None = None,
    limit: int = 10,
    threshold: float | None = None,
) -> KnowledgeQuery:
    """The question, checked. Raises UsageError for one that cannot be asked."""
    if not any(character.isalnum() for character in text):
        raise UsageError("The question is empty. Ask in words, such as 'the price is too high'.")
    if len(text) > MOST_CHARACTERS:
        raise UsageError(f"The question has {len(text):,} characters; {MOST_CHARACTERS:,} are the most.")
    if wrong := [area for area in areas if not 1 <= area <= 9]:
        raise UsageError(f"There is no focus area {wrong[0]}; areas are numbers from 1 to 9, such as 4,7.")
    if not 1 <= limit <= MOST_HITS:
        raise UsageError(f"The limit is {limit}; it must be from 1 to {MOST_HITS:,}.")
    if threshold is not None and not -1 <= threshold <= 1:
        raise UsageError(f"The threshold is {threshold}; a score is a number from -1 to 1.")
    return KnowledgeQuery(
        folded(text), tuple(sorted(set(areas))), tuple(sorted(set(types))), workflow, limit, threshold
    )


def knowledge_search(settings: Settings, warehouse: Warehouse, clock: Callable[[], datetime]) -> KnowledgeSearch:
    """Search as the settings say: in live mode at Cloudflare, where the index is kept there."""
    from grabient_assets.resources.modes import open_vectorize

    connect = partial(open_vectorize, settings) if settings.mode == "live" else None
    return KnowledgeSearch(warehouse, query_embedder(settings, warehouse, clock), connect)


class KnowledgeSearch:
    """Searches the live version of the index `knowledge` as often as one likes. With `connect`, a version that is kept
    at Cloudflare is searched there."""

    def __init__(
        self, warehouse: Warehouse, vectors_of: QueryVectors, connect: Connect | None = None, small: int = SMALL
    ) -> None:
        self._warehouse, self._vectors_of, self._connect = warehouse, vectors_of, connect
        self._loaded = LoadedMatrix(warehouse, INDEX_NAME, small, _COLUMNS, _DETAILS)
        self._version: IndexVersion | None = None
        """The version that was searched last, where its vectors are computed here: then the file is opened once for a
        search, not twice."""

    def find(self, query: KnowledgeQuery) -> KnowledgeFound:
        """The hits by score, then area, then type; what two workflows have is one hit. Raises UsageError when there is
        no index yet, and for a limit that Cloudflare does not take."""
        from grabient_assets.vectors.local_embedder import LOCAL_EMBEDDER

        started = time.perf_counter()
        if not self._warehouse.exists():
            raise UsageError("There is no knowledge yet. Next: grabient knowledge new NAME SOURCE...")
        version, hits = self._version or self._live(), None
        while hits is None:
            vector = query_vector(query.text, version, self._vectors_of)
            best = self._remotely(query, version, vector) if version.remote_name and self._connect else None
            with self._warehouse.read() as connection:
                live = named_version(connection, INDEX_NAME, None)
                if _place_of(live) == _place_of(version):
                    hits = self._hits(connection, query, live, vector, best)
            version = live
        self._version = version if version.embedder == LOCAL_EMBEDDER and not version.remote_name else None
        elapsed = round((time.perf_counter() - started) * 1000, 1)
        return KnowledgeFound(query.text, hits, version.version, version.embedder, elapsed)

    def _live(self) -> IndexVersion:
        with self._warehouse.read() as connection:
            return named_version(connection, INDEX_NAME, None)

    def _hits(
        self,
        connection: DuckDBPyConnection,
        query: KnowledgeQuery,
        version: IndexVersion,
        vector: Sequence[float],
        best: Sequence[Scored] | None,
    ) -> tuple[KnowledgeHit, ...]:
        conditions, values = _matching(query)
        if best is None and (loaded := self._loaded.of(connection, version)):
            best = _in_memory(connection, query, loaded, vector)
            if loaded.details:
                rows = loaded.matrix.places([one.vector_id for one in best])
                values |= {name: column[rows].tolist() for name, column in loaded.details.items()}
                return hits_of(connection, IN_MEMORY, conditions, values, best, query.limit, query.threshold)
        if best is None:
            best = _in_sql(connection, query, version, vector)
        values |= {"index": version.index_name, "version": version.version}
        return hits_of(connection, IN_TABLE, conditions, values, best, query.limit, query.threshold)

    def _remotely(self, query: KnowledgeQuery, version: IndexVersion, vector: Sequence[float]) -> list[Scored]:
        """All that Vectorize gives at once, because several of its vectors may be one hit."""
        from grabient_assets.providers.vectorize import MOST_BARE_MATCHES
        from grabient_assets.vectors.exact import Scored

        assert version.remote_name and self._connect
        if query.limit > MOST_BARE_MATCHES:
            raise UsageError(f"The limit is {query.limit}; Cloudflare gives {MOST_BARE_MATCHES} hits at most.")
        among = {"focusArea": query.areas, "entryType": query.types}
        wanted = {name: {"$in": list(values)} for name, values in among.items() if values}
        with closing(self._connect(version.remote_name)) as remote:
            matches = remote.query(vector, MOST_BARE_MATCHES, wanted, query.workflow, with_metadata=False)
        return [Scored(one.id, round(one.score, 6)) for one in matches]


def _place_of(version: IndexVersion) -> tuple[str, int, str | None]:
    """What the vector of a question depends on, and where it is searched."""
    return version.embedder, version.dimensions, version.remote_name


def _in_sql(
    connection: DuckDBPyConnection, query: KnowledgeQuery, version: IndexVersion, vector: Sequence[float]
) -> list[Scored]:
    from grabient_assets.vectors.exact import Scored, best_in_sql

    conditions, values = _matching(query)
    distinct = f"""
        SELECT min(e.vector_id) AS vector_id, e.content_sha256
        FROM index_entries e JOIN workflows w ON w.workflow_id = e.namespace
        WHERE e.index_name = $index AND e.version = $version AND {conditions}
        GROUP BY e.content_sha256, {AREA}, {TYPE}
    """
    vectors = f"SELECT * FROM ({DOCUMENT_VECTORS}) WHERE embedder = $embedder AND dimensions = $dimensions"
    values |= {"index": version.index_name, "version": version.version}
    values |= {"embedder": version.embedder, "dimensions": version.dimensions}
    values |= {"query": list(vector), "limit": query.limit}
    rows = connection.execute(best_in_sql(distinct, vectors, version.dimensions, ties=True), values).fetchall()
    return [Scored(*row) for row in rows]


def _in_memory(
    connection: DuckDBPyConnection, query: KnowledgeQuery, loaded: Loaded, vector: Sequence[float]
) -> list[Scored]:
    """Of entries that are one hit, the one with the least id counts, as in SQL: rows are in the order of their ids."""
    import numpy

    among = "workflow_id = $1" if query.workflow else "$1 IS NULL"
    living = connection.execute(
        f"SELECT hash(workflow_id) FROM workflows WHERE deleted_at IS NULL AND {among}", [query.workflow]
    ).fetchall()
    types = connection.execute("SELECT hash(unnest($1::VARCHAR[]))", [list(query.types)]).fetchall()
    own = loaded.columns
    kept = numpy.isin(own["workflow"], numpy.array([row[0] for row in living], dtype=numpy.uint64))
    if query.areas:
        kept &= numpy.isin(own["area"], query.areas)
    if query.types:
        kept &= numpy.isin(own["type"], numpy.array([row[0] for row in types], dtype=numpy.uint64))
    asked = numpy.asarray(vector, dtype=numpy.float32)
    return _distinct(loaded, asked, query.limit, kept)


def _distinct(loaded: Loaded, asked: NDArray[float32], limit: int, kept: NDArray[bool_]) -> list[Scored]:
    """The best of the rows that are kept, each content once, with the ties of the last one. Equal contents have equal
    vectors. So few entries are there twice that it is faster to look for more than to remove all of those first."""
    from grabient_assets.vectors.exact import nearest_with_ties

    rows, among = 2 * limit, int(kept.sum())
    while True:
        found = nearest_with_ties(loaded.matrix.rows, loaded.matrix, asked, rows, kept)
        contents = loaded.columns["content"][loaded.matrix.places([one.vector_id for one in found])].tolist()
        first: dict[int, Scored] = {}
        for content, one in zip(contents, found, strict=True):
            first.setdefault(content, one)
        if len(found) == among or len(set(contents[:rows])) >= limit:
            return list(first.values())
        rows = min(4 * rows, among)


def _matching(query: KnowledgeQuery) -> tuple[str, dict[str, Any]]:
    """SQL conditions of entries `e` of the index, with their workflows `w`, that the query asks for, and their
    parameters."""
    values: dict[str, Any] = {}
    conditions = ["w.deleted_at IS NULL"]
    asked = {"areas": (AREA, list(query.areas)), "types": (TYPE, list(query.types))}
    asked["workflows"] = ("e.namespace", [query.workflow] if query.workflow else [])
    for name, (column, among) in asked.items():
        if among:
            conditions.append(f"{column} IN (SELECT unnest(${name}))")
            values[name] = among
    return " AND ".join(conditions), values


def found_document(found: KnowledgeFound) -> dict[str, Any]:
    """The document of `grabient knowledge search --json`."""
    version = {"version": found.version, "embedder": found.embedder, "elapsed_ms": found.elapsed_ms}
    return {"query": found.query, "hits": [asdict(hit) for hit in found.hits], "index": INDEX_NAME, **version}
