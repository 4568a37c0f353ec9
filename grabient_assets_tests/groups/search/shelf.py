"""A data folder with refined palettes, put straight into its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.embedding.embedding import chosen_embedder
from grabient_assets.groups.indexes.sync import Connect, Measure, Synced, sync_index
from grabient_assets.groups.indexes.versions import Build, index_versions
from grabient_assets.groups.search.palette_index import PALETTES, embed_palettes
from grabient_assets.groups.search.searching import Found, checked_query, search
from grabient_assets.vectors.local_embedder import embed_locally
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.warehouse import results

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TEXTS = {
    "mist": "Grey drifts towards silver like fog over a forest at dawn, quiet and cold.",
    "diner": "Cherry red meets cream and chrome, a retro diner with neon signs at midnight.",
    "sea": "Deep blue sinks into teal, an ocean at night under a new moon.",
    "fire": "Orange burns into black, embers of a camp fire in the desert.",
}
START = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Shelf:
    """The folder, its clock, and the steps from refined palettes to hits."""

    def __init__(self, folder: Path, texts: Mapping[str, str] = TEXTS) -> None:
        self.warehouse = Warehouse(folder / "grabient.duckdb")
        self._now = START
        self.embedder = chosen_embedder()
        with self.write() as connection:
            for seed, text in texts.items():
                results.palette(connection, seed, name=seed)
                results.refined(connection, seed, embed_text=text, prompt_version="v1")

    @contextmanager
    def write(self) -> Iterator[DuckDBPyConnection]:
        with self.warehouse.write() as connection:
            yield connection

    def clock(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.read() as connection:
            return connection.execute(query).fetchall()

    def text(self, seed: str, text: str) -> None:
        """The palette is refined again, with this text."""
        with self.write() as connection:
            results.refined(connection, seed, embed_text=text, prompt_version="v1")

    def embed(self) -> list[str]:
        """The seeds that were linked to their vector, or to its failure."""
        return [one.key.subject for one in embed_palettes(self.warehouse, self.embedder, "emulator", self.clock)]

    def sync(
        self,
        measure: Measure | None = None,
        connect: Connect | None = None,
        remote: str | None = None,
        embedder: str | None = None,
        compare: bool = False,
    ) -> Synced | None:
        build = Build(embedder or self.embedder.id, 256, remote)
        return sync_index(self.warehouse, PALETTES, build, self.clock, measure, connect, compare=compare)

    def build(self) -> Synced:
        """Embed and sync."""
        self.embed()
        done = self.sync()
        assert done is not None
        return done

    def versions(self) -> list[tuple[int, str]]:
        """Every version of the index with its state, the newest first."""
        with self.warehouse.read() as connection:
            return [(one.version, one.state) for one in index_versions(connection, "palettes")]

    def find(self, text: str, limit: int = 10, version: int | None = None, **more: Any) -> Found:
        def vectors_of(queries: Sequence[str], _: str, dimensions: int) -> list[list[float]]:
            return embed_locally(queries, dimensions).tolist()

        return search(checked_query(text, limit, **more), self.warehouse, vectors_of, version=version)
