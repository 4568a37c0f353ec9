"""Files and batches as OpenAI and Groq show them, the input file of a batch, and its output files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from grabient_assets.emulator.database import NewFile, StoredFile
from grabient_assets.emulator.questions import digest
from grabient_assets.emulator.stored_batches import Batch, Phase, finished_share, phase, planned
from grabient_assets.emulator.wire import Line, jsonl, read_json

STATUS = {Phase.WAITING: "validating", Phase.RUNNING: "in_progress", Phase.CLOSING: "finalizing"}
WRITTEN_AS = {"null_file_ids": None, "empty_file_ids": "", "object_file_ids": {}}
THIRTY_DAYS = 30 * 86_400
MAX_REQUESTS = 50_000
MAX_INPUTS = 50_000
"""Texts to be embedded over all lines of a batch."""


def file_document(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size,
        "created_at": int(file.created_at),
        "expires_at": int(file.created_at) + THIRTY_DAYS,
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def batch_document(batch: Batch) -> dict[str, Any]:
    now, ending = phase(batch), batch.ending or {}
    times = batch.times | ({str(now): ending["at"]} if ending else {})

    def at(name: str) -> int | None:
        return int(times[name]) if name in times else None

    errors = ending.get("errors")
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.facts["endpoint"],
        "model": batch.model or None,
        "errors": {"object": "list", "data": errors} if errors else None,
        "input_file_id": batch.input_file,
        "completion_window": batch.facts["completion_window"],
        "status": STATUS.get(now, str(now)),
        **_file_ids(batch, ending),
        "created_at": int(batch.created_at),
        "in_progress_at": at("running"),
        "expires_at": int(batch.created_at) + _hours(batch.facts["completion_window"]) * 3600,
        "finalizing_at": at("closing"),
        "completed_at": at("completed"),
        "failed_at": at("failed"),
        "expired_at": at("expired"),
        "cancelling_at": at("cancelling"),
        "cancelled_at": at("cancelled"),
        "request_counts": _counts(batch, now, ending),
        "usage": _usage(ending["tokens"]) if "tokens" in ending else None,
        "metadata": batch.facts["metadata"],
    }


def outcome_files(
    batch: Batch, lines: list[Line], expired: list[str], new_id: Callable[[], str]
) -> tuple[NewFile | None, NewFile | None]:
    """Output file and error file of an ended batch; None where there would be no line."""
    good = [_line(batch, line.key, line.payload, None) for line in lines if line.succeeded]
    bad = [_line(batch, line.key, line.payload, None) for line in lines if not line.succeeded]
    late = {
        "code": "batch_expired",
        "message": "This request could not be executed before the completion window expired.",
    }
    bad += [_line(batch, key, None, late) for key in expired]
    return _file(batch, "output", good, new_id), _file(batch, "error", bad, new_id)


def _file(batch: Batch, kind: str, lines: list[dict[str, Any]], new_id: Callable[[], str]) -> NewFile | None:
    if not lines:
        return None
    return NewFile(new_id(), f"{batch.id}_{kind}.jsonl", "batch_output", jsonl(lines), batch.model)


def _line(batch: Batch, key: str, payload: dict[str, Any] | None, error: dict[str, Any] | None) -> dict[str, Any]:
    number = digest("line", batch.id, key) % 10**24
    response = None
    if payload is not None:
        response = {"status_code": 200, "request_id": f"req_{number:024d}", **payload}
    return {"id": f"batch_req_{number:024d}", "custom_id": key, "response": response, "error": error}


def _file_ids(batch: Batch, ending: dict[str, Any]) -> dict[str, Any]:
    """Ids of the output and error files, written as badly as a fault asks for."""
    ids: dict[str, Any] = {kind: ending.get(f"{kind}_file_id") for kind in ("output", "error")}
    for word, written in WRITTEN_AS.items():
        step = planned(batch, word) if ending else None
        if step is None:
            continue
        for kind, file_id in ids.items():
            if step["of"] in (kind, "both") or (step["of"] == "missing" and file_id is None):
                ids[kind] = written
    return {f"{kind}_file_id": file_id for kind, file_id in ids.items()}


def _counts(batch: Batch, now: Phase, ending: dict[str, Any]) -> dict[str, int]:
    if now in (Phase.WAITING, Phase.FAILED):
        return {"total": 0, "completed": 0, "failed": 0}
    if ending:
        return {"total": batch.total, "completed": ending["completed"], "failed": ending["failed"]}
    return {"total": batch.total, "completed": int(batch.total * finished_share(batch)), "failed": 0}


def _usage(tokens: list[int]) -> dict[str, Any]:
    prompt, output, thinking = tokens
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": thinking},
        "total_tokens": prompt + output,
    }


def _hours(window: str) -> int:
    return int(window[:-1]) * (24 if window.endswith("d") else 1)


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
    model, inputs = "", 0

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
        inputs += len(body["input"]) if isinstance(body.get("input"), list) else 1
        model = model or body["model"]
        if one_model and body["model"] != model:
            wrong("model_mismatch", f"All requests must use one model; this one asks for {body['model']!r}.", number)
    if not keys and not problems:
        wrong("empty_file", "The input file holds no request.", None)
    if len(keys) > MAX_REQUESTS:
        wrong("too_many_tasks", f"The input file holds more than {MAX_REQUESTS} requests.", None)
    if inputs > MAX_INPUTS >= len(keys):
        wrong("too_many_inputs", f"The input file holds more than {MAX_INPUTS} inputs to be embedded.", None)
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
