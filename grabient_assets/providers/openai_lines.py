"""OpenAI's request and result lines for images and vectors, and Groq's copy of those for vectors. Pure.

Their bodies are those of the single calls `/v1/images/generations`, `/v1/images/edits` and `/v1/embeddings`. An edit
goes as JSON with its images in it: a batch takes no other form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from grabient_assets.providers.asking import address_of, check_image, check_vector, pixels, refusal
from grabient_assets.providers.contract import (
    BAD_IMAGE,
    BAD_VECTOR,
    MODERATED,
    NO_IMAGE,
    ImageInput,
    ImageSpec,
    Result,
    VectorSpec,
)
from grabient_assets.providers.reading import (
    beyond,
    decoded_image,
    decoded_vector,
    inside,
    items,
    needed_tokens,
    text_or_none,
    tokens,
    usage_of,
)
from grabient_assets.registry.model import Model
from grabient_assets.registry.usage import Usage

MAKE, EDIT, EMBED = "/v1/images/generations", "/v1/images/edits", "/v1/embeddings"
MOST_CHARACTERS = 32_000
MOST_MASK_BYTES = 4_000_000
MOST_ADDRESS = 20_971_520
"""Characters of an address, so also of an image that is sent as one."""


def request(spec: ImageSpec | VectorSpec, model: Model) -> tuple[str, dict[str, Any]]:
    """The endpoint and the body. Raises RequestRejectedError when the model cannot take what is asked."""
    if isinstance(spec, VectorSpec):
        return EMBED, _embedding(spec, model)
    if model.provider != "openai":
        raise refusal(spec, model, f"{model.provider} makes no images")
    return (EDIT if spec.images else MAKE), _image(spec, model)


def _embedding(spec: VectorSpec, model: Model) -> dict[str, Any]:
    rules, dimensions = check_vector(spec, model)
    body: dict[str, Any] = {"model": model.id, "input": rules.prefix(spec.task) + spec.text}
    if rules.least < rules.most:  # otherwise there is nothing to choose, and Groq knows no such parameter
        body["dimensions"] = dimensions
    # 8.2 KB for 1,536 numbers, a quarter of what they take as digits.
    body["encoding_format"] = "base64"
    return body


def _image(spec: ImageSpec, model: Model) -> dict[str, Any]:
    check_image(spec, model)
    if len(spec.prompt) > MOST_CHARACTERS:
        raise refusal(spec, model, f"its prompt has {len(spec.prompt)} characters, the model takes {MOST_CHARACTERS}")
    body: dict[str, Any] = {"model": model.id, "prompt": spec.prompt}
    if spec.images:
        body["images"] = [{"image_url": _address(spec, model, image)} for image in spec.images]
    if spec.mask is not None:
        if len(spec.mask.data or b"") > MOST_MASK_BYTES:
            raise refusal(spec, model, f"its mask has more than {MOST_MASK_BYTES} bytes; make it of one colour")
        body["mask"] = {"image_url": _address(spec, model, spec.mask)}
    if pixels(spec, model) is not None:
        body["size"] = spec.size
    if spec.quality is not None:
        body["quality"] = spec.quality
    body["n"] = 1
    if spec.format is not None:
        body["output_format"] = spec.format
    if spec.background is not None:
        body["background"] = spec.background
    return body


def _address(spec: ImageSpec, model: Model, image: ImageInput) -> str:
    address = address_of(image)
    if len(address) > MOST_ADDRESS:
        raise refusal(spec, model, f"an image has {len(address)} characters as text, the model takes {MOST_ADDRESS}")
    return address


def is_made(body: Mapping[str, Any]) -> bool:
    """Whether the body of a success is that of images or vectors, not that of a chat."""
    return isinstance(body.get("data"), list) and "choices" not in body


def _is_vectors(body: Mapping[str, Any]) -> bool:
    """Whether it is that of vectors: they come as a list object; images have the time of their making."""
    return "created" not in body and (body.get("object") == "list" or inside(body, "data", 0, "embedding") is not None)


def made(custom_id: str | None, body: Mapping[str, Any], request_id: str | None) -> Result:
    """The image or the vector in the body of a success. One was asked for, so two are an error as well as none."""
    usage, served = reported_usage(body), text_or_none(body.get("model"))
    result = Result(custom_id, "answered", usage=usage, served_model=served, request_id=request_id)
    data = items(body.get("data"))
    if _is_vectors(body):
        try:
            if len(data) != 1:
                raise ValueError(f"the response holds {len(data)} vectors instead of one")
            return replace(result, vector=decoded_vector(inside(data, 0, "embedding")))
        except ValueError as error:
            return replace(result, fate="errored", error=str(error), error_code=BAD_VECTOR, retryable=True)
    if not data:
        return replace(result, fate="errored", error="the response holds no image", error_code=NO_IMAGE)
    try:
        if len(data) != 1:
            raise ValueError(f"the response holds {len(data)} images instead of one")
        image, media_type = decoded_image(inside(data, 0, "b64_json"))
    except ValueError as error:
        return replace(result, fate="errored", error=str(error), error_code=BAD_IMAGE)
    return replace(result, image=image, media_type=media_type)


def refused(custom_id: str | None, error: object, request_id: str | None) -> Result:
    """What the moderation did not let pass: the request, or the image that was made of it."""
    stage = inside(error, "moderation_details", "moderation_stage")
    categories = items(inside(error, "moderation_details", "categories"))
    message = text_or_none(inside(error, "message")) or "the moderation refused it without a reason"
    return Result(
        custom_id,
        "refused",
        error=message,
        error_code=MODERATED,
        request_id=request_id,
        refused_at="output" if stage == "output" else "input",
        refused_for=tuple(category for category in categories if isinstance(category, str)),
    )


def reported_usage(body: Mapping[str, Any]) -> Usage | None:
    """Text and images of the input are told apart; output is images unless it is told apart as well."""
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return None
    try:
        if _is_vectors(body):
            read = needed_tokens(usage, "prompt_tokens")
            return usage_of(
                whole_input=read, output=0, cached=0, unpriced=beyond(usage.get("total_tokens"), read), said=False
            )
        read, out = needed_tokens(usage, "input_tokens"), tokens(usage, "output_tokens")
        words = tokens(usage, "output_tokens_details", "text_tokens")
        images = tokens(usage, "input_tokens_details", "image_tokens")
        cached = tokens(usage, "input_tokens_details", "cached_tokens")
    except ValueError:
        return None  # an answer is worth more than its receipt: it is stored, its cost is estimated
    return usage_of(
        whole_input=read,
        output=out,
        cached=cached,
        unpriced=beyond(usage.get("total_tokens"), read + out),
        images=images,
        # Which of them were cached is not told. Text is cheaper, so less is saved: the cost is never too low.
        cached_images=max(0, cached - (read - images)),
        made_images=max(0, out - words),
        said=bool(body.get("data")),
    )
