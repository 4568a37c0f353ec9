"""The answer of an editor laid into its parent. Editors paint everything again, so it is here that the rest is kept."""

from __future__ import annotations

from grabient_assets.imaging.mask import Mask
from grabient_assets.imaging.picture import Flags, Pixels


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

    steps = np.rint(np.linspace(0, 255, feather + 2)).astype(np.uint8)
    opacity = np.full(answer.shape[:2], 255, np.uint8) if mask is None else steps[_nearness(mask, feather)]
    above = Image.fromarray(np.dstack([answer[:, :, :3], opacity]))
    return np.array(Image.alpha_composite(Image.fromarray(parent).convert("RGBA"), above))


def beyond(mask: Mask, feather: int) -> Flags:
    """Pixels outside the mask and its band. Shape (height, width)."""
    return _nearness(mask, feather) == 0


def _nearness(mask: Mask, feather: int) -> Pixels:
    """`feather` + 1 inside the mask, one less with every step away from it, 0 beyond the band: (height, width)."""
    import numpy as np

    rim, (left, top, width, height) = feather + 1, mask.box
    near = np.pad(mask.flags, rim).astype(np.uint8)  # the band of the largest picture has 62 steps
    part = near[top : top + height + 2 * rim, left : left + width + 2 * rim]
    grown = part > 0
    for _ in range(feather):
        for turned in (grown, grown.T):
            turned[1:-1] |= turned[2:] | turned[:-2]
        part += grown
    return near[rim:-rim, rim:-rim]
