"""Fetching sources: bytes into the store, then in one transaction the text with its chunks and windows, and the
questions about it, so that no text is forgotten."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from grabient_assets import interrupts
from grabient_assets.errors import GrabientError
from grabient_assets.groups.embedding.embeddings import content_of, folded
from grabient_assets.groups.fetching.queue import QueueItem, fail, finish, give_back, is_held, lease_next
from grabient_assets.groups.fetching.tables import ChunkRecord, Source, WindowRecord, record_source, sources
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.sources.chunks import ChunkPlan, chunks_of, windows_of
from grabient_assets.sources.documents import Document, media_type_of, read_document
from grabient_assets.sources.pages import Fetchers
from grabient_assets.sources.problem import SourceProblem
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows, utf8

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.sources.pages import Fetched, Fetchers

Ask: TypeAlias = "Callable[[DuckDBPyConnection, Sequence[str], datetime], None]"
"""Asks what is to be asked about these sources."""
MOST_FILE_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class FetchedSource:
    """What became of one try. `problem` is None where the source is read."""

    source_id: str
    problem: SourceProblem | None = None
    dead: bool = False
    changed: bool = False


def fetch_due(
    warehouse: Warehouse,
    store: ObjectStore,
    fetchers: Fetchers,
    clock: Callable[[], datetime],
    parallel: int,
    ask: Ask,
    among: Collection[str] | None = None,
) -> list[FetchedSource]:
    """Fetch what is due, of all sources or `among` these, `parallel` at the same time over all processes, until nothing
    is due. `ask` asks about a source in the transaction that stores it. Who is interrupted gives its sources back."""

    def work(_: int) -> list[FetchedSource]:
        found: list[FetchedSource] = []
        while True:
            with warehouse.write() as connection:
                wall = clock()
                now, lease_time = ledger_time(connection, wall), warehouse.time(wall)
                item = lease_next(connection, parallel, now, among, lease_time)
            if item is None:
                return found
            try:
                found.append(_fetch(item, warehouse, store, fetchers, clock, ask))
            except BaseException:
                with interrupts.finishing(), warehouse.write() as connection:
                    give_back(connection, item)
                raise

    with ThreadPoolExecutor(parallel) as pool:
        return [one for found in pool.map(work, range(parallel)) for one in found]


def _fetch(
    item: QueueItem,
    warehouse: Warehouse,
    store: ObjectStore,
    fetchers: Fetchers,
    clock: Callable[[], datetime],
    ask: Ask,
) -> FetchedSource:
    with warehouse.read() as connection:
        source = sources(connection, [item.source_id])[item.source_id]
    key = media_type = None
    try:
        got = _bytes_of(source, fetchers)
        if got.unchanged:
            read = None
        else:
            key, media_type = object_key(got.body), got.media_type
            store.put(key, got.body, media_type or "application/octet-stream")
            read = _read(source, got, key)
    except GrabientError as error:
        if not isinstance(error, SourceProblem):
            raise  # the store or the database: no source can go on
        return _failed(item, error, warehouse, clock, key, media_type)
    except Exception as error:  # a library's fault with one source keeps no other from being fetched
        logging.getLogger(__name__).exception("Reading %s failed", source.locator)
        sentence = f"Reading {source.locator} failed in a way that nobody foresaw: {type(error).__name__}: {error}."
        return _failed(item, SourceProblem("unforeseen", sentence), warehouse, clock, key, media_type)
    with warehouse.write() as connection:
        now = ledger_time(connection, clock())
        if not is_held(connection, item):
            return FetchedSource(item.source_id)  # another process has leased it since
        changed = read is not None and read.source.content_sha256 != source.content_sha256
        if read is None:
            record_source(connection, replace(source, fetched_at=now, error=None, error_class=None))
        else:
            _store_text(connection, replace(read, source=replace(read.source, fetched_at=now)))
        ask(connection, [item.source_id], now)
        finish(connection, item, now)
    return FetchedSource(item.source_id, changed=changed)


def _failed(
    item: QueueItem,
    problem: SourceProblem,
    warehouse: Warehouse,
    clock: Callable[[], datetime],
    key: str | None,
    media_type: str | None,
) -> FetchedSource:
    with warehouse.write() as connection:
        if not is_held(connection, item):
            return FetchedSource(item.source_id, problem)  # another process has leased it since
        dead = fail(connection, item, problem, ledger_time(connection, clock()), key, media_type)
        connection.execute(
            "UPDATE sources SET error = $1, error_class = $2 WHERE source_id = $3",
            [utf8(str(problem)), problem.error_class, item.source_id],
        )
    return FetchedSource(item.source_id, problem, dead)


def object_key(body: bytes) -> str:
    """Where the bytes of a source lie, by their content."""
    return f"sources/{hashlib.sha256(body).hexdigest()}"


def _plans(connection: DuckDBPyConnection, source_ids: Collection[str] | None) -> dict[str, set[ChunkPlan]]:
    """How the workflows that want a source want it cut: of these sources, or of all."""
    rows = connection.execute(
        """
        SELECT DISTINCT m.source_id, w.chunk_size, w.overlap
        FROM workflows w JOIN workflow_sources m USING (workflow_id)
        WHERE w.deleted_at IS NULL AND ($1 OR m.source_id IN (SELECT unnest($2::VARCHAR[]))) ORDER BY ALL
        """,
        [source_ids is None, list(source_ids or ())],
    ).fetchall()
    found: dict[str, set[ChunkPlan]] = defaultdict(set)
    for source_id, size, overlap in rows:
        found[source_id].add(ChunkPlan(size, overlap))
    return found


def _bytes_of(source: Source, fetchers: Fetchers) -> Fetched:
    """Raises SourceProblem."""
    if source.kind == "youtube":
        return fetchers.transcript(source.source_id.removeprefix("yt_"))
    if source.kind == "url":
        known = source.object_key is not None
        return fetchers.page(source.locator, source.etag if known else None, source.last_modified if known else None)
    return file_bytes(Path(source.locator))


def file_bytes(path: Path) -> Fetched:
    """The bytes of a file of this machine. Raises SourceProblem."""
    from grabient_assets.sources.pages import Fetched

    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise SourceProblem("too_large", f"{path} has more than {MOST_FILE_BYTES:,} bytes. Split it.")
        body = path.read_bytes()
    except OSError as error:
        raise SourceProblem("gone_file", f"{path} cannot be read: {error.strerror}.") from error
    return Fetched(body, media_type_of(path.name), None, None, str(path))


@dataclass(frozen=True, slots=True)
class _Read:
    """A source that was read: its row, its text, and what a model is shown of it at once."""

    source: Source
    document: Document
    windows: list[WindowRecord]


def _read(source: Source, got: Fetched, key: str) -> _Read:
    """Raises SourceProblem for what is no text that one can learn from."""
    document = read_document(got.body, got.media_type, source.locator)
    text = replace(
        source,
        title=document.title or source.title or source.locator,
        object_key=key,
        media_type=got.media_type,
        content_sha256=_content(document),
        language=document.language,
        generated=document.generated,
        quality=document.quality,
        seconds=document.seconds,
        characters=len(document.text),
        etag=got.etag,
        last_modified=got.last_modified,
        error=None,
        error_class=None,
    )
    return _Read(text, document, _windows(text, document))


def _content(document: Document) -> str:
    """The digest of what was read: words and seconds."""
    seconds = [] if document.segments is None else [round(one.t, 2) for one in document.segments]
    return hashlib.sha256(json.dumps([document.text, seconds]).encode()).hexdigest()


def _windows(source: Source, document: Document) -> list[WindowRecord]:
    found: list[WindowRecord] = []
    for one in windows_of(document):
        said = [(segment["t"], segment["char_start"], segment["text"]) for segment in one.segments]
        plain = json.dumps([[t, text] for t, _, text in said], ensure_ascii=False)
        segments = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.sha256(plain.encode()).hexdigest()
        assert source.content_sha256 is not None
        found.append(
            WindowRecord(
                source.source_id,
                source.content_sha256,
                one.part,
                digest,
                source.title or "",
                one.char_start,
                one.char_end,
                segments,
            )
        )
    return found


def _store_text(connection: DuckDBPyConnection, read: _Read) -> None:
    source_id = read.source.source_id
    record_source(connection, read.source)
    insert_rows(connection, "source_windows", read.windows, "ON CONFLICT DO NOTHING")
    kept = _cut(connection, source_id, read.document, _plans(connection, [source_id])[source_id])
    connection.execute(
        "DELETE FROM chunks WHERE source_id = $1 AND chunk_id NOT IN (SELECT unnest($2::VARCHAR[]))", [source_id, kept]
    )


def _cut(connection: DuckDBPyConnection, source_id: str, document: Document, plans: Collection[ChunkPlan]) -> list[str]:
    """Store the chunks of the text by every plan; returns their ids. Those that are there already are not written."""
    records = [
        ChunkRecord(
            **{name: getattr(one, name) for name in ChunkRecord.__dataclass_fields__ if hasattr(one, name)},
            source_id=source_id,
            content_sha256=content_of(folded(one.text)),
            chunker=plan.chunker,
        )
        for plan in plans
        for one in chunks_of(source_id, document, plan)
    ]
    insert_rows(connection, "chunks", records, "ON CONFLICT DO NOTHING")
    return [one.chunk_id for one in records]


def cut_missing(warehouse: Warehouse, store: ObjectStore) -> int:
    """Cut the sources that a workflow wants in chunks of another size, or of a newer chunker, from the stored bytes;
    returns how many sources."""
    with warehouse.read() as connection:
        wanted = _plans(connection, None)
        cut = set(connection.execute("SELECT DISTINCT source_id, chunker FROM chunks").fetchall())
        lacking = {one for one, plans in wanted.items() if any((one, plan.chunker) not in cut for plan in plans)}
        known = {one: source for one, source in sources(connection, lacking).items() if source.object_key}
    for source_id, source in known.items():
        document = read_document(store.get(source.object_key or ""), source.media_type, source.locator)
        with warehouse.write() as connection:
            kept = _cut(connection, source_id, document, wanted[source_id])
            connection.execute(
                "DELETE FROM chunks WHERE source_id = $1 AND chunk_id NOT IN (SELECT unnest($2::VARCHAR[]))",
                [source_id, kept],
            )
    return len(known)
