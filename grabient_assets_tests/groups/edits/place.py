"""A folder where images are edited."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from PIL import Image

from grabient_assets.groups.edits.asking import Planned, Wish, ask_edit, plan_edit
from grabient_assets.groups.edits.cancelling import Cancelled, cancel_edit
from grabient_assets.groups.edits.purpose import EDIT
from grabient_assets.groups.edits.tables import Edit, EditMeasures, edits_of, rows_by_edit
from grabient_assets.groups.images.images import StoredImage, added_image, images_by_id, record_images
from grabient_assets.imaging.canvas import read_canvas
from grabient_assets.settings import PROVIDERS
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.groups.place import Place, now, place_in

SIZE = (1024, 640)
"""The smallest that an editor takes unchanged."""
REGION = (0.25, 0.25, 0.5, 0.5)


def picture(width: int = SIZE[0], height: int = SIZE[1], seed: int = 7) -> Image.Image:
    """A picture with soft colours: a gradient, some discs."""
    rows, columns = np.mgrid[0:height, 0:width]
    random = np.random.default_rng(seed)
    layers = [columns / width * 160 + 40, rows / height * 160 + 40, (columns + rows) / (width + height) * 120 + 60]
    pixels = np.stack(layers, axis=2)
    for _ in range(5):
        x, y, radius = random.integers(0, width), random.integers(0, height), min(width, height) // 8
        inside = (columns - x) ** 2 + (rows - y) ** 2 < radius**2
        pixels[inside] = random.integers(0, 255, 3)
    return Image.fromarray(pixels.astype(np.uint8), "RGB")


def png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


class Edits(Place):
    """The folder, and what a person does in it. Edits have ids of the test's own: what the emulated editor paints
    follows from them."""

    sensors = ("edits_due", "batches_ended", "chains_grown")
    purposes = (EDIT,)

    def __init__(self, folder: Path, instance: dg.DagsterInstance, emulator: Running) -> None:
        super().__init__(folder, instance, emulator)
        self._asked, self._counting = 0, threading.Lock()

    def add(self, content: bytes | None = None, name: str = "picture.png") -> StoredImage:
        """An uploaded image."""
        image = added_image(content or png(picture()), name, self.store, now())
        with self.warehouse.write() as connection:
            record_images(connection, [image])
        return image

    def plan(self, image: str, **wish: Any) -> Planned:
        asked = Wish(**{"image": image, "kind": "prompt", "prompt": "add a red boat", **wish})
        with self.warehouse.read() as connection:
            return plan_edit(connection, self.store, asked, PROVIDERS, now())

    def ask(self, image: str, max_usd: Decimal | None = None, budget: Decimal | None = None, **wish: Any) -> str:
        """The id of a new edit."""
        with self._counting:
            self._asked += 1
            edit_id = f"ed_{self._asked:026d}"
        planned = self.plan(image, **wish)
        planned = replace(
            planned,
            request=replace(planned.request, edit_id=edit_id),
            input=replace(planned.input, edit_id=edit_id),
        )
        return ask_edit(self.warehouse, self.store, planned, max_usd, budget, "emulator").edit_id

    def edit(self, edit_id: str) -> Edit:
        with self.warehouse.read() as connection:
            [found] = edits_of(connection, [edit_id])
        return found

    def measures(self, edit_id: str) -> EditMeasures:
        with self.warehouse.read() as connection:
            return rows_by_edit(connection, EditMeasures, [edit_id])[edit_id]

    def made(self, image: str, **wish: Any) -> Edit:
        """An edit that was asked, sent and stored, without Dagster."""
        edit_id = self.ask(image, **wish)
        self.settle()
        edit = self.edit(edit_id)
        assert edit.status == "done", edit.error
        return edit

    def cancel(self, edit_id: str) -> Cancelled:
        return cancel_edit(self.warehouse, edit_id, now())

    def pixels(self, image_id: str | None) -> np.ndarray[Any, np.dtype[np.uint8]]:
        assert image_id is not None
        with self.warehouse.read() as connection:
            image = images_by_id(connection, [image_id])[image_id]
        return read_canvas(self.store.get(image.object_key)).pixels

    def calls(self) -> int:
        """How many answers the emulator was really asked for directly."""
        return self.emulator.calls("openai").get("answer", 0)

    def stored(self, folder: str) -> list[Path]:
        """The objects under a prefix."""
        return [path for path in self.settings.database.parent.rglob(f"{folder}/*") if path.is_file()]


@contextmanager
def edits_in(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Iterator[Edits]:
    with place_in(Edits, folder, monkeypatch, **settings) as place:
        yield place
