"""A picture as pixels that can be edited, with a note for each conversion that it took."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from grabient_assets.imaging.picture import Pixels, decoded, over_white, rgba


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
        return bool((self.pixels[:, :, 3] < 255).any())


def read_canvas(content: bytes) -> Canvas:
    """The pixels of a PNG, JPEG or WebP. Raises ImageError as read_picture does."""
    found = decoded(content)
    mode, grey16 = found.image.mode, found.image.mode.startswith("I")
    notes = {
        "The picture was turned upright, as its EXIF orientation says.": found.turned,
        # Byte 24 of a PNG is the depth. Pillow makes 8 bits of 16 and keeps no trace of it.
        "16 bits per channel became 8.": grey16 or (found.kind == "PNG" and content[24] == 16),
        "CMYK became RGB.": mode == "CMYK",
        "The palette became RGB.": mode == "P",
        "Grey became RGB.": mode in ("1", "L", "LA") or grey16,
        "The colour profile was dropped: the numbers are taken as sRGB.": "icc_profile" in found.image.info,
    }
    return Canvas(rgba(found.image), tuple(note for note, holds in notes.items() if holds))


def png_of(pixels: Pixels) -> bytes:
    """The PNG of RGBA or RGB. Alpha is written only when some pixel is not opaque."""
    from PIL import Image

    image, file = Image.fromarray(pixels), BytesIO()
    image = image if image.getextrema()[-1] != (255, 255) else image.convert("RGB")
    image.save(file, "PNG", compress_type=3)  # zlib's Z_RLE: on grain smaller and faster than level 1
    return file.getvalue()


def opaque(pixels: Pixels) -> Pixels:
    """RGB, shape (height, width, 3): alpha laid over white."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(pixels)
    return np.array(over_white(image) if image.mode == "RGBA" else image)


def resized(pixels: Pixels, width: int, height: int, box: tuple[float, float, float, float] | None = None) -> Pixels:
    """The picture, or the part in `box` (left, top, right, bottom), at another size, by Lanczos."""
    import numpy as np
    from PIL import Image

    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS, box))
