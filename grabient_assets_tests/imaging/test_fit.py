"""How pictures of any size go to editors, and come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.errors import ImageError
from grabient_assets.imaging.canvas import read_canvas
from grabient_assets.imaging.fit import Fit, fit_for, fitted, fitted_mask, undone
from grabient_assets.imaging.mask import Mask, rectangle
from grabient_assets.providers.contract import ImageSpec
from grabient_assets.providers.request_rules import pixels as checked_size
from grabient_assets.providers.request_rules import ratio_and_class
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import ImageRules, Model
from grabient_assets_tests.imaging.painted import noise, turned

REGISTRY = load_registry()
FREE = REGISTRY.model("openai", "gpt-image-2.5-sunburst")
RATIOS = REGISTRY.model("google", "gemini-nano-banana-2.1")
SMALL_RATIOS = REGISTRY.model("google", "gemini-3.1-flash-lite-image")
SIDES = st.integers(16, 4000)


def rules(model: Model) -> ImageRules:
    assert model.images is not None
    return model.images


def check_taken(fit: Fit, model: Model) -> None:
    """The real rules of requests take what is sent, and the picture lies wholly in it."""
    spec = ImageSpec("0" * 20, "a cat", size=f"{fit.sent_width}x{fit.sent_height}")
    assert checked_size(spec, model) == (fit.sent_width, fit.sent_height)
    left, top, right, bottom = fit.pad
    assert min(fit.pad) >= 0
    for side, sent, pads in ((fit.width, fit.sent_width, left + right), (fit.height, fit.sent_height, top + bottom)):
        assert sent - pads == pytest.approx(max(1, side * fit.scale), abs=1)


@settings(deadline=None)
@given(SIDES, SIDES)
def test_any_size_goes_to_an_editor_with_free_sizes(width: int, height: int):
    fit = fit_for(width, height, rules(FREE))
    check_taken(fit, FREE)
    assert fit.sent_width % 16 == fit.sent_height % 16 == 0
    assert 1 / 3 <= fit.sent_width / fit.sent_height <= 3
    assert (fit.width, fit.height) == (width, height)


@settings(deadline=None)
@given(SIDES, SIDES, st.sampled_from([RATIOS, SMALL_RATIOS]))
def test_any_size_goes_to_an_editor_with_ratios(width: int, height: int, model: Model):
    fit = fit_for(width, height, rules(model))
    check_taken(fit, model)
    ratio, size = ratio_and_class(
        ImageSpec("0" * 20, "a cat", size=f"{fit.sent_width}x{fit.sent_height}"), model
    ) or pytest.fail("nothing is asked for")
    across, down = map(int, ratio.split(":"))
    assert fit.sent_width * down == fit.sent_height * across
    assert size in rules(model).sizes
    assert fit.scale <= 1


@pytest.mark.parametrize("model", [FREE, RATIOS, SMALL_RATIOS])
@pytest.mark.parametrize("size", [(16, 16), (16, 4_000_000), (4_000_000, 16), (8_000, 8_000), (1_000, 64_000)])
def test_the_smallest_and_the_thinnest_that_are_taken_go_to_every_editor(size: tuple[int, int], model: Model):
    check_taken(fit_for(*size, rules(model)), model)


@pytest.mark.parametrize(
    ("width", "height", "sent", "scale", "pad"),
    [
        (1024, 1024, (1024, 1024), 1.0, (0, 0, 0, 0)),
        (3840, 2160, (3840, 2160), 1.0, (0, 0, 0, 0)),
        (1000, 750, (1008, 752), 1.0, (4, 1, 4, 1)),
        (512, 512, (816, 816), 816 / 512, (0, 0, 0, 0)),
        (440, 100, (1408, 480), 3.2, (0, 80, 0, 80)),
        (200, 1000, (480, 1408), 1.408, (99, 0, 99, 0)),
        (8000, 8000, (2880, 2880), 0.36, (0, 0, 0, 0)),
        (16, 4000, (1280, 3840), 0.96, (632, 0, 633, 0)),
    ],
)
def test_the_scale_stays_as_near_to_1_as_free_sizes_allow(
    width: int, height: int, sent: tuple[int, int], scale: float, pad: tuple[int, int, int, int]
):
    assert fit_for(width, height, rules(FREE)) == Fit(width, height, *sent, scale, pad)


@pytest.mark.parametrize(
    ("width", "height", "sent", "size", "scale"),
    [
        (1024, 1024, (1024, 1024), ("1:1", "1K"), 1.0),
        (1000, 750, (1000, 750), ("4:3", "1K"), 1.0),
        (440, 100, (441, 189), ("21:9", "1K"), 1.0),
        (1025, 1025, (1025, 1025), ("1:1", "2K"), 1.0),
        (200, 1000, (567, 1008), ("9:16", "1K"), 1.0),
        (3840, 2160, (3840, 2160), ("16:9", "4K"), 1.0),
        (8000, 8000, (4096, 4096), ("1:1", "4K"), 0.512),
        (16, 4000, (2250, 4000), ("9:16", "4K"), 1.0),
    ],
)
def test_ratios_have_the_least_class_that_holds_the_picture(
    width: int, height: int, sent: tuple[int, int], size: tuple[str, str], scale: float
):
    fit = fit_for(width, height, rules(RATIOS))
    assert ((fit.sent_width, fit.sent_height), fit.scale) == (sent, scale)
    assert ratio_and_class(ImageSpec("0" * 20, "a cat", size=f"{sent[0]}x{sent[1]}"), RATIOS) == size


def test_rules_that_nothing_fits_are_told():
    impossible = ImageRules(1, "none", False, edge_multiple=16, longest_edge=64, least_pixels=10_000, widest_ratio=3)
    with pytest.raises(ImageError) as refused:
        fit_for(40, 30, impossible)
    assert str(refused.value) == "A picture of 40 x 30 pixels fits no size of the editor. Choose another editor."


def smooth(width: int, height: int) -> np.ndarray:
    """Gradients that survive scaling: left to right, top to bottom, and both."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.dstack([x, y, (x + y) / 2]).round().astype(np.uint8)


