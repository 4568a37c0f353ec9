"""Which pixels of a picture an edit may change: from a rectangle in fractions, or from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.errors import ImageError, MaskError
from grabient_assets.imaging.canvas import png_of
from grabient_assets.imaging.picture import decoded, rgba

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from grabient_assets.imaging.canvas import Pixels

    Flags = NDArray[np.bool_]

Fractions = tuple[float, float, float, float]
"""Left, top, width and height, of the width and height of a picture."""
_EXAMPLE = "Write left, top, width and height from 0 to 1, such as 0.25,0.25,0.5,0.5 for the middle."


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """`flags`: shape (height, width), True where a pixel may change. `changes`: conversions, and what to look at."""

    flags: Flags
    changes: tuple[str, ...] = ()

    @property
    def pixels(self) -> int:
        """How many may change."""
        return int(self.flags.sum())

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of what may change; zeros when nothing may."""
        rows, columns = (sorted({*places.tolist()}) or [0, -1] for places in self.flags.nonzero())
        return columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1

    def png(self) -> bytes:
        """RGBA: transparent where a pixel may change, opaque black elsewhere. Flat, because editors take 4 MB."""
        import numpy as np

        pixels = np.zeros((*self.flags.shape, 4), dtype=np.uint8)
        pixels[:, :, 3] = np.where(self.flags, 0, 255)
        return png_of(pixels)


def parse_fractions(text: str) -> Fractions:
    """The rectangle that "x,y,w,h" names. Raises MaskError when it is none, or not inside the picture."""
    try:
        left, top, width, height = map(float, text.split(","))
    except ValueError:
        raise MaskError(f"The mask {text!r} is no rectangle of four numbers. {_EXAMPLE}") from None
    # 0.1 + 0.2 + 0.7 is a little more than 1 in binary fractions.
    if not (left >= 0 and top >= 0 and width > 0 and height > 0 and max(left + width, top + height) <= 1 + 1e-9):
        raise MaskError(f"The mask {text!r} is no rectangle inside the picture. {_EXAMPLE}")
    return left, top, width, height


def rectangle(fractions: Fractions, width: int, height: int) -> Mask:
    """round(w * width) x round(h * height) pixels, shifted to lie inside. Raises MaskError when these are none."""
    import numpy as np

    left, top, wide, high = (round(part * side) for part, side in zip(fractions, (width, height) * 2, strict=True))
    if not wide or not high:
        raise MaskError(
            f"The mask is {wide} x {high} pixels of {width} x {height}: nothing may change. Make it larger."
        )
    left, top = min(left, width - wide), min(top, height - high)
    flags = np.zeros((height, width), dtype=bool)
    flags[top : top + high, left : left + wide] = True
    return Mask(flags, _warnings(flags))


def read_mask(content: bytes, width: int, height: int) -> Mask:
    """The mask that a file holds for a picture of this size: transparent, or white beside black, may change.

    Raises MaskError for no picture, neither transparency nor black and white, another shape, nothing that may change.
    """
    try:
        image = decoded(content).image
    except ImageError as error:
        raise MaskError(f"The mask cannot be read. {error}") from error
    flags, notes = _read(rgba(image), image.has_transparency_data)
    have, want = f"{flags.shape[1]} x {flags.shape[0]}", f"{width} x {height}"
    if have != want:
        off = flags.shape[0] * width / flags.shape[1] - height, flags.shape[1] * height / flags.shape[0] - width
        if min(map(abs, off)) > 1:
            raise MaskError(f"The mask has {have} pixels and the picture {want}: another shape. Make one of {want}.")
        flags = nearest(flags, width, height)
        notes += (f"The mask was scaled from {have} to {want} pixels, the size of the picture.",)
    if not flags.any():
        raise MaskError("The mask lets nothing change: no pixel is transparent. Make transparent what may change.")
    return Mask(flags, notes + _warnings(flags))


def nearest(flags: Flags, width: int, height: int) -> Flags:
    """Scaled by nearest neighbour, so that there are no grey edges."""
    import numpy as np
    from PIL import Image

    return np.array(Image.fromarray(flags).resize((width, height), Image.Resampling.NEAREST))


def _read(pixels: Pixels, alpha: bool) -> tuple[Flags, tuple[str, ...]]:
    """What may change, and notes. Programs write an alpha channel unasked: one that is opaque everywhere says nothing,
    and black and white are read as without it; all white then marks nothing."""
    if alpha and (pixels[:, :, 3] != 255).any():
        return pixels[:, :, 3] < 128, ()
    # A JPEG blurs edges, so black and white are all that is within 63 of them.
    white, black = pixels[:, :, :3].min(axis=2) >= 192, pixels[:, :, :3].max(axis=2) <= 63
    if not (white | black).all():
        raise MaskError(
            "The mask has no transparent pixels, and more colours than black and white, so it does not say what may "
            "change. Make transparent what may change, or paint it white and the rest black."
        )
    note = "The mask has no transparent pixels: white was taken as what may change, black is kept."
    return (black if alpha and white.all() else white), (note,)


def _warnings(flags: Flags) -> tuple[str, ...]:
    share = float(flags.mean())
    if share == 1:
        return ("The mask lets every pixel change: nothing of the picture is kept.",)
    if share > 0.5 and flags[0, 0] and flags[0, -1] and flags[-1, 0] and flags[-1, -1]:
        way_out = "If the other part was meant, invert the mask: swap what is transparent and what is opaque."
        return (f"The mask lets {100 * share:.1f} % of the picture change, all four corners too. {way_out}",)
    return ()
