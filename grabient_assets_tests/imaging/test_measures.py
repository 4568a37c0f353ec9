"""The figures of edits whose leak, change, seam, grain and drift are known."""

from __future__ import annotations

import numpy as np
import pytest
from coloraide import Color
from numpy.typing import NDArray
from PIL import Image

from grabient_assets.gradient.color import ciede2000
from grabient_assets.imaging.mask import Mask, rectangle
from grabient_assets.imaging.measures import measure, ssim
from grabient_assets.imaging.stitch import beyond, feather_for, stitched

SIDE = 256
MASK = rectangle((0.25, 0.25, 0.5, 0.5), SIDE, SIDE)
FEATHER = feather_for(SIDE, SIDE)


def smooth() -> NDArray[np.uint8]:
    """A picture with gradients and no grain: RGBA, opaque."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.dstack([40 + x / 2, 60 + y / 2, 80 + (x + y) / 4, np.full((SIDE, SIDE), 255)]).astype(np.uint8)


def grainy(pixels: NDArray[np.uint8], spread: float, seed: int, tint: float = 0.0) -> NDArray[np.uint8]:
    """RGB with grain, and less blue by `tint`."""
    rgb = pixels[:, :, :3] + np.random.default_rng(seed).normal(0, spread, pixels[:, :, :3].shape)
    rgb[:, :, 2] -= tint
    return rgb.round().clip(0, 255).astype(np.uint8)


def test_an_editor_that_does_nothing_measures_nothing():
    parent = smooth()
    found = measure(parent, parent[:, :, :3], parent, MASK, FEATHER, parent)
    assert (found.leak_raw, found.leak_final, found.inside_change, found.seam) == (0, 0, 0, 0)
    assert (found.noise, found.drift) == (1, 0)


def test_a_leak_of_thirty_percent_is_seen_and_does_not_reach_the_result():
    parent = smooth()
    outside = np.argwhere(~MASK.flags)
    chosen = np.random.default_rng(5).permutation(len(outside))[: round(0.3 * len(outside))]
    answer = parent[:, :, :3].copy()
    answer[MASK.flags] += 10
    answer[tuple(outside[chosen].T)] += 9
    result = stitched(parent, answer, MASK, FEATHER)
    found = measure(parent, answer, result, MASK, FEATHER, parent)
    assert found.leak_raw == pytest.approx(0.3, abs=1e-4)
    assert found.leak_final == 0
    assert found.inside_change == 10
    unstitched = measure(parent, answer, np.dstack([answer, parent[:, :, 3:]]), MASK, FEATHER, parent)
    assert unstitched.leak_final == pytest.approx(0.3, abs=0.01)


def test_a_difference_of_eight_is_no_leak_and_of_nine_in_one_channel_is():
    parent = smooth()
    answer = parent[:, :, :3].copy()
    answer[0, :10] += 8
    answer[1, :10, 2] -= 9
    found = measure(parent, answer, parent, MASK, FEATHER, parent)
    assert found.leak_raw == pytest.approx(10 / (~MASK.flags).sum())


def test_one_byte_beyond_the_band_is_seen_in_the_result_alpha_too():
    parent = smooth()
    far = int(beyond(MASK, FEATHER).sum())
    for channel in range(4):
        result = parent.copy()
        result[0, 0, channel] -= 1
        assert measure(parent, parent[:, :, :3], result, MASK, FEATHER, parent).leak_final == 1 / far
    near = parent.copy()
    near[64 - FEATHER, 100] = 0
    assert measure(parent, parent[:, :, :3], near, MASK, FEATHER, parent).leak_final == 0


def test_the_change_inside_is_the_mean_over_all_channels():
    parent = smooth()
    answer = parent[:, :, :3].copy()
    answer[MASK.flags, 0] += 30
    assert measure(parent, answer, parent, MASK, FEATHER, parent).inside_change == 10


def test_transparent_pixels_count_as_the_white_that_the_editor_saw():
    parent = smooth()
    parent[MASK.flags] = (0, 0, 0, 0)
    white = np.full((SIDE, SIDE, 3), 255, dtype=np.uint8)
    white[~MASK.flags] = parent[~MASK.flags][:, :3]
    found = measure(parent, white, stitched(parent, white, MASK, FEATHER), MASK, FEATHER, parent)
    assert (found.leak_raw, found.inside_change) == (0, 0)


def test_without_a_mask_everything_is_inside():
    parent = smooth()
    answer = parent[:, :, :3] + np.uint8(6)
    found = measure(parent, answer, stitched(parent, answer, None, 0), None, 0, parent)
    assert (found.leak_raw, found.leak_final, found.seam, found.inside_change) == (None, None, None, 6)
    assert found.drift is not None and found.drift > 0


def test_a_mask_of_everything_leaves_no_outside_to_measure():
    parent = smooth()
    everything = Mask(np.ones((SIDE, SIDE), dtype=bool))
    found = measure(parent, parent[:, :, :3], parent, everything, FEATHER, parent)
    assert (found.leak_raw, found.leak_final, found.seam, found.inside_change) == (None, None, None, 0)


def test_a_hard_edge_is_a_seam_and_a_band_softens_it():
    """A step of 60 in flat grey: central differences see half of it on one of the 3 pixels around the mask."""
    parent = np.full((SIDE, SIDE, 4), (100, 100, 100, 255), dtype=np.uint8)
    answer = np.full((SIDE, SIDE, 3), 160, dtype=np.uint8)
    hard = measure(parent, answer, stitched(parent, answer, MASK, 0), MASK, 0, parent).seam
    soft = measure(parent, answer, stitched(parent, answer, MASK, 12), MASK, 12, parent).seam
    assert hard == pytest.approx(30 / 3, rel=0.03)
    assert soft == pytest.approx(60 / 13, rel=0.03)
    flatter = measure(stitched(parent, answer, MASK, 0), answer, parent, MASK, 0, parent).seam
    assert flatter == pytest.approx(-30 / 3, rel=0.03)


def test_the_seam_is_that_of_gradients_over_the_whole_picture():
    dice = np.random.default_rng(6)
    parent, answer = (dice.integers(0, 256, (60, 80, 3), dtype=np.uint8) for _ in range(2))
    for fractions in ((0.2, 0.3, 0.4, 0.3), (0.0, 0.0, 0.5, 0.5), (0.7, 0.6, 0.3, 0.4)):
        mask = rectangle(fractions, 80, 60)
        result = stitched(parent, answer, mask, 3)
        luma = [one[:, :, :3] @ np.array([0.299, 0.587, 0.114]) for one in (parent, result)]
        before, after = (np.hypot(*np.gradient(one)) for one in luma)
        expected = (after - before)[~beyond(mask, 3) & ~mask.flags].mean()
        assert measure(parent, answer, result, mask, 3, parent).seam == pytest.approx(expected, abs=1e-3)


def test_grain_is_measured_where_the_picture_is_flat():
    """Of independent grain the Laplacian of luma has sqrt(20) times its spread; the median of its size is 0.6745."""
    y, x = np.mgrid[:SIDE, :SIDE]
    stripes = np.repeat(np.where((x // 4 + y // 4) % 2, 230, 20)[:, :, None], 3, axis=2).astype(np.uint8)
    flat = stripes.copy()
    flat[:, : SIDE // 4] = 128
    noisy = grainy(flat, 6, 1)
    weights = np.hypot(np.hypot(0.299, 0.587), 0.114)
    expected = 0.6745 * np.sqrt(20) * 6 * weights / 0.5
    found = measure(flat, flat, noisy, None, 0, flat).noise
    # The flattest blocks are a little calmer than the average.
    assert found == pytest.approx(expected, rel=0.12)
    assert measure(flat, flat, noisy, None, 0, noisy).noise == 1


def test_noise_below_half_a_grey_level_counts_as_that_in_both():
    flat = np.full((SIDE, SIDE, 3), 90, dtype=np.uint8)
    assert measure(flat, flat, flat, None, 0, flat).noise == 1
    calm = measure(flat, flat, flat, None, 0, grainy(flat, 6, 1)).noise
    assert calm is not None and 0 < calm < 0.1


def test_a_chain_of_eight_gets_grainier_and_drifts_with_every_edit():
    root = smooth()
    parent, figures = root, []
    for step in range(8):
        answer = grainy(parent, 2, step, tint=2)
        result = stitched(parent, answer, None, 0)
        figures.append(measure(parent, answer, result, None, 0, root))
        parent = result
    noise, drift = [one.noise for one in figures], [one.drift for one in figures]
    assert noise == sorted(noise) and noise[-1] > 2 * noise[0] > 2
    assert drift == sorted(drift) and drift[-1] > 3 * drift[0] > 0
    replayed = measure(root, grainy(root, 2, 9, 2), stitched(root, grainy(root, 2, 9, 2), None, 0), None, 0, root)
    assert replayed.noise == pytest.approx(noise[0], rel=0.1)
    assert replayed.drift == pytest.approx(drift[0], rel=0.1)


def test_a_root_of_another_size_is_compared_at_256_pixels():
    root = np.asarray(Image.fromarray(smooth()).resize((512, 512), Image.Resampling.BICUBIC))
    parent = smooth()
    found = measure(parent, parent[:, :, :3], parent, MASK, FEATHER, root)
    assert found.drift == pytest.approx(0, abs=0.01)


def test_drift_is_that_of_the_pictures_scaled_to_256_pixels():
    """The longer side, so 256 x 128: what is that small already has the same drift."""
    dice = np.random.default_rng(4)
    large = [dice.integers(0, 256, (256, 512, 3), dtype=np.uint8) for _ in range(2)]
    small = [np.asarray(Image.fromarray(one).resize((256, 128), Image.Resampling.LANCZOS)) for one in large]
    drifts = [measure(root, root, result, None, 0, root).drift for root, result in (large, small)]
    assert drifts[0] == pytest.approx(drifts[1], abs=1e-9)
    assert drifts[0] is not None and drifts[0] > 0.5


def test_drift_of_a_plain_colour_is_the_difference_of_the_colours_and_of_the_luma():
    """Flat pictures have no structure to differ in; SSIM's first factor compares their luma."""
    one, other = np.full((64, 64, 3), (200, 120, 40), np.uint8), np.full((64, 64, 3), (180, 140, 60), np.uint8)
    luma1, luma2 = (float(np.dot(colour[0, 0], [0.299, 0.587, 0.114])) for colour in (one, other))
    light = (2 * luma1 * luma2 + 2.55**2) / (luma1**2 + luma2**2 + 2.55**2)
    colours = Color("srgb", [200 / 255, 120 / 255, 40 / 255]), Color("srgb", [180 / 255, 140 / 255, 60 / 255])
    difference = colours[0].convert("lab-d65").delta_e(colours[1].convert("lab-d65"), method="2000", space="lab-d65")
    found = measure(one, other, other, None, 0, one).drift
    assert found == pytest.approx(1 - light + difference / 100, abs=1e-4)


