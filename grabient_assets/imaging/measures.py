"""What an edit did to a picture, in figures that two people get alike. Alpha lies over white, as for the editor.

- Luma: 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
- SSIM: Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE Transactions on
  Image Processing 13 (2004) 600-612, formula 13, K1 = 0.01, K2 = 0.03, over uniform windows of 8 x 8 at every place.
- CIEDE2000: gradient/color.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from grabient_assets.gradient.color import ciede2000, lab_of, linear
from grabient_assets.imaging.canvas import opaque, resized
from grabient_assets.imaging.mask import Mask
from grabient_assets.imaging.picture import Flags, Floats, Pixels
from grabient_assets.imaging.stitch import beyond

LEAK, BORDER, LEAST_NOISE = 8, 3, 0.5


@dataclass(frozen=True, slots=True)
class Measures:
    """None where there is nothing to measure: no mask, or no such pixel. Differences are in grey levels.

    leak_raw: share of the pixels outside the mask where a channel of answer and parent differs by more than LEAK.
    leak_final: share of the pixels beyond mask and band where result and parent differ at all.
    inside_change: mean absolute difference of answer and parent in the mask; 0: the editor did nothing.
    seam: mean gradient of luma (per pixel) on the BORDER pixels around the mask, result minus parent.
    noise: median absolute Laplacian of luma in the flattest tenth (least variance) of 8 x 8 blocks, relative to the
    root; less than LEAST_NOISE counts as so much in both, so that a flat root does not divide by zero.
    drift: 1 - SSIM of luma to the root, longer side 256 pixels, + CIEDE2000 of the mean colours (linear light) / 100.
    """

    leak_raw: float | None
    leak_final: float | None
    inside_change: float | None
    seam: float | None
    noise: float | None
    drift: float | None


def measure(parent: Pixels, answer: Pixels, result: Pixels, mask: Mask | None, feather: int, root: Pixels) -> Measures:
    """Pictures are RGBA or RGB; `answer` has the parent's size. Without a mask everything is inside."""
    before, after, first = map(opaque, (parent, result, root))
    change = abs(answer[:, :, :3].astype("int16") - before)
    noise, drift = _noise(after) / _noise(first), _drift(after, first)
    if mask is None:
        return Measures(None, None, float(change.mean()), None, noise, drift)
    channels, border = min(parent.shape[2], result.shape[2]), ~beyond(mask, BORDER) & ~mask.flags
    left, top, width, height = mask.box  # the seam is looked for near it: gradients of all are slow
    near = slice(max(0, top - 5), top + height + 5), slice(max(0, left - 5), left + width + 5)
    return Measures(
        leak_raw=_mean((change.max(2) > LEAK)[~mask.flags]),
        leak_final=_mean((result[:, :, :channels] != parent[:, :, :channels]).any(2)[beyond(mask, feather)]),
        inside_change=_mean(change[mask.flags]),
        seam=_mean((_gradient(after[near]) - _gradient(before[near]))[border[near]]),
        noise=noise,
        drift=drift,
    )


def _mean(values: Floats | Pixels | Flags) -> float | None:
    return float(values.mean()) if values.size else None


def _luma(pixels: Pixels) -> Floats:
    import numpy as np

    return pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)


def _gradient(pixels: Pixels) -> Floats:
    import numpy as np

    down, across = np.gradient(_luma(pixels))
    return np.hypot(down, across)


def _noise(pixels: Pixels) -> float:
    import numpy as np

    luma = _luma(pixels)
    middle = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * middle
    rows, columns = (side // 8 for side in middle.shape)
    both = np.stack([middle, abs(laplacian)])[:, : 8 * rows, : 8 * columns].reshape(2, rows, 8, columns, 8)
    levels, jumps = both.swapaxes(2, 3).reshape(2, -1, 64)
    flattest = levels.var(axis=1).argsort(kind="stable")[: -(-len(levels) // 10)]
    return max(LEAST_NOISE, float(np.median(jumps[flattest])))


def _drift(after: Pixels, root: Pixels) -> float:
    height, width = (max(8, round(256 * side / max(root.shape[:2]))) for side in root.shape[:2])
    one, other = (resized(pixels, width, height) for pixels in (after, root))
    return 1 - ssim(_luma(one), _luma(other)) + ciede2000(_mean_lab(one), _mean_lab(other)) / 100


def ssim(one: Floats, other: Floats) -> float:
    """The mean structural similarity of two pictures of luma of one size, 8 x 8 at least. 1: equal."""
    import numpy as np

    def means(values: Floats) -> Floats:
        sums = np.pad(values.cumsum(0, np.float64).cumsum(1), ((1, 0), (1, 0)))
        return (sums[8:, 8:] - sums[:-8, 8:] - sums[8:, :-8] + sums[:-8, :-8]) / 64

    one, other, c1, c2 = one.astype(np.float64), other.astype(np.float64), (0.01 * 255) ** 2, (0.03 * 255) ** 2
    product, squares = means(one) * means(other), means(one) ** 2 + means(other) ** 2
    covariance, variances = means(one * other) - product, means(one**2) + means(other**2) - squares
    return float(((2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))).mean())


def _mean_lab(pixels: Pixels) -> tuple[float, float, float]:
    """CIE L*a*b* of the mean in linear light."""
    import numpy as np

    return lab_of(np.array([100 * linear(level) for level in range(256)])[pixels].mean(axis=(0, 1)).tolist())
