"""The shared rules of all request lines, and JSON schemas reduced to the part that each provider accepts.

Providers refuse (or silently ignore) most keywords that limit values, so those are left out on the wire and the answer
is checked here after it arrived. Only keywords on a provider's list are sent.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from grabient_assets.errors import RequestRejectedError
from grabient_assets.providers.contract import BatchFile, ImageInput, ImageSpec, RequestSpec, Spec, VectorSpec
from grabient_assets.registry.model import BatchLimits, Effort, ImageRules, Model, VectorRules

# Anthropic's rule, kept at every provider: the others document none.
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def json_line(value: Any) -> bytes:
    """`value` as compact UTF-8 JSON, without a line end. Keys stay in the order they were given."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def check(spec: RequestSpec, model: Model) -> None:
    """Raises RequestRejectedError when `model` cannot take the request at all."""
    _check_id(spec, model)
    if not model.token_parameter:
        raise refusal(spec, model, "the model writes no text; choose one with a role that does")
    if not 0 < spec.max_output_tokens <= model.max_output_tokens:
        limit = model.max_output_tokens
        raise refusal(spec, model, f"max_output_tokens is {spec.max_output_tokens}, the model takes 1 to {limit}")
    if spec.images and not model.accepts.images:
        raise refusal(spec, model, "the model takes no images; ask it without one or choose another model")
    if spec.schema is not None and model.accepts.structured == "json_object" and not _mentions_json(spec):
        raise refusal(spec, model, "JSON mode needs the word JSON in the prompt; add it")


def check_image(spec: ImageSpec, model: Model) -> ImageRules:
    """The model's rules for images. Raises RequestRejectedError when it cannot take the request at all."""
    _check_id(spec, model)
    rules = model.images
    if rules is None:
        raise refusal(spec, model, "the model makes no images; choose one with the role brush or editor")
    if not spec.prompt.strip():
        raise refusal(spec, model, "its prompt is empty, and a model paints anything when it is not told what")
    if len(spec.images) > rules.most_inputs:
        raise refusal(spec, model, f"it has {len(spec.images)} images, the model takes at most {rules.most_inputs}")
    if spec.mask is not None and rules.mask == "none":
        raise refusal(spec, model, "the model has no place for a mask; name the region in the prompt")
    if spec.mask is not None and not spec.images:
        raise refusal(spec, model, "a mask needs the image that it lies on")
    if rules.qualities and spec.quality not in (None, *rules.qualities):
        raise refusal(spec, model, f"quality {spec.quality!r} is none of {', '.join(rules.qualities)}")
    if rules.formats and spec.format not in (None, *rules.formats):
        raise refusal(spec, model, f"format {spec.format!r} is none of {', '.join(rules.formats)}")
    if spec.background == "transparent" and (not rules.transparent or spec.format == "jpeg"):
        reason = "jpeg has no transparency" if rules.transparent else "the model makes no transparent images"
        raise refusal(spec, model, f"{reason}; leave the background out")
    return rules


def check_vector(spec: VectorSpec, model: Model) -> tuple[VectorRules, int]:
    """The model's rules for vectors, and the dimensions to ask for. Raises RequestRejectedError when it cannot take the
    request."""
    _check_id(spec, model)
    rules = model.vectors
    if rules is None:
        raise refusal(spec, model, "the model makes no vectors; choose one with the role embedder")
    if not spec.text.strip():
        raise refusal(spec, model, "its text is empty")
    dimensions = rules.default if spec.dimensions is None else spec.dimensions
    if not rules.least <= dimensions <= rules.most:
        raise refusal(spec, model, f"{dimensions} dimensions are not between {rules.least} and {rules.most}")
    return rules, dimensions


_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_CLASSES = {"1K": 1024, "2K": 2048, "4K": 4096}
FARTHEST_RATIO = 1.1
"""How many times wider or narrower than asked for an image may be of a model that knows only some ratios."""


def pixels(spec: ImageSpec, model: Model) -> tuple[int, int] | None:
    """Width and height that are asked for; None when nothing is. Raises RequestRejectedError when they are no size, or
    one that the model does not make."""
    if spec.size is None:
        return None
    found = _SIZE.fullmatch(spec.size)
    if found is None:
        raise refusal(spec, model, f"size {spec.size!r} is none; write it as 1024x1024")
    width, height = int(found[1]), int(found[2])
    if model.images is not None and (reason := _not_made(model.images, width, height)):
        raise refusal(spec, model, f"size {spec.size} is not made: {reason}")
    return width, height


def _not_made(rules: ImageRules, width: int, height: int) -> str | None:
    """Why a model with free sizes does not make this one."""
    multiple, longest, widest = rules.edge_multiple, rules.longest_edge, rules.widest_ratio
    least, most = rules.least_pixels, rules.most_pixels
    if multiple is None or longest is None or widest is None or least is None or most is None:
        return None
    if width % multiple or height % multiple:
        return f"both edges must be multiples of {multiple}"
    if max(width, height) > longest:
        return f"no edge may have more than {longest} pixels"
    if max(width, height) > widest * min(width, height):
        return f"one edge may be at most {widest} times as long as the other"
    if not least <= width * height <= most:
        return f"it must have {least} to {most} pixels"
    return None


