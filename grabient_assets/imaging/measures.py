"""What an edit did to a picture, in figures that two people get alike. Alpha lies over white, as for the editor.

- Luma: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
- SSIM: Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE Transactions on
  Image Processing 13 (2004) 600-612, formula 13, K1 = 0.01, K2 = 0.03, over uniform windows of 8 x 8 at every place.
- CIEDE2000: G. Sharma, W. Wu, E. N. Dalal, "The CIEDE2000 Color-Difference Formula: Implementation Notes, Supplementary
  Test Data, and Mathematical Observations", Color Research and Application 30 (2005) 21-30.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, degrees, exp, hypot, radians, sin, sqrt
from typing import TYPE_CHECKING

from grabient_assets.imaging.canvas import opaque
from grabient_assets.imaging.stitch import beyond

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from grabient_assets.imaging.canvas import Pixels
    from grabient_assets.imaging.mask import Mask

    Floats = NDArray[np.floating]

Lab = tuple[float, float, float]
LEAK = 8
"""The largest channel difference that is no leak: scaling and JPEG make as much."""
BORDER, BLOCK, SIDE = 3, 8, 256
LEAST_NOISE = 0.5
"""In grey levels. Less counts as so much, so that a flat root does not make every picture endlessly noisy."""


@dataclass(frozen=True, slots=True)
class Measures:
    """None where there is nothing to measure: no mask, or none of its pixels.

    leak_raw: share (0-1) of the pixels outside the mask where a channel of answer and parent differs by more than LEAK.
    leak_final: share of the pixels beyond the band where result and parent differ at all; has to be 0.
    inside_change: mean absolute difference of answer and parent inside, in grey levels; 0: the editor did nothing.
    seam: mean gradient of luma on the 3 pixels around the mask, result minus parent, in grey levels per pixel.
    noise: median absolute Laplacian of luma in the flattest tenth (by variance) of 8 x 8 blocks, relative to the root.
    drift: 1 - SSIM of luma to the root, longer side 256 pixels, + CIEDE2000 of the mean colours (linear light) / 100.
    """

    leak_raw: float | None
    leak_final: float | None
    inside_change: float | None
    seam: float | None
    noise: float | None
    drift: float | None


def measure(parent: Pixels, answer: Pixels, result: Pixels, mask: Mask | None, feather: int, root: Pixels) -> Measures:
    """The measures of one edit. Pictures are RGBA or RGB; `answer` has the parent's size. Without a mask everything is
    inside."""
    import numpy as np

    before, after, first = opaque(parent), opaque(result), opaque(root)
    change = np.abs(answer[:, :, :3].astype(np.int16) - before)
    noise, drift = _noise(after) / _noise(first), _drift(after, first)
    if mask is None:
        return Measures(None, None, float(change.mean()), None, noise, drift)
    altered = (result != parent).any(axis=2)[beyond(mask, feather)]
    leaks = (change.max(axis=2) > LEAK)[~mask.flags]
    border = ~beyond(mask, BORDER) & ~mask.flags
    jump = (_gradient(after) - _gradient(before))[border]
    return Measures(_mean(leaks), _mean(altered), _mean(change[mask.flags]), _mean(jump), noise, drift)


def _mean(values: NDArray[np.generic]) -> float | None:
    return float(values.mean()) if values.size else None


def _luma(pixels: Pixels) -> Floats:
    return (pixels.astype("float32") * (0.299, 0.587, 0.114)).sum(axis=2)


def _gradient(pixels: Pixels) -> Floats:
    import numpy as np

    down, across = np.gradient(_luma(pixels))
    return np.hypot(down, across)


def _noise(pixels: Pixels) -> float:
    """In grey levels, LEAST_NOISE at least."""
    import numpy as np

    luma = _luma(pixels)
    middle = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * middle
    rows, columns = (side // BLOCK for side in middle.shape)

    def blocks(values: Floats) -> Floats:
        cut = values[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
        return cut.swapaxes(1, 2).reshape(rows * columns, BLOCK * BLOCK)

    flattest = np.argsort(blocks(middle).var(axis=1), kind="stable")[: -(-rows * columns // 10)]
    return max(LEAST_NOISE, float(np.median(np.abs(blocks(laplacian)[flattest]))))


def _drift(after: Pixels, root: Pixels) -> float:
    import numpy as np
    from PIL import Image

    height, width = (max(BLOCK, round(side * SIDE / max(root.shape[:2]))) for side in root.shape[:2])
    small = [np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.BOX)) for one in (after, root)]
    return 1 - ssim(*map(_luma, small)) + ciede2000(*map(_mean_lab, small)) / 100


def ssim(one: Floats, other: Floats) -> float:
    """The mean structural similarity of two pictures of luma of one size, 8 x 8 at least. 1: equal."""
    import numpy as np

    def means(values: Floats) -> Floats:
        sums = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        return (
            sums[BLOCK:, BLOCK:] - sums[:-BLOCK, BLOCK:] - sums[BLOCK:, :-BLOCK] + sums[:-BLOCK, :-BLOCK]
        ) / BLOCK**2

    one, other, c1, c2 = one.astype(np.float64), other.astype(np.float64), (0.01 * 255) ** 2, (0.03 * 255) ** 2
    product, squares = means(one) * means(other), means(one) ** 2 + means(other) ** 2
    covariance, variances = means(one * other) - product, means(one**2) + means(other**2) - squares
    return float(((2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))).mean())


def _mean_lab(pixels: Pixels) -> Lab:
    """CIE L*a*b* (D65) of the mean in linear light."""
    import numpy as np

    from grabient_assets.gradient.color import CIE_EPSILON, CIE_KAPPA, D65_WHITE, SRGB_TO_XYZ, linear

    light = 100 * np.array([linear(channel) for channel in range(256)])[pixels].mean(axis=(0, 1))
    parts = np.array(SRGB_TO_XYZ) @ light / D65_WHITE
    x, y, z = np.where(parts > CIE_EPSILON, np.cbrt(parts), (CIE_KAPPA * parts + 16) / 116).tolist()
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one: Lab, other: Lab) -> float:
    """The difference of two colours in CIE L*a*b*; about 1 is just seen. Names as in Sharma's formulas 2 to 22."""

    def seventh(chroma: float) -> float:
        return sqrt(chroma**7 / (chroma**7 + 25**7))

    def cosine(angle: float) -> float:
        return cos(radians(angle))

    g = 0.5 * (1 - seventh((hypot(*one[1:]) + hypot(*other[1:])) / 2))
    (c1, h1), (c2, h2) = ((hypot((1 + g) * a, b), degrees(atan2(b, (1 + g) * a)) % 360) for _, a, b in (one, other))
    turn, middle = h2 - h1, (h1 + h2) / 2
    if not c1 * c2:
        turn, middle = 0.0, h1 + h2
    elif abs(turn) > 180:
        turn, middle = turn - 360 * (1 if turn > 0 else -1), middle + 180
    light, chroma = ((one[0] + other[0]) / 2 - 50) ** 2, (c1 + c2) / 2
    t = 1 - 0.17 * cosine(middle - 30) + 0.24 * cosine(2 * middle)
    t += 0.32 * cosine(3 * middle + 6) - 0.2 * cosine(4 * middle - 63)
    l_part = (other[0] - one[0]) / (1 + 0.015 * light / sqrt(20 + light))
    c_part = (c2 - c1) / (1 + 0.045 * chroma)
    h_part = 2 * sqrt(c1 * c2) * sin(radians(turn / 2)) / (1 + 0.015 * chroma * t)
    rotation = -2 * seventh(chroma) * sin(radians(60 * exp(-(((middle % 360 - 275) / 25) ** 2))))
    return sqrt(l_part**2 + c_part**2 + h_part**2 + rotation * c_part * h_part)