@settings(deadline=None, max_examples=30)
@given(st.integers(16, 1200), st.integers(16, 1200), st.sampled_from([FREE, RATIOS]))
def test_what_is_sent_comes_back_at_its_size(width: int, height: int, model: Model):
    fit = fit_for(width, height, rules(model))
    picture = smooth(width, height)
    sent = fitted(picture, fit)
    assert sent.shape == (fit.sent_height, fit.sent_width, 3)
    back = undone(sent, fit)
    assert back.shape == (height, width, 3)
    assert np.abs(back.astype(int) - picture).mean() < 2
    if fit.scale == 1:
        assert np.array_equal(back, picture)


def test_every_size_of_the_acceptance_comes_back():
    for width, height in ((1000, 750), (200, 1000), (440, 100), (512, 512), (16, 4000), (4000, 3000)):
        fit = fit_for(width, height, rules(FREE))
        assert undone(fitted(smooth(width, height), fit), fit).shape == (height, width, 3)
    canvas = read_canvas(turned(1000, 750))
    fit = fit_for(canvas.width, canvas.height, rules(FREE))
    assert (fit.sent_width, fit.sent_height) == (752, 1008)
    assert np.array_equal(undone(fitted(canvas.pixels, fit), fit), canvas.pixels[:, :, :3])


def test_padding_repeats_the_edge_and_alpha_lies_over_white():
    fit = Fit(40, 30, 48, 48, 1.0, (3, 9, 5, 9))
    rgba = np.dstack([noise(), np.full((30, 40), 255, dtype=np.uint8)])
    rgba[0, 0] = (9, 9, 9, 0)
    sent = fitted(rgba, fit)
    assert np.array_equal(sent[10:39, 3:43], noise()[1:])
    assert (sent[:10, :4] == 255).all()
    assert (sent[39:, 43:] == noise()[-1, -1]).all()
    assert np.array_equal(sent[20, :3], np.repeat(noise()[11, :1], 3, axis=0))


def test_an_answer_of_another_size_and_the_same_shape_is_the_sent_picture_scaled():
    fit = fit_for(1000, 750, rules(FREE))
    assert fit.pad == (4, 1, 4, 1)
    picture = smooth(1000, 750)
    large = fitted(picture, fit).repeat(2, axis=0).repeat(2, axis=1)
    back = undone(large, fit)
    assert back.shape == (750, 1000, 3)
    assert np.abs(back.astype(int) - picture).max() <= 2
    assert undone(large[:, : round(2016 * 0.985)], fit).shape == (750, 1000, 3)


@pytest.mark.parametrize(("width", "height"), [(1024, 1024), (750, 1000), (1056, 752), (1008, 792)])
def test_an_answer_of_another_shape_is_refused(width: int, height: int):
    fit = fit_for(1000, 750, rules(FREE))
    with pytest.raises(ImageError) as refused:
        undone(smooth(width, height), fit)
    assert str(refused.value) == (
        f"The editor was sent 1008 x 752 pixels and answered with {width} x {height}, which is another shape and "
        "cannot be laid over the picture. Edit again, or choose another editor."
    )


def test_the_mask_follows_the_picture_and_padding_may_not_change():
    fit = fit_for(1000, 750, rules(FREE))
    mask = rectangle((0, 0, 0.5, 0.5), 1000, 750)
    sent = fitted_mask(mask, fit)
    assert sent.flags.shape == (752, 1008)
    assert sent.box == (4, 1, 500, 375)
    assert sent.pixels == mask.pixels
    everything = fitted_mask(rectangle((0, 0, 1, 1), 1000, 750), fit)
    assert everything.pixels == 1000 * 750
    assert everything.changes == ("The mask lets every pixel change: nothing of the picture is kept.",)


@settings(deadline=None, max_examples=30)
@given(st.integers(16, 4000), st.integers(16, 4000), st.data())
def test_a_mask_of_one_pixel_is_never_lost(width: int, height: int, data: st.DataObject):
    flags = np.zeros((height, width), dtype=bool)
    flags[data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))] = True
    fit = fit_for(width, height, rules(FREE))
    assert fitted_mask(Mask(flags), fit).pixels >= 1


def test_a_mask_that_scaling_down_would_lose_keeps_its_place():
    flags = np.zeros((4000, 8000), dtype=bool)
    flags[2001, 4001] = True
    fit = Fit(8000, 4000, 800, 480, 0.1, (0, 40, 0, 40))
    assert fitted_mask(Mask(flags), fit).box == (400, 240, 1, 1)