def ratio_and_class(spec: ImageSpec, model: Model) -> tuple[str, str] | None:
    """The nearest ratio and the least class of size (1K, 2K, 4K) that holds as many pixels as are asked for."""
    asked = pixels(spec, model)
    if asked is None or model.images is None:
        return None
    width, height = asked

    def farness(ratio: str) -> float:
        across, down = map(int, ratio.split(":"))
        return abs(math.log(float(Fraction(width * down, height * across))))

    nearest = min(model.images.ratios, key=farness)
    if farness(nearest) > math.log(FARTHEST_RATIO):
        raise refusal(spec, model, f"size {spec.size} is near to none of the ratios {', '.join(model.images.ratios)}")
    for name in model.images.sizes:
        if width * height <= _CLASSES[name] ** 2:
            return nearest, name
    raise refusal(spec, model, f"size {spec.size} is larger than {model.images.sizes[-1]}, the most that it makes")


def effort(spec: RequestSpec | ImageSpec, model: Model) -> Effort | None:
    """The effort to send to `model`, or None to send none."""
    try:
        return model.accepts.effort(spec.effort)
    except ValueError as error:
        raise refusal(spec, model, str(error)) from None


def budget(spec: RequestSpec, model: Model, least: int) -> int | None:
    """The thinking budget in tokens, checked: at least `least`, and below the whole output."""
    tokens = spec.thinking_budget
    if tokens is None or tokens == 0:
        return tokens
    if not least <= tokens < spec.max_output_tokens:
        reason = f"thinking_budget is {tokens}; it must be at least {least} and below max_output_tokens"
        raise refusal(spec, model, f"{reason} ({spec.max_output_tokens})")
    return tokens


def refusal(spec: Spec, model: Model, reason: str) -> RequestRejectedError:
    """The error that explains why the model cannot take the request. An id of zeros stands for any request, which is
    looked at before there is one: it names nothing."""
    what = f"Request {spec.custom_id!r}" if spec.custom_id.strip("0") else "This"
    return RequestRejectedError(model.provider, f"{what} cannot be asked of {model.id} ({model.provider}): {reason}.")


def base64_of(image: ImageInput) -> str:
    return base64.b64encode(image.data or b"").decode("ascii")


def address_of(image: ImageInput) -> str:
    """Its address, or the bytes as one."""
    return image.url or f"data:{image.media_type};base64,{base64_of(image)}"


def check_size(batch: BatchFile, limits: BatchLimits, provider: str) -> int:
    """The bytes of all lines with their line ends. Raises RequestRejectedError above the provider's limits, and for a
    model that has no batches."""
    if "batch" not in batch.model.deliveries:
        raise RequestRejectedError(
            provider, f"Batch {batch.batch_id}: {batch.model.id} ({provider}) has no batches. Ask it by direct calls."
        )
    size = sum(map(len, batch.lines)) + len(batch.lines)
    if len(batch.lines) > limits.max_requests or size > limits.max_bytes:
        raise RequestRejectedError(
            provider,
            f"Batch {batch.batch_id} for {batch.model.id} has {len(batch.lines)} requests and {size} bytes; {provider} "
            f"takes at most {limits.max_requests} requests and {limits.max_bytes} bytes. Split it.",
        )
    return size


def _mentions_json(spec: RequestSpec) -> bool:
    return "json" in f"{spec.system} {spec.text}".lower()


def _check_id(spec: Spec, model: Model) -> None:
    if not CUSTOM_ID.fullmatch(spec.custom_id):
        raise refusal(spec, model, "its custom_id must be 1 to 64 of A-Z, a-z, 0-9, _ and -")


# platform.claude.com, structured outputs, and the strict mode of OpenAI and Groq: no bounds on numbers, strings, lists.
_STRICT = frozenset(
    {"type", "properties", "required", "items", "enum", "const", "anyOf", "$ref", "$defs", "description"}
    | {"additionalProperties"}
)
# google/genai/types.py, response_json_schema.
_GEMINI = _STRICT | {
    "title",
    "format",
    "prefixItems",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "oneOf",
    "$id",
    "$anchor",
}

_MAPS_OF_SCHEMAS = ("properties", "$defs")
_LISTS_OF_SCHEMAS = ("anyOf", "oneOf", "prefixItems")


def for_anthropic(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Closed objects; properties may be optional."""
    return _cut(schema, _STRICT, closed=True, strict=False)


def for_strict_chat(schema: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAI and Groq, strict: closed objects with every property required; optional ones may be null instead."""
    return _cut(schema, _STRICT, closed=True, strict=True)


def for_gemini(schema: Mapping[str, Any]) -> dict[str, Any]:
    return _cut(schema, _GEMINI, closed=False, strict=False)


def _cut(schema: Mapping[str, Any], allowed: frozenset[str], *, closed: bool, strict: bool) -> dict[str, Any]:
    def cut(part: Any) -> Any:
        return _cut(part, allowed, closed=closed, strict=strict) if isinstance(part, Mapping) else part

    out: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword not in allowed:
            continue
        if keyword in _MAPS_OF_SCHEMAS:
            out[keyword] = {name: cut(part) for name, part in value.items()}
        elif keyword in _LISTS_OF_SCHEMAS:
            out[keyword] = [cut(part) for part in value]
        else:
            out[keyword] = cut(value)
    if "properties" not in out:
        return out
    if closed:
        out["additionalProperties"] = False
    if strict:
        required = set(schema.get("required", ()))
        for name, part in out["properties"].items():
            if name not in required:
                out["properties"][name] = _or_null(part)
        out["required"] = list(out["properties"])
    return out


def _or_null(part: dict[str, Any]) -> dict[str, Any]:
    """The same schema, with null as a further value."""
    if "type" not in part or "const" in part:
        return {"anyOf": [part, {"type": "null"}]}
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    if "null" in types:
        return part
    out = part | {"type": [*types, "null"]}
    if "enum" in part:
        out["enum"] = [*part["enum"], None]
    return out
