"""A data folder whose index is kept at the emulator's Cloudflare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grabient_assets.groups.indexes.sync import Synced
from grabient_assets.providers.vectorize import VectorizeIndex
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.groups.search.shelf import TEXTS, Shelf

NAME = "palettes-live"


class RemoteShelf(Shelf):
    """A folder whose index is kept at the emulator's Cloudflare."""

    def __init__(self, folder: Path, emulator: Running, texts: Mapping[str, str] = TEXTS) -> None:
        super().__init__(folder, texts)
        self.emulator = emulator
        self.embed()

    def open(self, name: str) -> VectorizeIndex:
        return VectorizeIndex("an-account", "token", name, self.emulator.bases["cloudflare"])

    def round(self) -> Synced:
        done = self.sync(connect=self.open, remote=NAME)
        assert done is not None
        return done

    def rounds(self) -> int:
        """Syncs until all is settled; returns how many it took."""
        for number in range(1, 20):
            done = self.round()
            if done.version.state == "live" and not done.on_the_way:
                return number
        raise AssertionError("it never settled")

    def there(self, name: str = NAME) -> list[str]:
        return sorted(self.emulator.control("GET", f"vectors/{name}")["ids"])
