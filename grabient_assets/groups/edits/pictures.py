"""The pictures of one edit: the parent as it goes to the editor, and what comes back as it is kept.

Editors redraw the whole picture and take a mask as a hint only. So the answer is brought back to the parent's size and
stitched into the parent through the mask: beyond mask and feather band no pixel differs. Both ways are pure functions
of stored bytes, so an answer can be stitched again at any time without another call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.errors import ImageError
from grabient_assets.groups.edits.tables import EditInput, EditMeasures, EditRequest
from grabient_assets.imaging.fit import Fit
from grabient_assets.providers.contract import ImageInput, ImageSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from grabient_assets.imaging.canvas import Canvas
    from grabient_assets.imaging.mask import Mask
    from grabient_assets.prompting.prompt import Prompt
    from grabient_assets.registry.model import ImageRules, Model

DEFAULT_FORMAT = "png"


def edit_input(edit_id: str, parent: Canvas, mask: Mask | None, rules: ImageRules) -> EditInput:
    """How the parent goes to an editor with these rules. Raises ImageError for a picture that no size fits."""
    from grabient_assets.imaging.fit import fit_for
    from grabient_assets.imaging.stitch import feather_for

    fit = fit_for(parent.width, parent.height, rules)
    changes = [*parent.changes, *(mask.changes if mask else ())]
    if fit.scale != 1 or any(fit.pad):
        changes.append(
            f"Sent as {fit.sent_width} x {fit.sent_height} instead of {parent.width} x {parent.height} pixels; the "
            "answer is brought back to the size before."
        )
    if parent.has_alpha:
        changes.append("Transparent parts are sent over white; they stay transparent where nothing is changed.")
    return EditInput(
        edit_id=edit_id,
        sent_width=fit.sent_width,
        sent_height=fit.sent_height,
        scale=fit.scale,
        pad=fit.pad,
        mask_pixels=mask.pixels if mask else None,
        mask_box=mask.box if mask else None,
        feather=feather_for(parent.width, parent.height) if mask else None,
        changes=tuple(changes),
    )


def edit_spec(
    custom_id: str,
    request: EditRequest,
    given: EditInput,
    recipe: Prompt,
    model: Model,
    load: Callable[[str], bytes],
) -> ImageSpec:
    """The request: base, then reference, then mask where the model has a place for one. `load` gives the bytes of an
    image by its id and of a mask by its key. Raises ImageError, StoreError."""
    from grabient_assets.imaging.canvas import png_of, read_canvas
    from grabient_assets.imaging.fit import fitted, fitted_mask

    parent = read_canvas(load(request.parent_image))
    fit = _fit(given, parent)
    images = [ImageInput(data=png_of(fitted(parent.pixels, fit)))]
    if request.reference_image is not None:
        images.append(ImageInput(data=png_of(read_canvas(load(request.reference_image)).pixels)))
    mask = None
    if request.mask_key is not None and model.images is not None and model.images.mask != "none":
        region = _mask(load(request.mask_key), parent)
        mask = ImageInput(data=fitted_mask(region, fit).png())
    formats = model.images.formats if model.images else ()
    return ImageSpec(
        custom_id,
        request.message,
        images=tuple(images),
        mask=mask,
        size=request.size,
        quality=request.quality,
        format=DEFAULT_FORMAT if DEFAULT_FORMAT in formats else None,
    )


@dataclass(frozen=True, slots=True)
class Finished:
    """An answer brought back and stitched: a PNG of the parent's size, its measures, and what else was done to it."""

    png: bytes
    measures: EditMeasures
    changes: tuple[str, ...]


def finished(
    answer: bytes, request: EditRequest, given: EditInput, load: Callable[[str], bytes], root: bytes | None
) -> Finished:
    """The answer of an editor as it is kept. Raises ImageError for one that is no picture, has another shape, or under
    a strict size policy another size. Without the `root` there is no noise and no drift to measure."""
    from grabient_assets.imaging.canvas import png_of, read_canvas
    from grabient_assets.imaging.fit import undone
    from grabient_assets.imaging.measures import measure
    from grabient_assets.imaging.stitch import stitched

    parent, came = read_canvas(load(request.parent_image)), read_canvas(answer)
    fit, changes = _fit(given, parent), list(came.changes)
    if (came.width, came.height) != (fit.sent_width, fit.sent_height):
        sizes = f"{came.width} x {came.height} instead of {fit.sent_width} x {fit.sent_height} pixels"
        if request.size_policy == "strict":
            raise ImageError(f"The editor answered with {sizes}, and the size was to be kept strictly.")
        changes.append(f"The editor answered with {sizes}; its picture was scaled.")
    mask = None if request.mask_key is None else _mask(load(request.mask_key), parent)
    feather = given.feather or 0
    back = undone(came.pixels, fit)
    result = stitched(parent.pixels, back, mask, feather)
    first = parent.pixels if root is None else read_canvas(root).pixels
    found = measure(parent.pixels, back, result, mask, feather, first)
    measures = EditMeasures(
        edit_id=request.edit_id,
        leak_raw=found.leak_raw,
        leak_final=found.leak_final,
        inside_change=found.inside_change,
        seam=found.seam,
        noise=None if root is None else found.noise,
        drift=None if root is None else found.drift,
    )
    return Finished(png_of(result), measures, tuple(changes))


def _fit(given: EditInput, parent: Canvas) -> Fit:
    return Fit(parent.width, parent.height, given.sent_width, given.sent_height, given.scale, given.pad)


def _mask(content: bytes, parent: Canvas) -> Mask:
    from grabient_assets.imaging.mask import read_mask

    return read_mask(content, parent.width, parent.height)
