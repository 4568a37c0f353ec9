"""How a picture of any size goes to an editor that takes only some, and how the answer comes back to its size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from grabient_assets.errors import ImageError
from grabient_assets.imaging.canvas import opaque, resized
from grabient_assets.imaging.mask import Mask, nearest
from grabient_assets.imaging.picture import Pixels
from grabient_assets.registry.model import ImageRules


@dataclass(frozen=True, slots=True)
class Fit:
    """A picture is scaled, then padded on the left, top, right and bottom; `pad` counts pixels of what is sent."""

    width: int
    height: int
    sent_width: int
    sent_height: int
    scale: float
    pad: tuple[int, int, int, int]


def fit_for(width: int, height: int, rules: ImageRules) -> Fit:
    """The fit with the scale nearest to 1, the picture in the middle. Raises ImageError when there is none."""
    scale, sent = (_ratio if rules.ratios else _free)(width, height, rules)
    wide, high = (max(1, min(round(side * scale), room)) for side, room in zip((width, height), sent, strict=True))
    left, top = (sent[0] - wide) // 2, (sent[1] - high) // 2
    return Fit(width, height, *sent, scale, (left, top, sent[0] - wide - left, sent[1] - high - top))


def _free(width: int, height: int, rules: ImageRules) -> tuple[float, tuple[int, int]]:
    """Scale 1, or one that makes the longer side a multiple."""
    multiple, longest = rules.edge_multiple or 1, rules.longest_edge or max(width, height)
    widest, most = rules.widest_ratio or math.inf, rules.most_pixels or math.inf

    def up(side: float) -> int:
        return math.ceil(side / multiple) * multiple

    scales = [1.0, *(edge / max(width, height) for edge in range(multiple, longest + 1, multiple))]
    for scale in sorted(scales, key=lambda scale: abs(math.log(scale))):
        wide, high = up(max(1, round(width * scale))), up(max(1, round(height * scale)))
        sent = max(wide, up(high / widest)), max(high, up(wide / widest))
        if max(sent) <= longest and (rules.least_pixels or 0) <= math.prod(sent) <= most:
            return scale, sent
    raise ImageError(f"A picture of {width} x {height} pixels fits no size of the editor. Choose another editor.")


def _ratio(width: int, height: int, rules: ImageRules) -> tuple[float, tuple[int, int]]:
    """Exactly the nearest ratio. The class of size (1K: the pixels of 1024 x 1024) follows from the pixels."""
    ratios = [[*map(int, ratio.split(":"))] for ratio in rules.ratios]
    across, down = min(ratios, key=lambda ratio: abs(math.log(width * ratio[1] / (height * ratio[0]))))
    across, down = across // math.gcd(across, down), down // math.gcd(across, down)
    most = 1024 * max(int(size.removesuffix("K")) for size in rules.sizes)
    times = min(max(-(-width // across), -(-height // down)), math.isqrt(most**2 // (across * down)))
    return min(1.0, across * times / width, down * times / height), (across * times, down * times)


def fitted(pixels: Pixels, fit: Fit) -> Pixels:
    """What is sent: RGB, shape (sent_height, sent_width, 3), alpha over white, padded with the pixels of the edge."""
    import numpy as np

    left, top, right, bottom = fit.pad
    small = resized(opaque(pixels), fit.sent_width - left - right, fit.sent_height - top - bottom)
    return np.pad(small, ((top, bottom), (left, right), (0, 0)), mode="edge")


def fitted_mask(mask: Mask, fit: Fit) -> Mask:
    """The mask of what is sent; padding may not change. Where scaling would lose all of it, its places are kept."""
    import numpy as np

    left, top, right, bottom = fit.pad
    width, height = fit.sent_width - left - right, fit.sent_height - top - bottom
    flags = nearest(mask.flags, width, height)
    if not flags.any():
        rows, columns = mask.flags.nonzero()
        flags[rows * height // fit.height, columns * width // fit.width] = True
    return Mask(np.pad(flags, ((top, bottom), (left, right))), mask.changes)


SHAPE_OFF = 1.04
"""How many times wider or narrower than what was sent an answer may be. Gemini's image models are said to make 4:3 as
1152 x 896 and 16:9 as 1408 x 768 pixels (tables in public projects; not verified here): 3.6 % and 3.1 % off."""


def undone(pixels: Pixels, fit: Fit) -> Pixels:
    """The answer at the picture's size, RGB, shape (height, width, 3). Raises ImageError for another shape than that of
    what was sent."""
    height, width = pixels.shape[:2]
    across, down = width / fit.sent_width, height / fit.sent_height
    if not 1 / SHAPE_OFF <= across / down <= SHAPE_OFF:
        raise ImageError(
            f"The editor was sent {fit.sent_width} x {fit.sent_height} pixels and answered with {width} x {height}, "
            "which is another shape and cannot be laid over the picture. Edit again, or choose another editor."
        )
    left, top, right, bottom = fit.pad
    box = left * across, top * down, width - right * across, height - bottom * down
    return resized(opaque(pixels), fit.width, fit.height, box)
