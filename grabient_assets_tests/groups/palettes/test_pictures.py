"""Pictures are drawn once: again only when they would look different or are gone."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from grabient_assets.gradient.seed import decode_seed
from grabient_assets.groups.palettes.loading import ensure_palettes
from grabient_assets.groups.palettes.pictures import draw_palettes
from grabient_assets.groups.palettes.tables import PaletteRecord, images, record_images
from grabient_assets.store.folder import FolderStore
from grabient_assets.warehouse.connection import Warehouse

NOW = datetime(2026, 11, 20, tzinfo=UTC)


class CountingStore(FolderStore):
    """A folder store that remembers what was written to it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.written: list[str] = []

    def put(self, key: str, data: bytes, content_type: str) -> None:
        self.written.append(f"{key} {content_type}")
        super().put(key, data, content_type)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "grabient.duckdb")


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    return CountingStore(tmp_path / "objects")


@pytest.fixture
def palette(warehouse: Warehouse) -> PaletteRecord:
    seed = decode_seed("0.5,0.4,0.4,0.5,0.4,0.3,1,0.9,0.8,0,0.33,0.67").canonical
    return ensure_palettes(warehouse, [seed], NOW)[0]


def test_the_picture_and_its_row_agree(warehouse: Warehouse, store: CountingStore, palette: PaletteRecord) -> None:
    [drawn] = draw_palettes([palette], warehouse, store, NOW)
    assert drawn.fresh
    assert store.written == [f"palettes/{palette.seed}.png image/png"]
    data = store.get(f"palettes/{palette.seed}.png")
    with warehouse.read() as connection:
        row = images(connection, [palette.seed])[palette.seed]
    assert (row.object_key, row.url, row.store) == (f"palettes/{palette.seed}.png", None, "local")
    assert (row.sha256, row.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    with Image.open(BytesIO(data)) as picture:
        assert picture.size == (row.width, row.height) == (440, 100)
        pixels = picture.convert("RGB")
        assert tuple(pixels.getpixel((20 + 40 * i, 50)) for i in range(11)) == palette.rgb


def test_an_unchanged_picture_is_neither_drawn_nor_uploaded_again(
    warehouse: Warehouse, store: CountingStore, palette: PaletteRecord
) -> None:
    draw_palettes([palette], warehouse, store, NOW)
    [again] = draw_palettes([palette], warehouse, store, NOW)
    assert not again.fresh
    assert len(store.written) == 1


def test_a_picture_that_is_gone_from_the_store_is_drawn_again(
    warehouse: Warehouse, store: CountingStore, palette: PaletteRecord, tmp_path: Path
) -> None:
    draw_palettes([palette], warehouse, store, NOW)
    (tmp_path / "objects" / "palettes" / f"{palette.seed}.png").unlink()
    [again] = draw_palettes([palette], warehouse, store, NOW)
    assert again.fresh
    assert store.exists(again.image.object_key)


def test_a_picture_that_would_look_different_is_drawn_again(
    warehouse: Warehouse, store: CountingStore, palette: PaletteRecord
) -> None:
    [first] = draw_palettes([palette], warehouse, store, NOW)
    with warehouse.write() as connection:
        record_images(connection, [replace(first.image, svg_sha256="of an older drawing")])
    [again] = draw_palettes([palette], warehouse, store, NOW)
    assert again.fresh
    assert again.image == first.image


def test_pictures_of_another_store_are_drawn_into_this_one(
    warehouse: Warehouse, store: CountingStore, palette: PaletteRecord
) -> None:
    [first] = draw_palettes([palette], warehouse, store, NOW)
    with warehouse.write() as connection:
        record_images(connection, [replace(first.image, store="s3:elsewhere")])
    [again] = draw_palettes([palette], warehouse, store, NOW)
    assert again.fresh and again.image.store == "local"
