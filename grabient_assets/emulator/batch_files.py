"""The input file of an OpenAI or Groq batch: its lines, and what validation finds wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grabient_assets.emulator.wire import read_json

MAX_REQUESTS = 50_000


@dataclass(frozen=True, slots=True)
class Inspection:
    """What validation knows of an input file. Problems are in the shape of `errors.data`."""

    keys: list[str]
    model: str
    problems: list[dict[str, Any]]


def requests(content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Custom id and body of every request of a file that passed inspection."""
    for text in content.splitlines():
        if text.strip():
            line = json.loads(text)
            yield line["custom_id"], line["body"]


def inspect(content: bytes, endpoint: str, *, one_model: bool) -> Inspection:
    """Checks every line. `one_model`: the provider takes one model per file."""
    keys: dict[str, None] = {}
    problems: list[dict[str, Any]] = []
    model = ""

    def wrong(code: str, message: str, line: int | None, param: str | None = None) -> None:
        problems.append({"code": code, "line": line, "message": message, "param": param})

    for number, text in enumerate(content.splitlines(), start=1):
        if not text.strip():
            continue
        try:
            line = read_json(text)
        except ValueError:
            wrong("invalid_json_line", "This line is not parseable as valid JSON.", number)
            continue
        if missing := _missing(line):
            wrong("missing_required_parameter", f"Missing required parameter: {missing!r}.", number, missing)
            continue
        key, body = line["custom_id"], line["body"]
        if key in keys:
            wrong("duplicate_custom_id", f"The custom_id {key!r} was already used in this file.", number, "custom_id")
        keys[key] = None
        if line["method"] != "POST":
            wrong("invalid_method", "Only the method POST is supported.", number, "method")
        if line["url"] != endpoint:
            wrong("url_mismatch", f"The url {line['url']!r} is not the endpoint of the batch.", number, "url")
        model = model or body["model"]
        if one_model and body["model"] != model:
            wrong("model_mismatch", f"All requests must use one model; this one asks for {body['model']!r}.", number)
    if not keys and not problems:
        wrong("empty_file", "The input file holds no request.", None)
    if len(keys) > MAX_REQUESTS:
        wrong("too_many_tasks", f"The input file holds more than {MAX_REQUESTS} requests.", None)
    return Inspection(list(keys), model, problems[:100])


def _missing(line: Any) -> str | None:
    if not isinstance(line, dict):
        return "custom_id"
    for name in ("custom_id", "method", "url"):
        if not isinstance(line.get(name), str) or not line[name]:
            return name
    if not isinstance(line.get("body"), dict):
        return "body"
    return None if isinstance(line["body"].get("model"), str) and line["body"]["model"] else "body.model"
