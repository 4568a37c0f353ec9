"""What the Anthropic Messages API refuses in a batch request (provider fact sheet, sections 1.3 to 1.6).

The real API checks `params` only while the batch runs, so these refusals become `errored` lines at the end.
"""

from __future__ import annotations

import re
from typing import Any

from grabient_assets.emulator.wire import Refused

SAMPLING_GONE_SINCE = "2026-10-21"
SAMPLING = ("temperature", "top_p", "top_k")
KNOWN = frozenset(
    [
        "model",
        "max_tokens",
        "messages",
        "system",
        "metadata",
        "stop_sequences",
        "thinking",
        "output_config",
        "tools",
        "tool_choice",
        "service_tier",
        "cache_control",
        "container",
        "diagnostics",
        "inference_geo",
        "user_profile_id",
        "workspace_id",
        "temperature",
        "top_p",
        "top_k",
        "context_management",
        "mcp_servers",
    ]
)
EFFORTS = ("low", "medium", "high", "xhigh", "max")
UNSUPPORTED_KEYWORDS = ("minimum", "maximum", "multipleOf", "minLength", "maxLength", "maxItems")


def invalid(message: str) -> Refused:
    return Refused(400, "invalid_request_error", message)


def generation(model: str) -> tuple[str, tuple[int, int]]:
    """Line and version of a model: `claude-opus-4-5-20251101` is ("opus", (4, 5)); unknown forms count as new."""
    if found := re.match(r"claude-([a-z]+)-(\d{1,2})(?:-(\d{1,2}))?(?:-\d{8})?$", model):
        return found[1], (int(found[2]), int(found[3] or 0))
    if found := re.match(r"claude-(\d)(?:-(\d))?-([a-z]+)", model):
        return found[3], (int(found[1]), int(found[2] or 0))
    return "", (99, 0)


def check_params(params: dict[str, Any], version: str) -> None:
    """Raises Refused for the first thing that the API does not accept."""
    if params.get("stream"):
        raise invalid("stream: streaming is not supported in batches")
    if "speed" in params:
        raise invalid("speed: not supported in batches")
    for name in params:
        if name not in KNOWN or (name in SAMPLING and version >= SAMPLING_GONE_SINCE):
            raise invalid(f"{name}: Extra inputs are not permitted")
    limit = params.get("max_tokens")
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise invalid("max_tokens: Field required" if limit is None else "max_tokens: Input should be a valid integer")
    if limit < 1:
        raise invalid("max_tokens: Input should be greater than or equal to 1")
    _check_messages(params)
    _check_thinking(params, limit)
    _check_output(params)


def _check_messages(params: dict[str, Any]) -> None:
    messages = params.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("messages: at least one message is required")
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
            raise invalid(f"messages.{place}.role: Input should be 'user' or 'assistant'")
        if not message.get("content"):
            raise invalid(f"messages.{place}.content: Field required")
    if messages[-1]["role"] == "assistant" and generation(params["model"])[1] >= (4, 6):
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _check_thinking(params: dict[str, Any], limit: int) -> None:
    thinking = params.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in ("enabled", "disabled", "adaptive"):
        raise invalid("thinking.type: Input should be 'enabled', 'disabled' or 'adaptive'")
    line, version = generation(params["model"])
    effort = (params.get("output_config") or {}).get("effort")
    if kind == "enabled":
        if version >= (4, 7):
            raise invalid('"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".')
        budget = thinking.get("budget_tokens")
        if not isinstance(budget, int) or budget < 1024:
            raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if budget >= limit:
            raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`")
    elif kind == "adaptive" and version < (4, 6):
        raise invalid("adaptive thinking is not supported on this model")
    elif kind == "disabled":
        always = line == "fable" or (line == "opus" and version >= (5, 5))
        if always or (line == "opus" and version == (5, 0) and effort in ("xhigh", "max")):
            raise invalid('"thinking.type.disabled" is not supported for this model.')
    choice = (params.get("tool_choice") or {}).get("type")
    if choice in ("any", "tool") and line in ("opus", "fable") and version >= (5, 5):
        raise invalid("tool_choice: this model does not support forced tool use")


def _check_output(params: dict[str, Any]) -> None:
    config = params.get("output_config")
    if config is None:
        return
    if not isinstance(config, dict):
        raise invalid("output_config: Input should be an object")
    line, version = generation(params["model"])
    effort = config.get("effort")
    if effort is not None:
        if version < (4, 5) or (line != "opus" and version == (4, 5)):
            raise invalid("This model does not support the effort parameter.")
        if effort not in (EFFORTS[:3] if version == (4, 5) else EFFORTS):
            raise invalid("output_config.effort: not a level of this model")
    form = config.get("format")
    if form is not None:
        if version < (4, 5):
            raise invalid("output_config.format: structured outputs are not supported on this model")
        if not isinstance(form, dict) or form.get("type") != "json_schema" or not isinstance(form.get("schema"), dict):
            raise invalid("output_config.format: Input should be {type: 'json_schema', schema: {...}}")
        check_schema(form["schema"])


def check_schema(schema: dict[str, Any]) -> None:
    """Every object closed, no keyword that structured outputs do not know."""
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise invalid(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
        )
    for keyword in UNSUPPORTED_KEYWORDS:
        if keyword in schema:
            raise invalid(f"output_config.format.schema: property '{keyword}' is not supported")
    if schema.get("minItems", 0) not in (0, 1):
        raise invalid("output_config.format.schema: 'minItems' values other than 0 or 1 are not supported")
    for part in (schema.get("properties") or {}).values():
        check_schema(part)
    if isinstance(schema.get("items"), dict):
        check_schema(schema["items"])
    for part in schema.get("anyOf") or ():
        check_schema(part)
