"""Changing a part of an image: the image as it goes to an editor, and what comes back as it is kept.

Editors redraw the whole picture and take a mask as a hint only. So the answer is brought back to the parent's size and
stitched into the parent through the mask: beyond mask and feather band no pixel differs. Both ways are pure functions
of stored bytes, so an answer can be stitched again at any time without another call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from grabient_assets.errors import ImageError
from grabient_assets.imaging.canvas import Canvas, png_of, read_canvas
from grabient_assets.imaging.fit import Fit, fit_for, fitted, fitted_mask, undone
from grabient_assets.imaging.mask import Mask, read_mask
from grabient_assets.imaging.measures import Measures, measure
from grabient_assets.imaging.stitch import feather_for, stitched
from grabient_assets.providers.contract import ImageInput, ImageSpec

if TYPE_CHECKING:
    from grabient_assets.registry.model import ImageRules, Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """How an image goes to an editor. `pad` is left, top, right, bottom in pixels of what is sent; `mask_box` is left,
    top, width, height in pixels of the parent, as are `mask_pixels` and `feather`. `changes` are sentences."""

    sent_width: int
    sent_height: int
    scale: float
    pad: tuple[int, int, int, int]
    mask_pixels: int | None
    mask_box: tuple[int, int, int, int] | None
    feather: int | None
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Retouch:
    """An image, what of it may change (None: everything), and how it goes to an editor. Under `strict` an answer of
    another size than was sent is refused instead of being scaled."""

    parent: bytes
    mask: bytes | None
    handover: Handover
    strict: bool


@dataclass(frozen=True, slots=True)
class Retouched:
    """An answer brought back and stitched: a PNG of the parent's size, its measures, and what else was done to it."""

    png: bytes
    measures: Measures
    changes: tuple[str, ...]


def hand_over(parent: Canvas, mask: Mask | None, rules: ImageRules) -> Handover:
    """How the parent goes to an editor with these rules. Raises ImageError for a picture that no size fits."""
    fit = fit_for(parent.width, parent.height, rules)
    changes = [*parent.changes, *(mask.changes if mask else ())]
    if fit.scale != 1 or any(fit.pad):
        changes.append(
            f"Sent as {fit.sent_width} x {fit.sent_height} instead of {parent.width} x {parent.height} pixels; the "
            "answer is brought back to the size before."
        )
    if parent.has_alpha:
        changes.append("Transparent parts are sent over white; they stay transparent where nothing is changed.")
    return Handover(
        sent_width=fit.sent_width,
        sent_height=fit.sent_height,
        scale=fit.scale,
        pad=fit.pad,
        mask_pixels=mask.pixels if mask else None,
        mask_box=mask.box if mask else None,
        feather=feather_for(parent.width, parent.height) if mask else None,
        changes=tuple(changes),
    )


def with_images(spec: ImageSpec, retouch: Retouch, reference: bytes | None, model: Model) -> ImageSpec:
    """The request with its images: base, then reference, then mask where the model has a place for one. Raises
    ImageError."""
    parent, mask, fit = _opened(retouch)
    images = [ImageInput(data=png_of(fitted(parent.pixels, fit)))]
    if reference is not None:
        images.append(ImageInput(data=png_of(read_canvas(reference).pixels)))
    takes_mask = model.images is not None and model.images.mask != "none"
    sent = ImageInput(data=fitted_mask(mask, fit).png()) if mask and takes_mask else None
    return replace(spec, images=tuple(images), mask=sent)


def retouched(answer: bytes, retouch: Retouch, root: bytes | None) -> Retouched:
    """The answer of an editor as it is kept. Raises ImageError for one that is no picture, has another shape, or under
    `strict` another size. Without the `root` there is no noise and no drift to measure."""
    (parent, mask, fit), came = _opened(retouch), read_canvas(answer)
    changes = list(came.changes)
    if (came.width, came.height) != (fit.sent_width, fit.sent_height):
        sizes = f"{came.width} x {came.height} instead of {fit.sent_width} x {fit.sent_height} pixels"
        if retouch.strict:
            raise ImageError(f"The editor answered with {sizes}, and the size was to be kept strictly.")
        changes.append(f"The editor answered with {sizes}; its picture was scaled.")
    feather = retouch.handover.feather or 0
    back = undone(came.pixels, fit)
    result = stitched(parent.pixels, back, mask, feather)
    first = parent.pixels if root is None else read_canvas(root).pixels
    measures = measure(parent.pixels, back, result, mask, feather, first)
    if root is None:
        measures = replace(measures, noise=None, drift=None)
    return Retouched(png_of(result), measures, tuple(changes))


def _opened(retouch: Retouch) -> tuple[Canvas, Mask | None, Fit]:
    parent, given = read_canvas(retouch.parent), retouch.handover
    mask = None if retouch.mask is None else read_mask(retouch.mask, parent.width, parent.height)
    fit = Fit(parent.width, parent.height, given.sent_width, given.sent_height, given.scale, given.pad)
    return parent, mask, fit
