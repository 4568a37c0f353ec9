"""Search in memory, over the matrix file of an index version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grabient_assets.groups.embedding.queries import QueryVectors
from grabient_assets.groups.indexes.loaded import SMALL, LoadedMatrix
from grabient_assets.groups.indexes.versions import IndexVersion
from grabient_assets.groups.search.searching import Found, Query, matching, rank_in_sql, search
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.vectors.exact import Scored


class LoadedIndex:
    """An index that a process searches many times. It follows the index: a version that goes live, and entries that
    change, count from the next query on."""

    def __init__(
        self, warehouse: Warehouse, vectors_of: QueryVectors, index_name: str = "palettes", small: int = SMALL
    ) -> None:
        self._warehouse, self._vectors_of, self._index_name = warehouse, vectors_of, index_name
        self._loaded = LoadedMatrix(warehouse, index_name, small)

    def find(self, query: Query, version: int | None = None) -> Found:
        """The hits in the live version, or in another. They are those of `search`."""
        return search(query, self._warehouse, self._vectors_of, self._index_name, version, self.rank)

    def rank(
        self, connection: DuckDBPyConnection, query: Query, version: IndexVersion, vector: Sequence[float]
    ) -> list[Scored]:
        """The nearest entries. They are found in SQL where the index is small, or the file cannot be written."""
        loaded = self._loaded.of(connection, version)
        if loaded is None:
            return rank_in_sql(connection, query, version, vector)
        import numpy

        from grabient_assets.vectors.exact import nearest

        matrix, among = loaded.matrix, None
        if query.where or query.prompt_version is not None:
            entries, values = matching(query, version)
            found = connection.execute(f"SELECT e.vector_id::BLOB {entries}", values).fetchall()
            among = matrix.among(numpy.array([row[0] for row in found], dtype=matrix.vector_ids.dtype))
        return nearest(matrix.rows, matrix, numpy.asarray(vector, dtype=numpy.float32), query.limit, among)
