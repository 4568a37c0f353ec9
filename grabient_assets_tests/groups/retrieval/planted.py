"""A data folder with workflows, sources and entries, put straight into its tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from grabient_assets.groups.embedding.embedding import chosen_embedder
from grabient_assets.groups.indexes.sync import Connect, Synced, sync_index
from grabient_assets.groups.indexes.versions import Build
from grabient_assets.groups.retrieval.entry_index import KNOWLEDGE, embed_entries
from grabient_assets.groups.retrieval.searching import KnowledgeHit, KnowledgeSearch, knowledge_query
from grabient_assets.providers.vectorize import VectorizeIndex
from grabient_assets.vectors.local_embedder import embed_locally
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.warehouse.results import insert

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
EXTRACTOR = {"provider": "google", "model": "gemini-2.5-flash-lite"}
LOCATORS = {"yt": "https://youtu.be/{}", "url": "https://example.com/{}", "doc": "/files/{}.md"}


def sha(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def vectors_of(texts: Sequence[str], _: str, dimensions: int) -> list[list[float]]:
    return embed_locally(texts, dimensions).tolist()


class Planted:
    """The folder, its clock, and the steps from entries to hits."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = Warehouse(folder / "grabient.duckdb")
        self._now = START
        self.embedder = chosen_embedder()

    def clock(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as connection:
            return connection.execute(query).fetchall()

    def execute(self, statement: str) -> None:
        with self.warehouse.write() as connection:
            connection.execute(statement)

    def workflow(self, workflow_id: str, *sources: str, areas: Sequence[int] = range(1, 10)) -> None:
        """A workflow over these sources. New ones get a text of one window, which is theirs alone."""
        with self.warehouse.write() as connection:
            insert(
                connection,
                "workflows",
                workflow_id=workflow_id,
                name=workflow_id,
                type="mixed",
                prompt_version="v1",
                areas=list(areas),
                extractors=json.dumps([EXTRACTOR]),
                chunk_size=1_000,
                overlap=100,
                embedder=self.embedder.id,
                store="local",
                skip_hopeless=False,
                made_at=self.clock(),
            )
            for position, source in enumerate(sources):
                at = {"position": position, "priority": 0, "added_at": self.clock()}
                insert(connection, "workflow_sources", workflow_id=workflow_id, source_id=source, **at)
                if not connection.execute("SELECT 1 FROM sources WHERE source_id = $1", [source]).fetchall():
                    self._source(connection, source)

    def _source(self, connection: Any, source: str) -> None:
        kind, _, name = source.partition("_")
        insert(
            connection,
            "sources",
            source_id=source,
            kind=kind,
            locator=LOCATORS[kind].format(name),
            title=f"Talk {name}",
            object_key=f"sources/{source}",
            content_sha256=sha(source),
            made_at=self.clock(),
        )
        window = {"part": 0, "window_sha256": sha("window", source), "title": name, "char_start": 0, "char_end": 9_000}
        own = {"source_id": source, "content_sha256": sha(source), "segments": "[]"}
        insert(connection, "source_windows", **own, **window)

    def entry(self, source: str, area: int, content: str, kind: str = "technique", **more: Any) -> str:
        """An entry of the answer about the area in the source's window; its id."""
        request = f"{sha(f'fa{area}|' + sha('window', source))[:24]}-recipe"
        own = {"source_id": source, "focus_area": area, "part": 0, "prompt_version": "v1", **EXTRACTOR}
        own |= {"custom_id": request, "batch_id": f"batch-{source}", "created_at": self.clock()}
        entry_id = sha(request, kind, content)[:32]
        values = {"quote": content, "state": "ok", "speaker_perspective": "", "notes": ""} | more
        with self.warehouse.write() as connection:
            subject = f"{source}|fa{area}|w00"
            if not connection.execute("SELECT 1 FROM extractions WHERE subject = $1", [subject]).fetchall():
                insert(connection, "extractions", subject=subject, fate="succeeded", **own)
            names = {"entry_id": entry_id, "type": kind, "content": content, "content_sha256": sha(content)}
            insert(connection, "knowledge_entries", **names, **own, **values)
        return entry_id

    def embed(self) -> list[str]:
        """The entries that were linked to their vector, or to their failure."""
        return [one.key for one in embed_entries(self.warehouse, self.embedder, "emulator", self.clock)]

    def sync(self, connect: Connect | None = None, remote: str | None = None) -> Synced | None:
        return sync_index(self.warehouse, KNOWLEDGE, Build(self.embedder.id, 256, remote), self.clock, connect=connect)

    def build(self) -> Synced | None:
        self.embed()
        return self.sync()

    def find(self, text: str, small: int = 2_000, connect: Connect | None = None, **more: Any) -> list[KnowledgeHit]:
        search = KnowledgeSearch(self.warehouse, vectors_of, connect, small)
        return list(search.find(knowledge_query(text, **more)).hits)


class RemotePlanted(Planted):
    """Its index is kept at the emulator's Cloudflare under a name of its own."""

    def __init__(self, folder: Path, emulator: Running) -> None:
        super().__init__(folder)
        self.emulator = emulator
        self.name = f"knowledge-{sha(folder)[:8]}"

    def open(self, name: str) -> VectorizeIndex:
        return VectorizeIndex("an-account", "token", name, self.emulator.bases["cloudflare"])

    def round(self) -> Synced | None:
        return self.sync(self.open, self.name)

    def rounds(self) -> None:
        """Syncs until all is settled."""
        for _ in range(20):
            done = self.round()
            if done is None or (done.version.state == "live" and not done.on_the_way):
                return
        raise AssertionError("it never settled")

    def there(self) -> list[str]:
        return sorted(self.emulator.control("GET", f"vectors/{self.name}")["ids"])

    def vectors(self) -> dict[str, Any]:
        with closing(self.open(self.name)) as index:
            return {key: (one.namespace, dict(one.metadata)) for key, one in index.visible(self.there()).items()}
