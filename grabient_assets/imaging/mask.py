"""Which pixels of a picture an edit may change: from a rectangle in fractions, or from a file."""

from __future__ import annotations

from dataclasses import dataclass

from grabient_assets.errors import ImageError, MaskError
from grabient_assets.imaging.canvas import png_of, read_canvas
from grabient_assets.imaging.picture import Flags

Fractions = tuple[float, float, float, float]
"""A rectangle: left, top, width and height as parts of the width and height of a picture."""
_EXAMPLE = "Write left, top, width and height from 0 to 1, such as 0.25,0.25,0.5,0.5 for the middle."


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """`flags`: shape (height, width), True where a pixel may change. `changes`: conversions, and what to look at."""

    flags: Flags
    changes: tuple[str, ...] = ()

    @property
    def pixels(self) -> int:
        return int(self.flags.sum())

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of what may change; zeros when nothing may."""
        from PIL import Image

        left, top, right, bottom = Image.fromarray(self.flags).getbbox() or (0, 0, 0, 0)
        return left, top, right - left, bottom - top

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
    if not (min(left, top) >= 0 < min(width, height) and max(left + width, top + height) <= 1):
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
    left, top, flags = min(left, width - wide), min(top, height - high), np.zeros((height, width), dtype=bool)
    flags[top : top + high, left : left + wide] = True
    return Mask(flags, _warnings(flags))


def read_mask(content: bytes, width: int, height: int) -> Mask:
    """The mask that a file holds for a picture of this size: transparent, or white beside black, may change.

    Raises MaskError for no picture, neither transparency nor black and white, another shape, nothing that may change.
    """
    try:
        canvas = read_canvas(content)
    except ImageError as error:
        raise MaskError(f"The mask cannot be read. {error}") from error
    flags, notes = canvas.pixels[:, :, 3] < 128, ()
    if not canvas.has_alpha:
        flags, black = canvas.pixels[:, :, :3].min(2) >= 192, canvas.pixels[:, :, :3].max(2) <= 63  # JPEG blurs edges
        notes = ("The mask has no transparent pixels: white was taken as what may change, black is kept.",)
        if not (flags | black).all():
            raise MaskError(
                "The mask has no transparent pixels and is not black and white, so it does not say what may change. "
                "Make transparent what may change, or paint it white and the rest black."
            )
        if not black.any():
            raise MaskError("The mask is white all over and has no transparent pixels: it marks no part. Leave it out.")
    wide, high, size = canvas.width, canvas.height, f"{width} x {height}"
    if (wide, high) != (width, height):
        if min(abs(high * width / wide - height), abs(wide * height / high - width)) > 1:
            raise MaskError(f"The mask has {wide} x {high} pixels, another shape than the picture's {size}. Crop it.")
        flags = nearest(flags, width, height)
        notes += (f"The mask was scaled from {wide} x {high} to {size} pixels, the size of the picture.",)
    if not flags.any():
        raise MaskError("The mask lets nothing change: no pixel is transparent. Make transparent what may change.")
    return Mask(flags, notes + _warnings(flags))


def nearest(flags: Flags, width: int, height: int) -> Flags:
    """Scaled by nearest neighbour, so that there are no grey edges."""
    import numpy as np
    from PIL import Image

    return np.array(Image.fromarray(flags).resize((width, height), Image.Resampling.NEAREST))


def _warnings(flags: Flags) -> tuple[str, ...]:
    share = float(flags.mean())
    if share == 1:
        return ("The mask lets every pixel change: nothing of the picture is kept.",)
    if share > 0.5 and flags[[0, 0, -1, -1], [0, -1, 0, -1]].all():
        way_out = "If the other part was meant, invert the mask: swap what is transparent and what is opaque."
        return (f"The mask lets {100 * share:.1f} % of the picture change, all four corners too. {way_out}",)
    return ()
