"""Asking a model for an image, and taking what it made: size and quality, the request line, the check of the bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from grabient_assets.errors import ImageError, PromptError, UsageError
from grabient_assets.groups.images.images import CHUNK_PREFIX, put_images, stored
from grabient_assets.ledger.batches import BatchRecord, RequestRecord
from grabient_assets.ledger.settling import Verdict
from grabient_assets.prompting.prompt import Prompt, prompt_digest
from grabient_assets.providers.connect import request_line
from grabient_assets.providers.contract import ImageSpec
from grabient_assets.registry.model import Model
from grabient_assets.store.objects import ObjectStore

SOME_ID = "0" * 48
"""As long as every custom_id of an image."""


QUALITY = "medium"
"""The quality that is asked for when nobody names one."""


def quality_of(wanted: str | None, model: Model) -> str | None:
    """The quality to ask the model for; None: it knows none. Raises UsageError when one is named all the same."""
    known = model.images.qualities if model.images else ()
    if wanted is not None and not known:
        raise UsageError(f"{model.id} knows no qualities; leave out the quality.")
    return wanted or (QUALITY if QUALITY in known else next(iter(known), None))


def image_recipe(purpose: str, recipe: str, model: Model) -> Prompt:
    """What a model is asked for beside the words: `1024x1024` or `1024x1024/high`. Its digest is that of size, quality
    and format. Raises PromptError for a model that makes no images."""
    if model.images is None:
        raise PromptError(f"{model.id} ({model.provider}) makes no images; choose one with the role brush.")
    size, _, quality = recipe.partition("/")
    parameters: dict[str, float | int | str] = {"size": size, **({"quality": quality} if quality else {})}
    if "png" in model.images.formats:
        parameters["format"] = "png"
    return Prompt(
        version=recipe,
        purpose=purpose,
        message=f"an image of {recipe}, as the words say",
        body="",
        parameters=parameters,
        schema={},
        digest=prompt_digest("", {}, parameters),
        text=json.dumps(parameters),
    )


def image_spec(custom_id: str, words: str, recipe: Prompt) -> ImageSpec:
    """The request for an image of these words."""
    wanted: dict[str, Any] = dict(recipe.parameters)
    return ImageSpec(custom_id, words, size=wanted["size"], quality=wanted.get("quality"), format=wanted.get("format"))


def image_line_bytes(recipe: Prompt, model: Model) -> int:
    """The bytes of a request line without its words. Raises RequestRejectedError for a size or quality that the model
    does not make."""
    return len(request_line(image_spec(SOME_ID, "x", recipe), model)) - 1


def taken_image(
    content: bytes,
    made_by: str,
    request: RequestRecord,
    batch: BatchRecord,
    store: ObjectStore,
    origin: Mapping[str, str],
) -> Verdict:
    """The verdict on an image that came; its payload is the StoredImage.

    It is decoded wholly, and stored before its row is: a row never names an object that is not there. A PNG carries the
    `origin`, and model and request, as text chunks, so that a downloaded one leads back.
    """
    from grabient_assets.imaging.picture import read_picture
    from grabient_assets.imaging.text_chunks import with_text_chunks

    try:
        picture = read_picture(content)
        if picture.media_type == "image/png":
            chunks = {**origin, "model": batch.model, "custom_id": request.custom_id}
            content = with_text_chunks(content, {CHUNK_PREFIX + name: text for name, text in chunks.items()})
            picture = read_picture(content)
    except ImageError as error:
        return Verdict("invalid", f"What came is no picture: {error}")
    made_at = batch.ended_at or batch.intended_at
    ids = {"batch_id": batch.batch_id, "custom_id": request.custom_id}
    image = stored(picture, made_by, request.subject, made_at, **ids)
    put_images(store, {image: content})
    return Verdict("succeeded", payload=image)
