"""A picture that an emulated editor makes of another one: real editors redraw all of it, so the region is only the part
that is changed on purpose (facts about editors: docs/emulator.md).

It is a pure function of what it is given. Only whole numbers are used, so that every machine gets the same pixels.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from grabient_assets.emulator.images import packed_png
from grabient_assets.imaging.picture import pixels, read_picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

LEAK = 0.3
"""The share of the pixels outside the region that change visibly. Measured of gpt-image: 51.6 % (vercel/ai#14360). The
emulated editors are better than that, so that a fault can make them worse."""
STRENGTH_IN_REGION, STRENGTH_OF_WHOLE = 128, 40
"""How far (of 256) colours move towards the new ones. An edit without a region keeps more of the picture."""
FINEST = 32
"""Colours are moved in areas as large as this part of the longer side. What is finer stays, so that the noise of
earlier edits is not painted over."""
PATTERN = (4, 3)
"""Columns and rows of the colours that an edit brings."""
NOISE = 2
"""The most that noise changes a channel, per edit."""
YELLOW = (1, 1, -2)
"""What every edit adds to red, green and blue."""
VISIBLE = (16, 40)
"""The least and most that a leaking pixel changes. Noise and yellow take away at most 4, which leaves more than 8."""
CELLS = 64
"""Leaks come in squares, as many on the longer side: single pixels would be lost when the answer is scaled."""


@dataclass(frozen=True, slots=True)
class FaultyEdit:
    """An edit that goes wrong: `leak` is the share that changes outside the region; the answer has another size, which
    is `factor` times the asked one, or `size`."""

    leak: float = LEAK
    factor: float = 1.0
    size: tuple[int, int] | None = None

    def answer_size(self, width: int, height: int) -> tuple[int, int]:
        """The size of the answer where this one was asked for."""
        return self.size or (max(1, round(width * self.factor)), max(1, round(height * self.factor)))


def edited(
    base: bytes,
    mask: bytes | None,
    references: Sequence[bytes],
    described: str,
    width: int,
    height: int,
    leak: float = LEAK,
    *,
    transparent: bool = False,
) -> bytes:
    """The PNG of `base` at the asked size, changed as `described` and with the colours of the references.

    The region is where `mask` is transparent; None: the whole picture. Outside it `leak` (0 to 1) is the share of the
    pixels that change by more than 8 in a channel; all others get noise and yellow, 4 at most, and with a leak of 0
    nothing. `transparent`: with a fourth channel, that of the base. Raises ImageError for an image that cannot be
    decoded.
    """
    import numpy as np

    before = _scaled(pixels(base), width, height)
    region = np.ones((height, width), bool) if mask is None else _alpha(mask, width, height, nearest=True) < 128
    draws = _Draws(described)
    strength = STRENGTH_OF_WHOLE if mask is None else STRENGTH_IN_REGION
    after = before.astype(np.int16)
    goal = _goal(draws, references, region, width, height)
    # An int16 holds 255 * 128.
    moved = (goal - _coarse(before)) * strength
    after += np.where(region[:, :, None], moved >> 8, 0)
    touched = region
    if leak > 0:
        touched = np.ones_like(region)
        after += _leaked(draws, before, ~region, leak)
    after += np.where(touched[:, :, None], draws.noise(height, width) + np.array(YELLOW, np.int16), 0)
    painted = np.clip(after, 0, 255).astype(np.uint8)
    if transparent:
        painted = np.dstack((painted, _alpha(base, width, height)))
    return packed_png(painted.tobytes(), width, height, transparent=transparent)


def rectangle_mask(region: tuple[float, float, float, float], width: int, height: int) -> bytes:
    """A mask of this size that is transparent inside x, y, width and height, all in percent of the picture."""
    from PIL import Image

    x, y, across, down = region
    left, top = round(width * x / 100), round(height * y / 100)
    mask = Image.new("LA", (width, height), (0, 255))
    mask.paste((0, 0), (left, top, left + round(width * across / 100), top + round(height * down / 100)))
    written = BytesIO()
    mask.save(written, "PNG")
    return written.getvalue()


class _Draws:
    """Draws for one text. Raw numbers of PCG64: the one stream that NumPy promises to keep (its NEP 19)."""

    def __init__(self, described: str) -> None:
        from numpy.random import PCG64

        digest = hashlib.sha256(described.encode("utf-8", "surrogatepass")).digest()
        self._raw = PCG64(int.from_bytes(digest, "big")).random_raw

    def bytes(self, *shape: int) -> NDArray[np.uint8]:
        import numpy as np

        count = math.prod(shape)
        drawn = np.asarray(self._raw(-(-count // 8)), dtype="<u8")
        return drawn.view(np.uint8)[:count].reshape(shape)

    def noise(self, height: int, width: int) -> NDArray[np.int16]:
        """Whole numbers from -NOISE to NOISE for every channel."""
        import numpy as np

        return (self.bytes(height, width, 3).astype(np.int16) * (2 * NOISE + 1) >> 8) - NOISE


def _scaled(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    import numpy as np
    from PIL import Image

    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def _alpha(content: bytes, width: int, height: int, *, nearest: bool = False) -> NDArray[np.uint8]:
    """The alpha of an image at this size; full where it has none."""
    import numpy as np
    from PIL import Image, ImageOps

    read_picture(content)
    image = ImageOps.exif_transpose(Image.open(BytesIO(content)))
    if not image.has_transparency_data or image.mode.startswith("I"):
        return np.full((height, width), 255, np.uint8)
    how = Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS
    return np.asarray(image.convert("RGBA").getchannel("A").resize((width, height), how))


def _coarse(image: NDArray[np.uint8]) -> NDArray[np.int16]:
    """The picture without what is finer than FINEST."""
    from PIL import Image

    height, width = image.shape[:2]
    cell = max(1, max(width, height) // FINEST)
    small = (max(1, width // cell), max(1, height // cell))
    return _enlarged(Image.fromarray(image).resize(small, Image.Resampling.BOX), width, height)


def _enlarged(small: Image.Image, width: int, height: int) -> NDArray[np.int16]:
    import numpy as np
    from PIL import Image

    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)


def _goal(
    draws: _Draws, references: Sequence[bytes], region: NDArray[np.bool_], width: int, height: int
) -> NDArray[np.int16]:
    """The colours that the region moves to: a pattern around grey, and the references, each over all of the region.

    Pairs of colours lie opposite each other, so that edit after edit leaves the mean where it is, and yellow decides.
    """
    import numpy as np
    from PIL import Image

    columns, rows = PATTERN
    half = draws.bytes(columns * rows // 2, 3).astype(np.int16) * 3 // 4 - 96
    colours = np.stack((half, -half), axis=1).reshape(rows, columns, 3) + 128
    goal = _enlarged(Image.fromarray(colours.astype(np.uint8)), width, height)
    if not references or not region.any():
        return goal
    down, across = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    box = (slice(down[0], down[-1] + 1), slice(across[0], across[-1] + 1))
    size = (int(across[-1] - across[0]) + 1, int(down[-1] - down[0]) + 1)
    seen = sum(_scaled(pixels(one), *size).astype(np.int64) for one in references) // len(references)
    goal[box] = (goal[box] + 3 * seen) // 4
    return goal


def _leaked(draws: _Draws, before: NDArray[np.uint8], outside: NDArray[np.bool_], leak: float) -> NDArray[np.int16]:
    """What leaks add: to exactly this share of the pixels outside, each away from the nearer end of its channel."""
    import numpy as np

    height, width = outside.shape
    cell = -(-max(height, width) // CELLS)
    down, across = np.arange(height) // cell, np.arange(width) // cell
    cells = (int(down[-1]) + 1, int(across[-1]) + 1)
    drawn = draws.bytes(*cells, 4).view("<u4").ravel()
    rank = np.argsort(np.argsort(drawn, kind="stable"), kind="stable").astype(np.int16)
    places = np.flatnonzero(outside)
    order = np.argsort(rank.reshape(cells)[down][:, across].ravel()[places], kind="stable")
    chosen = places[order[: round(leak * len(places))]]
    least, most = VISIBLE
    amount = least + (draws.bytes(*cells, 3).astype(np.int16) * (most - least + 1) >> 8)
    added = np.zeros((height * width, 3), np.int16)
    light = before.reshape(-1, 3)[chosen] >= 128
    amount_there = amount[down][:, across].reshape(-1, 3)[chosen]
    added[chosen] = np.where(light, -amount_there, amount_there)
    return added.reshape(height, width, 3)
