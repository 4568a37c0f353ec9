"""The images that an edit at OpenAI is made from: read out of a JSON body, or out of a form."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData, UploadFile

from grabient_assets.emulator.file_batches import invalid
from grabient_assets.emulator.images import TOKENS_OF_UNSEEN_IMAGE, check_address, drawn, has_alpha, image_size
from grabient_assets.emulator.wire import Refused
from grabient_assets.registry.model import ImageRules

MAX_ADDRESS = 20_971_520
MAX_MASK = 4_000_000
MAX_IMAGE = 50_000_000
MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")
SIDE_OF_UNSEEN = 1024
NUMBERS = ("n", "output_compression", "partial_images")
"""Fields that are numbers in JSON. A form has only texts."""
ONLY_JSON = ("images", "moderation")
"""What a form does not have."""
FileBytes = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Input:
    """An image of an edit, and the size of a PNG. Nothing is fetched: a pattern stands for an image at an address,
    which is not `seen`."""

    data: bytes
    size: tuple[int, int] | None = None
    seen: bool = True

    @property
    def tokens(self) -> int:
        """What it costs: one for each square of 32 x 32 pixels."""
        if self.size is None:
            return TOKENS_OF_UNSEEN_IMAGE
        return math.ceil(self.size[0] / 32) * math.ceil(self.size[1] / 32)


def form_body(form: FormData) -> dict[str, Any]:
    """The body of a form as in JSON, with the bytes of its files in the place of objects. Raises Refused.

    The SDK sends one image as `image`, and a list, even of one, as `image[]`.
    """
    body: dict[str, Any] = {}
    for name, value in form.multi_items():
        if name in ("image", "image[]"):
            body.setdefault("images", []).append(_uploaded(value, name))
        elif name in ("mask", "markup"):
            body[name] = _uploaded(value, name)
        elif name in ONLY_JSON:
            raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        elif name in NUMBERS and isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value):
            body[name] = int(value)
        elif name == "stream":
            body[name] = value != "false"
        else:
            body[name] = value
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise invalid("you must provide a model parameter", "model")
    if "images" not in body:
        raise invalid("Missing required parameter: 'image'.", "image", "missing_required_parameter")
    return body


def same_text(body: dict[str, Any]) -> bytes:
    """A text that is the same for equal forms, whose own bytes differ by the boundary."""
    return json.dumps(body, sort_keys=True, default=lambda data: hashlib.sha256(data).hexdigest()).encode()


def _uploaded(part: UploadFile | str, param: str) -> bytes:
    if isinstance(part, str):
        raise invalid(f"Invalid '{param}': a file expected.", param, "invalid_type")
    if part.content_type not in MEDIA_TYPES:
        message = f"Invalid file '{param}': unsupported mimetype ('{part.content_type}'). "
        message += f"Supported file formats are {', '.join(MEDIA_TYPES)}."
        raise invalid(message, param, "unsupported_file_mimetype")
    return part.file.read()


def inputs_of(body: dict[str, Any], rules: ImageRules, files: FileBytes) -> tuple[list[Input], Input | None]:
    """The images of an edit, and its mask. Raises Refused."""
    images = body.get("images")
    if not isinstance(images, list) or not images:
        raise invalid("Missing required parameter: 'images'.", "images", "missing_required_parameter")
    if len(images) > rules.most_inputs:
        message = f"Invalid 'images': array too long. Expected at most {rules.most_inputs}, got {len(images)}."
        raise invalid(message, "images", "array_above_max_length")
    found = [_image(image, f"images[{place}]", files) for place, image in enumerate(images)]
    if any(len(one.data) >= MAX_IMAGE for one in found):
        raise invalid("Invalid image file: each must have less than 50 MB.", "images", "invalid_image_file")
    if "mask" not in body:
        return found, None
    mask = _image(body["mask"], "mask", files)
    _check_mask(mask, found[0].size)
    return found, mask


def _image(given: Any, param: str, files: FileBytes) -> Input:
    """One reference, or the bytes that a form brought."""
    if isinstance(given, bytes):
        return _checked(given, param)
    names = {"image_url", "file_id"} & set(given) if isinstance(given, dict) else set()
    if len(names) != 1 or not isinstance(given[name := names.pop()], str):
        raise invalid(f"Invalid '{param}': an object with image_url or file_id expected.", param, "invalid_type")
    value = given[name]
    if name == "file_id":
        data = files(value)
        if data is None:
            raise Refused(404, "invalid_request_error", f"No such File object: {value}", param=param)
        return _checked(data, param)
    if len(value) > MAX_ADDRESS:
        raise invalid(f"Invalid '{param}': address too long.", param, "string_above_max_length")
    if not value.startswith("data:"):
        try:
            check_address(value)
        except ValueError as error:
            raise invalid(str(error), param, "invalid_image_url") from error
        return Input(drawn(value, SIDE_OF_UNSEEN, SIDE_OF_UNSEEN), seen=False)
    head, _, text = value.partition(",")
    if not re.fullmatch(r"data:image/(png|jpeg|webp);base64", head):
        raise invalid(f"Invalid '{param}': a png, jpeg or webp in base64 expected.", param, "invalid_image_url")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"Invalid '{param}': not valid base64.", param, "invalid_image_url") from error
    return _checked(data, param)


def _checked(data: bytes, param: str) -> Input:
    try:
        return Input(data, image_size(data))
    except ValueError as error:
        raise invalid(f"Invalid image file or mode for {param}: {error}.", param, "invalid_image_file") from error


def _check_mask(mask: Input, base: tuple[int, int] | None) -> None:
    if not mask.seen:
        return
    if mask.size is None or not has_alpha(mask.data):
        message = "Invalid image file or mode for mask: a PNG with an alpha channel expected."
        raise invalid(message, "mask", "invalid_image_file")
    if len(mask.data) >= MAX_MASK:
        raise invalid("Invalid mask: it must have less than 4 MB.", "mask", "invalid_image_file")
    if base is not None and mask.size != base:
        message = f"Invalid mask: its size {mask.size[0]}x{mask.size[1]} is not that of the image, {base[0]}x{base[1]}."
        raise invalid(message, "mask", "invalid_image_file")
