"""Batches and files as OpenAI and Groq show them, and the lines of their output files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grabient_assets.emulator.answers.chance import digest
from grabient_assets.emulator.lifecycle import Phase, finished_share, phase, planned
from grabient_assets.emulator.storage.batches import Batch
from grabient_assets.emulator.storage.files import NewFile, StoredFile
from grabient_assets.emulator.wire import Line, jsonl

STATUS = {Phase.WAITING: "validating", Phase.RUNNING: "in_progress", Phase.CLOSING: "finalizing"}
WRITTEN_AS = {"null_file_ids": None, "empty_file_ids": "", "object_file_ids": {}}
THIRTY_DAYS = 30 * 86_400


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
