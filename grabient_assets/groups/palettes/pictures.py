"""The picture of each palette: linear swatches, 11 steps, 90 degrees, 440x100, as the refining model sees it; and one
as somebody wants it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from grabient_assets.errors import UsageError
from grabient_assets.gradient.color import to_hex
from grabient_assets.gradient.palette import Palette, colors
from grabient_assets.gradient.svg import render_crisp_svg, render_png, render_svg
from grabient_assets.gradient.vocabulary import MAX_STEPS, MIN_STEPS, STYLES
from grabient_assets.groups.palettes.tables import ImageRecord, PaletteRecord, images, record_images
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

STYLE, ANGLE, WIDTH, HEIGHT = "linearSwatches", 90.0, 440, 100


@dataclass(frozen=True, slots=True)
class Drawn:
    """A palette's picture; `fresh` is false when the one in the store was still right."""

    palette: PaletteRecord
    image: ImageRecord
    fresh: bool


def draw_palettes(
    records: Sequence[PaletteRecord], warehouse: Warehouse, store: ObjectStore, now: datetime
) -> list[Drawn]:
    """Render and store the pictures that are missing or would look different; the others are left alone."""
    with warehouse.read() as connection:
        known = images(connection, [r.seed for r in records])
    drawn = [_draw(record, known.get(record.seed), store, now) for record in records]
    fresh = [d.image for d in drawn if d.fresh]
    if fresh:
        with warehouse.write() as connection:
            record_images(connection, fresh)
    return drawn


def _draw(record: PaletteRecord, known: ImageRecord | None, store: ObjectStore, now: datetime) -> Drawn:
    svg = render_svg(record.hex, STYLE, ANGLE, WIDTH, HEIGHT, record.seed)
    svg_sha256 = hashlib.sha256(svg.encode()).hexdigest()
    key = f"palettes/{record.seed}.png"
    if known and known.svg_sha256 == svg_sha256 and known.store == store.name and store.exists(known.object_key):
        return Drawn(record, known, fresh=False)
    png = render_png(svg, WIDTH, HEIGHT)
    store.put(key, png, "image/png")
    image = ImageRecord(
        seed=record.seed,
        object_key=key,
        url=store.public_url(key),
        sha256=hashlib.sha256(png).hexdigest(),
        width=WIDTH,
        height=HEIGHT,
        bytes=len(png),
        svg_sha256=svg_sha256,
        store=store.name,
        created_at=now,
    )
    return Drawn(record, image, fresh=True)


@dataclass(frozen=True, slots=True)
class PictureWish:
    """Style, direction in degrees, number of colours and size in pixels."""

    style: str
    angle: float
    steps: int
    width: int
    height: int


def draw(palette: Palette, wish: PictureWish) -> str:
    """The SVG text. Raises UsageError for a style, angle or number of colours outside the limits of palette files."""
    if wish.style not in STYLES:
        raise UsageError(f"There is no style {wish.style!r}; the styles are {', '.join(STYLES)}.")
    if not MIN_STEPS <= wish.steps <= MAX_STEPS:
        raise UsageError(f"--steps is {wish.steps}; it must be a whole number from {MIN_STEPS} to {MAX_STEPS}.")
    if not math.isfinite(wish.angle):
        raise UsageError(f"--angle is {wish.angle}; it must be a finite number of degrees.")
    hexes = [to_hex(rgb) for rgb in colors(palette, wish.steps)]
    return render_crisp_svg(hexes, wish.style, wish.angle, wish.width, wish.height, palette.canonical)
