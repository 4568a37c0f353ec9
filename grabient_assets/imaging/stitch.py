"""The answer of an editor laid into its parent. Editors paint everything again, so it is here that the rest is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from grabient_assets.imaging.canvas import Pixels
    from grabient_assets.imaging.mask import Flags, Mask


def feather_for(width: int, height: int) -> int:
    """The width in pixels of the band outside the mask."""
    return max(2, round(min(width, height) / 128))


def stitched(parent: Pixels, answer: Pixels, mask: Mask | None, feather: int) -> Pixels:
    """RGBA, shape (height, width, 4): the answer, opaque, inside the mask, or everywhere without one.

    In the band, at Chebyshev distance 1 to `feather`, the answer lies over the parent with an opacity that falls
    linearly; transparent pixels of the parent lend it no colour. Beyond, the parent bit by bit, alpha included.
    """
    import numpy as np
    from PIL import Image

    near = np.ones(answer.shape[:2]) if mask is None else _nearness(mask, feather) / (feather + 1)
    above = Image.fromarray(np.dstack([answer[:, :, :3], np.rint(255 * near).astype(np.uint8)]))
    return np.array(Image.alpha_composite(Image.fromarray(parent).convert("RGBA"), above))


def beyond(mask: Mask, feather: int) -> Flags:
    """Pixels outside the mask and its band. Shape (height, width)."""
    return _nearness(mask, feather) == 0


def _nearness(mask: Mask, feather: int) -> NDArray[np.uint16]:
    """`feather` + 1 inside the mask, one less with every step away from it, 0 beyond the band."""
    left, top, width, height = mask.box
    part = (
        slice(max(0, top - feather), top + height + feather),
        slice(max(0, left - feather), left + width + feather),
    )
    near = mask.flags.astype("uint16")
    grown = mask.flags[part]
    for _ in range(feather):
        taller = grown.copy()
        taller[1:] |= grown[:-1]
        taller[:-1] |= grown[1:]
        grown = taller.copy()
        grown[:, 1:] |= taller[:, :-1]
        grown[:, :-1] |= taller[:, 1:]
        near[part] += grown
    return near
