"""Where the answer of an editor is taken, where it fades, and that nothing changes beyond."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from grabient_assets.imaging.mask import Mask
from grabient_assets.imaging.stitch import beyond, feather_for, stitched


def picture(width: int, height: int, seed: int, channels: int = 4) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def distance(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Chebyshev distance to the nearest pixel of the mask, one pixel at a time."""
    rows, columns = np.indices(flags.shape)
    marked = np.argwhere(flags)
    return np.min([np.maximum(abs(rows - y), abs(columns - x)) for y, x in marked], axis=0)


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    """Up to four blocks anywhere, also at the edges."""
    height, width = draw(st.integers(16, 40)), draw(st.integers(16, 40))
    flags = np.zeros((height, width), dtype=bool)
    for _ in range(draw(st.integers(1, 4))):
        y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        flags[y : y + draw(st.integers(1, 20)), x : x + draw(st.integers(1, 20))] = True
    return Mask(flags)


@settings(deadline=None, max_examples=60)
@given(masks(), st.integers(0, 9), st.integers(0, 99), st.sampled_from([3, 4]))
def test_beyond_the_band_not_one_byte_differs_and_inside_is_the_answer(
    mask: Mask, feather: int, seed: int, channels: int
):
    height, width = mask.flags.shape
    parent, answer = picture(width, height, seed, channels), picture(width, height, seed + 1, 3)
    result = stitched(parent, answer, mask, feather)
    far = distance(mask.flags) > feather
    assert np.array_equal(beyond(mask, feather), far)
    assert result.shape == (height, width, 4)
    assert np.array_equal(result[far][:, :channels], parent[far])
    assert np.array_equal(result[mask.flags][:, :3], answer[mask.flags])
    assert (result[mask.flags][:, 3] == 255).all()


@settings(deadline=None, max_examples=30)
@given(masks(), st.integers(1, 9), st.integers(0, 99))
def test_in_the_band_an_opaque_parent_blends_linearly(mask: Mask, feather: int, seed: int):
    height, width = mask.flags.shape
    parent, answer = picture(width, height, seed), picture(width, height, seed + 1, 3)
    parent[:, :, 3] = 255
    result = stitched(parent, answer, mask, feather)
    share = np.clip(1 - distance(mask.flags) / (feather + 1), 0, 1)[:, :, None]
    expected = share * answer + (1 - share) * parent[:, :, :3]
    # The opacity has 8 bits, and the result too.
    assert np.abs(result[:, :, :3] - expected).max() <= 1.01
    assert (result[:, :, 3] == 255).all()


def test_the_edge_fades_by_equal_steps():
    flags = np.zeros((16, 32), dtype=bool)
    flags[:, :10] = True
    parent = np.zeros((16, 32, 4), dtype=np.uint8)
    parent[:, :, 3] = 255
    result = stitched(parent, np.full((16, 32, 3), 200, dtype=np.uint8), Mask(flags), 3)
    assert result[8, 8:15, 0].tolist() == [200, 200, 150, 100, 50, 0, 0]


def test_a_transparent_parent_becomes_opaque_inside_and_fades_without_its_colour():
    """The hidden green of transparent pixels is kept, and never shows."""
    flags = np.zeros((16, 32), dtype=bool)
    flags[:, :10] = True
    parent = np.full((16, 32, 4), (0, 255, 0, 0), dtype=np.uint8)
    result = stitched(parent, np.full((16, 32, 3), 200, dtype=np.uint8), Mask(flags), 3)
    assert result[8, 8:15, 3].tolist() == [255, 255, 191, 128, 64, 0, 0]
    assert (result[:, :13, :3] == 200).all()
    assert (result[:, 13:] == (0, 255, 0, 0)).all()


@pytest.mark.parametrize("channels", [3, 4])
def test_without_a_mask_it_is_the_answer_everywhere(channels: int):
    parent, answer = picture(20, 16, 1, channels), picture(20, 16, 2, 3)
    result = stitched(parent, answer, None, 4)
    assert np.array_equal(result[:, :, :3], answer)
    assert (result[:, :, 3] == 255).all()


def test_parent_and_answer_are_left_as_they_were():
    flags = np.zeros((16, 20), dtype=bool)
    flags[4:9, 4:9] = True
    parent, answer = picture(20, 16, 1), picture(20, 16, 2, 3)
    stitched(parent, answer, Mask(flags), 2)
    assert np.array_equal(parent, picture(20, 16, 1)) and np.array_equal(answer, picture(20, 16, 2, 3))
    assert flags.sum() == 25


@pytest.mark.parametrize(
    ("width", "height", "band"), [(16, 16, 2), (320, 4000, 2), (1024, 1024, 8), (1000, 750, 6), (8000, 8000, 62)]
)
def test_the_band_is_a_hundred_and_twenty_eighth_of_the_shorter_side(width: int, height: int, band: int):
    assert feather_for(width, height) == band


def test_the_band_of_the_largest_picture_is_exact():
    """62 steps at an edge and a corner, as 8,000 x 8,000 have them."""
    flags = np.zeros((200, 300), dtype=bool)
    flags[:3, 290:] = True
    assert (~beyond(Mask(flags), 62)).sum() == (3 + 62) * (10 + 62)