@pytest.mark.parametrize("size", [(8, 8), (16, 4000), (4000, 16), (17, 19)])
def test_the_thinnest_pictures_can_be_measured(size: tuple[int, int]):
    height, width = max(16, size[0]), max(16, size[1])
    parent = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = measure(parent, parent, parent, rectangle((0, 0, 0.5, 0.5), width, height), 2, parent)
    assert (found.leak_raw, found.noise, found.drift) == (0, 1, 0)


def test_ssim_is_that_of_every_window():
    dice = np.random.default_rng(3)
    one = dice.uniform(0, 255, (20, 30))
    other = (one * 0.7 + dice.normal(0, 20, one.shape)).clip(0, 255)
    c1, c2 = 6.5025, 58.5225
    windows: list[float] = []
    for y in range(13):
        for x in range(23):
            a, b = one[y : y + 8, x : x + 8], other[y : y + 8, x : x + 8]
            covariance = ((a - a.mean()) * (b - b.mean())).mean()
            light = (2 * a.mean() * b.mean() + c1) / (a.mean() ** 2 + b.mean() ** 2 + c1)
            windows.append(light * (2 * covariance + c2) / (a.var() + b.var() + c2))
    assert ssim(one, other) == pytest.approx(np.mean(windows), abs=1e-9)
    assert ssim(one, one) == 1


# Sharma, Wu and Dalal (2005), table 1: L, a, b of two colours and their difference.
PAIRS = [
    (50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425),
    (50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615),
    (50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412),
    (50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669),
    (50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461),
    (50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065),
    (50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492),
    (50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977),
    (50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030),
    (50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000),
    (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630),
    (61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731),
    (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
    (22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373),
    (36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146),
    (90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441),
    (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
    (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377),
    (2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_ciede2000_gives_the_published_differences(pair: tuple[float, ...]):
    one, other = (pair[0], pair[1], pair[2]), (pair[3], pair[4], pair[5])
    assert ciede2000(one, other) == pytest.approx(pair[6], abs=6e-5)
    assert ciede2000(other, one) == pytest.approx(pair[6], abs=6e-5)
