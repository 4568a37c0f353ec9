"""An index in the memory of a process that searches many times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import UsageError
from grabient_assets.groups.embedding.queries import QueryVectors
from grabient_assets.groups.indexes.matrix import Matrix, columns_of, kept_columns, mapped_matrix
from grabient_assets.groups.indexes.versions import IndexVersion, named_version
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

SMALL = 2_000
"""An index with fewer vectors has no matrix file: SQL takes some milliseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A version in memory: its matrix, and columns with a value for each of its rows. `details` are there from the
    second search on."""

    matrix: Matrix
    columns: Mapping[str, NDArray[Any]]
    details: Mapping[str, NDArray[Any]] | None = None


class LoadedMatrix:
    """The matrix of an index. It follows the index: a version that goes live, and entries that change, count from the
    next search on. `columns` and `details` are SQL over its entries `e`, by name; a process that searches once does not
    load the details."""

    def __init__(
        self,
        warehouse: Warehouse,
        index_name: str,
        small: int = SMALL,
        columns: Mapping[str, str] = MappingProxyType({}),
        details: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._index_name, self._small, self._columns, self._details = index_name, small, columns, details
        self._folder = warehouse.folder / "indexes"
        self._key: object = None
        self._kept: Loaded | None = None

    def of(self, connection: DuckDBPyConnection, version: IndexVersion) -> Loaded | None:
        """The version as it is now; None where it is small, or its file cannot be written."""
        version = named_version(connection, self._index_name, version.version)  # it may have changed since
        if version.present < self._small:
            return None
        key = (version.version, version.built_at)
        with suppress(OSError):
            if self._kept is None or self._key != key:
                matrix = mapped_matrix(self._folder, connection, version)
                columns = kept_columns(self._folder, connection, version, self._columns) if self._columns else {}
                if any(len(column) != len(matrix.rows) for column in columns.values()):
                    return None
                self._key, self._kept = key, Loaded(matrix, columns)
            elif self._details and self._kept.details is None:
                self._kept = replace(self._kept, details=columns_of(connection, version, self._details))
            return self._kept
        return None


def query_vector(text: str, version: IndexVersion, vectors_of: QueryVectors) -> Sequence[float]:
    """The vector of a query, by the embedder of the version. Raises UsageError for other dimensions than its own."""
    [vector] = vectors_of([text], version.embedder, version.dimensions)
    if len(vector) != version.dimensions:
        raise UsageError(
            f"The query has {len(vector)} dimensions, and version {version.version} of the index has "
            f"{version.dimensions}. It was made by {version.embedder}."
        )
    return vector
