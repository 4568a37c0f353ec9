"""The file of an index version that is searched in memory: its ids and its unit vectors.

It lies in the folder `indexes` beside the database: all ids in order, 64 bytes each, then all vectors in float32. A
search writes it when it is not there, from the tables, and every process maps the same file. It may be deleted, and so
may the file of columns beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from grabient_assets.groups.embedding.embeddings import DOCUMENT_VECTORS
from grabient_assets.groups.indexes.versions import IndexVersion

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy import bool_, bytes_, float32, int64
    from numpy.typing import NDArray

ID_BYTES = 64
"""The longest vector_id, as at Cloudflare."""
ABANDONED_SECONDS = 3_600
"""A partial file that nobody has written to for so long is of a process that died."""


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """The vectors of a version, a row for each, by vector_id in the order of its bytes. Both arrays may lie in a
    file."""

    vector_ids: NDArray[bytes_]
    rows: NDArray[float32]

    def __getitem__(self, row: int) -> str:
        """The vector_id of a row."""
        return bytes(self.vector_ids[row]).decode()

    def places(self, vector_ids: Sequence[str]) -> NDArray[int64]:
        """The rows of ids that it holds."""
        import numpy

        return numpy.searchsorted(self.vector_ids, numpy.array([one.encode() for one in vector_ids], f"S{ID_BYTES}"))

    def among(self, vector_ids: NDArray[bytes_]) -> NDArray[bool_]:
        """Which rows have one of these ids."""
        import numpy

        places = numpy.searchsorted(self.vector_ids, vector_ids)
        places[places == len(self.vector_ids)] = 0
        found = numpy.zeros(len(self.vector_ids), dtype=numpy.bool_)
        found[places[self.vector_ids[places] == vector_ids]] = True
        return found


def matrix_file(folder: Path, version: IndexVersion) -> Path:
    """The file of what the version holds now: `built_at` is another when an entry has changed."""
    return folder / f"{version.index_name}-{version.version}-{version.built_at.astimezone(UTC):%Y%m%dT%H%M%S%f}.vectors"


def mapped_matrix(folder: Path, connection: DuckDBPyConnection, version: IndexVersion) -> Matrix:
    """The matrix of the version, as `connection` reads it now. Its file is written when there is none.

    Two processes may write it at the same time: each writes a partial file, and the last one is kept. Files of what the
    index held before are removed; who has mapped one keeps it. Raises OSError when it cannot be written.
    """
    path = matrix_file(folder, version)
    with suppress(FileNotFoundError, ValueError):
        return _mapped(path, version.dimensions)
    folder.mkdir(exist_ok=True)
    partial = folder / f"{version.index_name}-{secrets.token_hex(8)}.partial"
    try:
        with partial.open("xb") as file:
            for part in _read(connection, version):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        found = _mapped(partial, version.dimensions)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    for other in folder.glob(f"{version.index_name}-*"):
        with suppress(OSError):  # another process removes it too, or the system refuses while it is mapped
            used = other.suffix == ".partial" and time.time() - other.stat().st_mtime < ABANDONED_SECONDS
            if other != path and not used:
                other.unlink()
    return found


_ROWS = f"""
    FROM index_entries e JOIN ({DOCUMENT_VECTORS}) v USING (content_sha256)
    WHERE e.index_name = $1 AND e.version = $2 AND v.embedder = $3 AND v.dimensions = $4 ORDER BY e.vector_id
"""


def _values(version: IndexVersion) -> list[str | int]:
    return [version.index_name, version.version, version.embedder, version.dimensions]


def columns_of(
    connection: DuckDBPyConnection, version: IndexVersion, columns: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    """Columns of the entries of the version, in the order of the rows of its matrix. They are SQL over the entries
    `e`, by name."""
    import numpy

    chosen = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    found = connection.execute(f"SELECT {chosen} {_ROWS}", _values(version)).fetchnumpy()
    return {name: numpy.asarray(column) for name, column in found.items()}


def kept_columns(
    folder: Path, connection: DuckDBPyConnection, version: IndexVersion, columns: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    """The same of numbers, from a file beside that of the matrix, which is written when there is none. Reading 100,000
    entries for a single search takes as long as the rest of the command. The name of the file holds a digest of the
    SQL, and of the version of DuckDB: hashes of another one may differ."""
    import duckdb
    import numpy

    meaning = hashlib.sha256(json.dumps([duckdb.__version__, *columns.items()]).encode()).hexdigest()[:12]
    path = matrix_file(folder, version).with_suffix(f".{meaning}.columns")
    with suppress(OSError, ValueError, KeyError, BadZipFile), numpy.load(path) as stored:
        return {name: stored[name] for name in columns}
    found = columns_of(connection, version, columns)
    partial = folder / f"{version.index_name}-{secrets.token_hex(8)}.partial"
    try:
        with partial.open("xb") as file:
            numpy.savez(file, allow_pickle=False, **found)
        partial.replace(path)
    except OSError:  # the columns are there all the same
        partial.unlink(missing_ok=True)
    return found


def _read(connection: DuckDBPyConnection, version: IndexVersion) -> tuple[memoryview, memoryview]:
    """The bytes of the ids and of the vectors. Numbers of one column come ten times as fast as lists."""
    import numpy

    values = _values(version)
    ids = [row[0].encode() for row in connection.execute(f"SELECT e.vector_id {_ROWS}", values).fetchall()]
    if longest := max((one for one in ids if len(one) > ID_BYTES), default=None):
        raise OSError(f"The id {longest.decode()!r} has more than {ID_BYTES} bytes")
    found = connection.execute(f"SELECT unnest(vector) AS number FROM (SELECT v.vector {_ROWS})", values)
    rows = found.fetchnumpy()
    numbers = numpy.ascontiguousarray(rows["number"], dtype=numpy.float32)
    if len(numbers) != len(ids) * version.dimensions:
        raise OSError(f"A vector of {version.embedder} has other dimensions than {version.dimensions}")
    return numpy.array(ids, dtype=f"S{ID_BYTES}").data, numbers.data


def _mapped(path: Path, dimensions: int) -> Matrix:
    """Raises FileNotFoundError, and ValueError for a file that is empty or cut off."""
    import numpy

    count, rest = divmod(path.stat().st_size, ID_BYTES + 4 * dimensions)
    if rest or not count:
        raise ValueError(f"{path} is no matrix of {dimensions} dimensions")
    ids = numpy.memmap(path, f"S{ID_BYTES}", "r", 0, (count,))
    rows = numpy.memmap(path, numpy.float32, "r", ID_BYTES * count, (count, dimensions))
    return Matrix(ids, rows)
