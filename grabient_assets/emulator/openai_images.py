"""`/v1/images/generations` and `/v1/images/edits` of OpenAI: one body checked and answered."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from typing import Any

from grabient_assets.emulator.answering import Ending, tokens
from grabient_assets.emulator.file_batches import invalid
from grabient_assets.emulator.images import NO_PICTURE, TOKENS_OF_UNSEEN_IMAGE, drawn
from grabient_assets.emulator.openai_inputs import FileBytes, Input, inputs_of
from grabient_assets.emulator.painting.edited import FaultyEdit, edited
from grabient_assets.emulator.painting.picture import painted
from grabient_assets.emulator.wire import Line, Refused, ServedModel
from grabient_assets.errors import ImageError
from grabient_assets.registry.model import ImageRules

KNOWN = (
    *("model", "prompt", "n", "size", "quality", "background", "output_format", "output_compression", "moderation"),
    "user",
)
ONLY_EDITS = ("images", "mask")
NOT_EMULATED = ("stream", "partial_images", "markup", "complexity")
MAX_PROMPT = 32_000
USUAL_SIZES = ("1024x1024", "1024x1536", "1536x1024")
TOKENS_OF_A_SQUARE = {"low": 272, "medium": 1_056, "high": 4_160, "xhigh": 8_320, "max": 16_640}
"""Of 1,024 x 1,024 pixels. The last two are not published where we looked: each is twice the one before."""
REJECTED = "Your request was rejected by the safety system."


def imaged(
    model: ServedModel, key: str, body: dict[str, Any], forced: Ending | None, created: int, files: FileBytes | None
) -> Line:
    """The answer to one body: that of an edit when there are `files`, whose images may be named. Raises Refused."""
    rules = model.images
    if rules is None:
        raise invalid(f"Invalid value: '{model.id}'. This model makes no images.", "model", "invalid_value")
    body = {name: value for name, value in body.items() if value is not None}
    for name in body:
        if name in NOT_EMULATED and body[name] not in (False, 0):
            raise invalid(f"{name}: this emulation does not answer requests with {name}.", name)
        if name not in (*KNOWN, *NOT_EMULATED, *(ONLY_EDITS if files else ())):
            raise invalid(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    prompt, number = _prompt(body), _number(body)
    width, height = _size(body, rules)
    quality = _choice(body, "quality", rules.qualities, "medium")
    background = _choice(body, "background", ("transparent", "opaque"), "opaque")
    _choice(body, "moderation", ("low",), "auto")
    form = _choice(body, "output_format", rules.formats, "png")
    _check_form(body, form, background, rules)
    read, mask = inputs_of(body, rules, files) if files else ([], None)
    if forced in ("refuse_input", "refuse_output", "refusal"):
        raise _moderated("output" if forced == "refuse_output" else "input")
    shown = [*read, mask] if mask else read
    described = json.dumps([model.id, key, prompt, quality, *(hashlib.sha256(one.data).hexdigest() for one in shown)])
    how = forced if isinstance(forced, FaultyEdit) else FaultyEdit()
    width, height = how.answer_size(width, height) if files else (width, height)
    clear = background == "transparent"
    pictures = []
    for place in range(0 if forced in ("no_image", "empty", "garbage") else number):
        seed = f"{described}{place}"
        if read:
            pictures.append(_edited(read, mask, seed, width, height, how.leak, clear))
        elif clear:
            pictures.append(drawn(seed, width, height, transparent=True))
        else:
            pictures.append(painted(model.id, prompt, seed, width, height))
    images = sum(one.tokens for one in read) + (TOKENS_OF_UNSEEN_IMAGE if mask else 0)
    used = _usage(prompt, images, number * tokens_of(quality, width, height))
    document = {
        "created": created,
        "background": background,
        "data": [{"b64_json": text} for text in _spoilt(pictures, number, forced)],
        "output_format": form,
        "quality": quality,
        "size": f"{width}x{height}",
        "usage": used,
    }
    return Line(key, True, {"body": document}, (used["input_tokens"], used["output_tokens"], 0))


def _edited(
    read: list[Input], mask: Input | None, seed: str, width: int, height: int, leak: float, clear: bool
) -> bytes:
    base, *references = (one.data for one in read)
    # A mask at an address is not seen: the whole picture is edited, as without one.
    hole = mask.data if mask and mask.seen else None
    try:
        return edited(base, hole, references, seed, width, height, leak, transparent=clear)
    except ImageError as error:
        raise invalid(f"Invalid image file or mode: {error}", "images", "invalid_image_file") from error


def tokens_of(quality: str, width: int, height: int) -> int:
    """What a picture that is made costs: in proportion to its pixels."""
    return math.ceil(TOKENS_OF_A_SQUARE.get(quality, 1_056) * width * height / 1_048_576)


def _usage(prompt: str, images: int, made: int) -> dict[str, Any]:
    text = tokens(prompt)
    return {
        "input_tokens": text + images,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
        "output_tokens": made,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": made},
        "total_tokens": text + images + made,
    }


def _spoilt(pictures: list[bytes], number: int, forced: Ending | None) -> list[str]:
    """The pictures in base64, as a fault leaves them."""
    if forced == "garbage":
        return [NO_PICTURE] * number
    if forced == "truncated":
        pictures = [picture[: len(picture) // 2] for picture in pictures]
    return [base64.b64encode(picture).decode("ascii") for picture in pictures]


def _moderated(stage: str) -> Refused:
    details = {"moderation_details": {"moderation_stage": stage, "categories": ["violence"]}}
    return Refused(400, "image_generation_user_error", REJECTED, code="moderation_blocked", details=details)


def _prompt(body: dict[str, Any]) -> str:
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        raise invalid("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")
    if not prompt.strip():
        raise invalid("Invalid 'prompt': empty string.", "prompt", "empty_string")
    if len(prompt) > MAX_PROMPT:
        message = f"Invalid 'prompt': string too long. Expected at most {MAX_PROMPT} characters, got {len(prompt)}."
        raise invalid(message, "prompt", "string_above_max_length")
    return prompt


def _number(body: dict[str, Any]) -> int:
    number = body.get("n", 1)
    if type(number) is not int or not 1 <= number <= 10:
        raise invalid("Invalid 'n': integer from 1 to 10 expected.", "n", "invalid_value")
    return number


def _choice(body: dict[str, Any], name: str, choices: tuple[str, ...], usual: str) -> str:
    """The value of a parameter, `usual` for none and for auto."""
    asked = body.get(name, "auto")
    if asked == "auto" and (name != "output_format" or name not in body):
        return usual
    if asked not in choices:
        known = ", ".join(repr(choice) for choice in choices)
        raise invalid(f"Invalid value: {asked!r}. Supported values are: {known}.", name, "invalid_value")
    return asked


def _size(body: dict[str, Any], rules: ImageRules) -> tuple[int, int]:
    asked = body.get("size", "auto")
    if asked == "auto":
        return 1024, 1024
    found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", asked) if isinstance(asked, str) else None
    if found is None:
        raise invalid(f"Invalid value: {asked!r} for size; WIDTHxHEIGHT or auto expected.", "size", "invalid_value")
    width, height = int(found[1]), int(found[2])
    if reason := _unmade(rules, width, height, asked):
        raise invalid(f"Invalid size '{asked}': {reason}.", "size", "invalid_value")
    return width, height


def _unmade(rules: ImageRules, width: int, height: int, asked: str) -> str | None:
    """Why a size is not made."""
    if rules.edge_multiple is None:
        return None if asked in USUAL_SIZES else f"it must be one of {', '.join(USUAL_SIZES)}"
    if width % rules.edge_multiple or height % rules.edge_multiple:
        return f"width and height must be divisible by {rules.edge_multiple}"
    if max(width, height) > (rules.longest_edge or math.inf):
        return f"the longest edge may have {rules.longest_edge} pixels"
    if max(width, height) > (rules.widest_ratio or math.inf) * min(width, height):
        return f"the ratio must be between 1:{rules.widest_ratio} and {rules.widest_ratio}:1"
    if not (rules.least_pixels or 0) <= width * height <= (rules.most_pixels or math.inf):
        return f"it must have {rules.least_pixels} to {rules.most_pixels} pixels"
    return None


def _check_form(body: dict[str, Any], form: str, background: str, rules: ImageRules) -> None:
    if background == "transparent" and (form == "jpeg" or not rules.transparent):
        raise invalid("Transparent background is not supported here.", "background", "invalid_value")
    packing = body.get("output_compression", 100)
    if type(packing) is not int or not 0 <= packing <= 100 or (packing < 100 and form == "png"):
        raise invalid("Invalid 'output_compression': 0 to 100, and 100 for png.", "output_compression")
    if form != "png":
        raise invalid(f"output_format: this emulation draws png only, not {form}.", "output_format")
