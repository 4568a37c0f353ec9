"""A picture as pixels that can be edited, with a note for each conversion that it took."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from grabient_assets.imaging.picture import decoded, over_white, rgba

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """`pixels`: RGBA, shape (height, width, 4), upright, the numbers of the file taken as sRGB."""

    pixels: Pixels
    changes: tuple[str, ...]

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def has_alpha(self) -> bool:
        """Whether any pixel is not opaque."""
        return translucent(self.pixels)


def read_canvas(content: bytes) -> Canvas:
    """The pixels of a PNG, JPEG or WebP. Raises ImageError as read_picture does."""
    found = decoded(content)
    mode = found.image.mode
    grey16 = mode.startswith("I")
    notes = {
        "The picture was turned upright, as its EXIF orientation says.": found.turned,
        # Byte 24 of a PNG is the depth. Pillow makes 8 bits of 16 and keeps no trace of it.
        "16 bits per channel became 8.": grey16 or (found.kind == "PNG" and content[24] == 16),
        "CMYK became RGB.": mode == "CMYK",
        "The palette became RGB.": mode in ("P", "PA"),
        "Grey became RGB.": mode in ("1", "L", "LA") or grey16,
        "The colour profile was dropped: the numbers are taken as sRGB.": bool(found.image.info.get("icc_profile")),
    }
    return Canvas(rgba(found.image), tuple(note for note, holds in notes.items() if holds))


def png_of(pixels: Pixels) -> bytes:
    """The PNG of RGBA or RGB, shape (height, width, 4 or 3). Alpha is written only when some pixel is not opaque."""
    from PIL import Image

    file = BytesIO()
    # Grain of editors hardly packs: level 6 takes three times as long for a few percent.
    Image.fromarray(pixels if translucent(pixels) else pixels[:, :, :3]).save(file, "PNG", compress_level=1)
    return file.getvalue()


def translucent(pixels: Pixels) -> bool:
    """Whether there is alpha and any pixel is not opaque."""
    return pixels.shape[2] == 4 and bool((pixels[:, :, 3] != 255).any())


def opaque(pixels: Pixels) -> Pixels:
    """RGB, shape (height, width, 3): alpha laid over white."""
    import numpy as np
    from PIL import Image

    return np.asarray(over_white(Image.fromarray(pixels))) if translucent(pixels) else pixels[:, :, :3]
