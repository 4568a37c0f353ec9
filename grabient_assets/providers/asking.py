"""What every request line has in common, whoever it goes to."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from grabient_assets.errors import RequestRejectedError
from grabient_assets.providers.contract import BatchFile, ImageInput, RequestSpec
from grabient_assets.registry.model import BatchLimits, Effort, Model

# Anthropic's rule, kept at every provider: the others document none.
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def json_line(value: Any) -> bytes:
    """`value` as compact UTF-8 JSON, without a line end. Keys stay in the order they were given."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def check(spec: RequestSpec, model: Model) -> None:
    """Raises RequestRejectedError when `model` cannot take what is asked at all."""
    if not CUSTOM_ID.fullmatch(spec.custom_id):
        raise _refusal(spec, model, "its custom_id must be 1 to 64 of A-Z, a-z, 0-9, _ and -")
    if not 0 < spec.max_output_tokens <= model.max_output_tokens:
        limit = model.max_output_tokens
        raise _refusal(spec, model, f"max_output_tokens is {spec.max_output_tokens}, the model takes 1 to {limit}")
    if spec.image is not None and not model.accepts.images:
        raise _refusal(spec, model, "the model takes no images; ask it without one or choose another model")
    if spec.schema is not None and model.accepts.structured == "json_object" and not _says_json(spec):
        raise _refusal(spec, model, "JSON mode needs the word JSON in the prompt; add it")


def effort(spec: RequestSpec, model: Model) -> Effort | None:
    """The effort to send to `model`, or None to send none."""
    try:
        return model.accepts.effort(spec.effort)
    except ValueError as error:
        raise _refusal(spec, model, str(error)) from None


def budget(spec: RequestSpec, model: Model, least: int) -> int | None:
    """The thinking budget in tokens, checked: at least `least`, and below the whole output."""
    tokens = spec.thinking_budget
    if tokens is None or tokens == 0:
        return tokens
    if not least <= tokens < spec.max_output_tokens:
        reason = f"thinking_budget is {tokens}; it must be at least {least} and below max_output_tokens"
        raise _refusal(spec, model, f"{reason} ({spec.max_output_tokens})")
    return tokens


def base64_of(image: ImageInput) -> str:
    return base64.b64encode(image.data or b"").decode("ascii")


def check_size(batch: BatchFile, limits: BatchLimits, provider: str) -> int:
    """The bytes of all lines with their line ends. Raises RequestRejectedError above the provider's limits."""
    size = sum(map(len, batch.lines)) + len(batch.lines)
    if len(batch.lines) > limits.max_requests or size > limits.max_bytes:
        raise RequestRejectedError(
            provider,
            f"Batch {batch.batch_id} for {batch.model.id} has {len(batch.lines)} requests and {size} bytes; {provider} "
            f"takes at most {limits.max_requests} requests and {limits.max_bytes} bytes. Split it.",
        )
    return size


def _says_json(spec: RequestSpec) -> bool:
    return "json" in f"{spec.system} {spec.text}".lower()


def _refusal(spec: RequestSpec, model: Model, reason: str) -> RequestRejectedError:
    return RequestRejectedError(
        model.provider, f"Request {spec.custom_id!r} cannot be asked of {model.id} ({model.provider}): {reason}."
    )
