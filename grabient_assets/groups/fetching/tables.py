"""The tables sources, chunks and source_windows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.sources.reference import SourceKind
from grabient_assets.warehouse.rows import insert_rows, replacing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Source:
    """One row of `sources`. What was read of it last stands until newer bytes can be read; `error` is of the last
    try."""

    source_id: str
    kind: SourceKind
    locator: str
    made_at: datetime
    title: str | None = None
    object_key: str | None = None
    media_type: str | None = None
    content_sha256: str | None = None
    language: str | None = None
    generated: bool | None = None
    quality: float | None = None
    seconds: float | None = None
    characters: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    fetched_at: datetime | None = None
    error: str | None = None
    error_class: str | None = None


@dataclass(frozen=True, slots=True)
class WindowRecord:
    """One row of `source_windows`. `segments` is JSON, as a model is shown it; offsets are characters of the text."""

    source_id: str
    content_sha256: str
    part: int
    window_sha256: str
    title: str
    char_start: int
    char_end: int
    segments: str


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """One row of `chunks`."""

    chunk_id: str
    source_id: str
    position: int
    char_start: int
    char_end: int
    t_start: float | None
    t_end: float | None
    tokens: int
    text: str
    content_sha256: str
    chunker: str


def sources(connection: DuckDBPyConnection, among: Collection[str]) -> dict[str, Source]:
    """The sources of these ids."""
    columns = ", ".join(field.name for field in fields(Source))
    rows = connection.execute(
        f"SELECT {columns} FROM sources WHERE source_id IN (SELECT unnest($1::VARCHAR[]))", [list(among)]
    ).fetchall()
    return {row[0]: Source(*row) for row in rows}


def record_source(connection: DuckDBPyConnection, source: Source) -> None:
    """Insert a source, or replace its row."""
    insert_rows(connection, "sources", [source], replacing(Source, ("source_id",)))
