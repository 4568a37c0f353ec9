"""Gemini models that make images: one GenerateContentRequest checked and answered with an image."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from typing import Any

from grabient_assets.emulator.answering import THINKING_TOKENS, Ending, tokens
from grabient_assets.emulator.google_requests import invalid, question_of
from grabient_assets.emulator.images import NO_PICTURE, image_size
from grabient_assets.emulator.painting.edited import FaultyEdit, edited, rectangle_mask
from grabient_assets.emulator.painting.picture import painted
from grabient_assets.emulator.questions import Question, asked_object, digest
from grabient_assets.emulator.wire import Line, ServedModel
from grabient_assets.errors import ImageError
from grabient_assets.registry.model import ImageRules

EDGES = {"1K": 1024, "2K": 2048, "4K": 4096}
"""The edge of a square of each class. Other ratios have about as many pixels."""
TOKENS = {"1K": 1_120, "2K": 1_120, "4K": 3_760}
MEDIA_TYPES = ("image/png", "image/jpeg", "image/webp")
EDGE_MULTIPLE = 16
WORDS = "Here is the image."


def image_line(model: ServedModel, rules: ImageRules, request: Any, key: str, ending: Ending | None) -> Line:
    """The response to one request (keys in camelCase). Raises Refused."""
    question = question_of(model.id, key, request, makes_images=True)
    config = request.get("generationConfig") or {}
    if question.json_only:
        raise invalid(f"JSON mode is not enabled for models/{model.id}")
    if not question.text.strip():
        raise invalid("* GenerateContentRequest.contents: the prompt has no text")
    modalities = [kind.upper() for kind in config.get("responseModalities") or ("TEXT", "IMAGE")]
    if "IMAGE" not in modalities:
        raise invalid(f"response_modalities: models/{model.id} answers with images; name IMAGE.")
    width, height, size = _size(config.get("imageConfig") or {}, rules)
    inputs = _inputs(request, rules)
    described = "\x1f".join((model.id, key, question.text, *(name for _, name in inputs)))

    def picture() -> bytes:
        if inputs:
            return _edited([data for data, _ in inputs], question.text, described, (width, height), ending)
        return painted(model.id, question.text, described, width, height)

    words = WORDS if "TEXT" in modalities else ""
    return Line(key, True, _response(question, picture, words, TOKENS[size], ending))


def _size(config: Any, rules: ImageRules) -> tuple[int, int, str]:
    """Width, height and class of the image that is asked for."""
    if not isinstance(config, dict):
        raise invalid("Invalid value at 'generation_config.image_config'")
    for name in config:
        if name not in ("aspectRatio", "imageSize"):
            raise invalid(
                f"Invalid JSON payload received. Unknown name \"{name}\" at 'generation_config.image_config'."
            )
    ratio, size = config.get("aspectRatio") or "1:1", config.get("imageSize") or "1K"
    if ratio not in rules.ratios:
        raise invalid(f"Invalid aspect ratio {ratio!r}. Supported are {', '.join(rules.ratios)}.")
    if size not in rules.sizes:
        raise invalid(f"Invalid image size {size!r}. Supported are {', '.join(rules.sizes)}.")
    across, down = map(int, ratio.split(":"))
    root = math.sqrt(across / down)
    return _edge(EDGES[size] * root), _edge(EDGES[size] / root), size


def _edge(length: float) -> int:
    return round(length / EDGE_MULTIPLE) * EDGE_MULTIPLE


def _edited(images: list[bytes], text: str, described: str, asked: tuple[int, int], ending: Ending | None) -> bytes:
    """The first image, edited with the others. Raises Refused for one that cannot be decoded."""
    how = ending if isinstance(ending, FaultyEdit) else FaultyEdit()
    width, height = how.answer_size(*asked)
    region = region_of(text)
    mask = None if region is None else rectangle_mask(region, width, height)
    try:
        return edited(images[0], mask, images[1:], described, width, height, how.leak)
    except ImageError as error:
        raise invalid(f"Unable to process input image. {error}") from error


def region_of(prompt: str) -> tuple[float, float, float, float] | None:
    """x, y, width and height in percent, as a JSON object in the prompt says them under `region`; None: the whole
    picture. Google has no field for it, so a model reads it there, and overlooks what is no region."""
    said = asked_object(prompt, lambda found: "region" in found).get("region")
    numbers = said.replace("%", "").split(",") if isinstance(said, str) else []
    try:
        x, y, width, height = map(float, numbers)
    except ValueError:
        return None
    inside = 0 <= x < 100 and 0 <= y < 100 and 0 < width <= 100 and 0 < height <= 100
    return (x, y, width, height) if inside else None


def _inputs(request: dict[str, Any], rules: ImageRules) -> list[tuple[bytes, str]]:
    """The images of a request, each with what stands for it in a text. Raises Refused for one that is none, and for
    too many."""
    parts = [part for content in request["contents"] for part in content.get("parts") or []]
    found = [part["inlineData"] for part in parts if part.get("inlineData")]
    if any(part.get("fileData") for part in parts):
        raise invalid("file_data: this emulation reads images that are in the request only.")
    if len(found) > rules.most_inputs:
        raise invalid(f"The request has {len(found)} images; the model takes at most {rules.most_inputs}.")
    return [_input(data) for data in found]


def _input(data: dict[str, Any]) -> tuple[bytes, str]:
    if data.get("mimeType") not in MEDIA_TYPES:
        raise invalid(f"Unsupported MIME type: {data.get('mimeType')}")
    text = data.get("data")
    # Google reads both alphabets of base64; its SDK writes the one for addresses.
    text = text.replace("-", "+").replace("_", "/") if isinstance(text, str) else ""
    try:
        content = base64.b64decode(text, validate=True)
        image_size(content)
    except (binascii.Error, ValueError) as error:
        raise invalid(f"Unable to process input image. {error}") from error
    return content, f"{digest(text):x}"


def _response(
    question: Question, picture: Callable[[], bytes], words: str, made: int, ending: Ending | None
) -> dict[str, Any]:
    prompt = tokens(question.system) + tokens(question.text)
    images = question.image_tokens
    read = [{"modality": "TEXT", "tokenCount": prompt}]
    if images:
        read.append({"modality": "IMAGE", "tokenCount": images})
    usage: dict[str, Any] = {"promptTokenCount": prompt + images, "promptTokensDetails": read}
    common = {
        "usageMetadata": usage,
        "modelVersion": question.model,
        "responseId": f"{digest('response', question.model, question.custom_id) % 10**20:020d}",
    }
    if ending in ("refuse_input", "refusal"):
        usage["totalTokenCount"] = prompt + images
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **common}
    reason, parts = _outcome(picture, words, ending)
    written = sum(tokens(part["text"]) for part in parts if "text" in part)
    made = made if any("inlineData" in part for part in parts) else 0
    thinking = THINKING_TOKENS[question.effort]
    usage |= {"candidatesTokenCount": written + made, "totalTokenCount": prompt + images + written + made + thinking}
    if made:
        usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": made}]
    if thinking:
        usage["thoughtsTokenCount"] = thinking
    content = {"role": "model", **({"parts": parts} if parts else {})}
    return {"candidates": [{"content": content, "finishReason": reason, "index": 0}], **common}


def _outcome(picture: Callable[[], bytes], words: str, ending: Ending | None) -> tuple[str, list[dict[str, Any]]]:
    """Why the answer ends, and its parts. The picture is made only when it is sent."""
    if ending == "refuse_output":
        return "IMAGE_SAFETY", []
    if ending in ("no_image", "empty"):
        return "NO_IMAGE", [{"text": "I can describe it, but I made no image of it."}] if ending == "no_image" else []
    if ending == "truncated":
        return "MAX_TOKENS", []
    data = NO_PICTURE if ending == "garbage" else base64.b64encode(picture()).decode("ascii")
    image: dict[str, Any] = {"inlineData": {"mimeType": "image/png", "data": data}}
    return "STOP", [*([{"text": words}] if words else []), image]
