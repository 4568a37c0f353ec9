"""Gemini's long-running operations, read from the raw JSON, and which of their fields are asked for. Pure.

A small batch carries all its answers, up to 20 MB, in its operation: they are fetched once, with the results, and not
with every look at how far the batch is. `fields` is a parameter of every method of the API. An operation's metadata is
of type Any, and nowhere is it said that a selection may reach into one: a server that refuses the narrow selection, or
leaves out what it names, is asked for the wide one, and at last for everything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from grabient_assets.providers.contract import BatchState, Outcome, State
from grabient_assets.providers.reading import UnreadableAnswer, inside, iso_time, items, text_or_none, whole_number

_STATES: Mapping[str, tuple[State, Outcome | None]] = {
    "UNSPECIFIED": ("running", None),
    "QUEUED": ("running", None),
    "PENDING": ("running", None),
    "RUNNING": ("running", None),
    "PAUSED": ("running", None),
    "UPDATING": ("running", None),
    "CANCELLING": ("cancelling", None),
    "SUCCEEDED": ("ended", "completed"),
    "PARTIALLY_SUCCEEDED": ("ended", "completed"),
    "FAILED": ("ended", "failed"),
    "CANCELLED": ("ended", "cancelled"),
    "EXPIRED": ("ended", "expired"),
}


def state_of(operation: Mapping[str, Any]) -> BatchState:
    """Where the batch stands. Raises UnreadableAnswer for an operation without a name."""
    name = text_or_none(operation.get("name"))
    metadata = operation.get("metadata")
    raw = text_or_none(inside(metadata, "state")) or ""
    word = raw.upper().removeprefix("BATCH_STATE_").removeprefix("JOB_STATE_")
    error = operation.get("error") or inside(metadata, "error")
    if operation.get("done") is True and _STATES.get(word, ("running", None))[0] != "ended":
        word = "FAILED" if error else "SUCCEEDED"
    if name is None:
        raise UnreadableAnswer(f"a batch operation without a name, in state {raw!r}")
    state, outcome = _STATES.get(word, ("running", None))  # a word we do not know is no end
    succeeded, failed = _stat(metadata, "successfulRequestCount"), _stat(metadata, "failedRequestCount")
    total = _stat(metadata, "requestCount")
    code = inside(error, "status") or inside(error, "code")
    return BatchState(
        provider_batch_id=name,
        state=state,
        raw_status=raw,
        outcome=outcome,
        total=total,
        # The API leaves out counts of zero.
        succeeded=succeeded if succeeded is not None or total is None else 0,
        failed=failed if failed is not None or total is None else 0,
        least_lines=total if outcome == "completed" else None,
        error_code=None if code is None else str(code),
        error=text_or_none(inside(error, "message")),
        created_at=iso_time(inside(metadata, "createTime")),
        ended_at=iso_time(inside(metadata, "endTime")) if outcome else None,
        label=text_or_none(inside(metadata, "displayName")),
        input_file_id=text_or_none(inside(metadata, "inputConfig", "fileName")),
    )


def output_of(operation: Mapping[str, Any]) -> tuple[list[Any] | None, str | None]:
    """The inline answers, or the name of the result file. (None, None) when the operation names no output."""
    for output in (inside(operation, "metadata", "output"), operation.get("response")):
        if file_id := text_or_none(inside(output, "responsesFile")):
            return None, file_id
        inline = inside(output, "inlinedResponses")
        if isinstance(inline, Mapping):
            inline = inline.get("inlinedResponses")
        if isinstance(inline, list):
            return inline, None
    return None, None


def line_of(answer: Any) -> bytes:
    """An inline answer as a line of a result file. Without a key it stays without: its position proves nothing. What
    is neither a response nor an error is kept whole: it was paid for, and a later version may read it."""
    line = {"key": inside(answer, "metadata", "key") or inside(answer, "key")}
    known = {name: answer[name] for name in ("response", "error") if inside(answer, name) is not None}
    line |= known or {"answer": answer}
    # In ASCII: models send halves of surrogate pairs, which UTF-8 has no bytes for.
    return json.dumps(line, separators=(",", ":")).encode("ascii")


def _stat(metadata: object, name: str) -> int | None:
    return whole_number(inside(metadata, "batchStats", name))


_NARROW = "name,done,error,metadata(state,displayName,createTime,endTime,batchStats,inputConfig(fileName))"
_WIDE = "name,done,error,metadata"

OF_AN_OPERATION = (_NARROW, _WIDE)
OF_A_LIST = tuple(f"operations({fields}),nextPageToken" for fields in OF_AN_OPERATION)


def operation_tells(operation: Mapping[str, Any]) -> bool:
    """Whether the state is told, and why the batch failed if it did."""
    state = text_or_none(inside(operation, "metadata", "state"))
    return state is not None and (not state.endswith("_FAILED") or bool(operation.get("error")))


def list_tells(page: Mapping[str, Any]) -> bool:
    """Whether there are operations, and every one tells its state and its name: ours, overlooked, is paid for twice."""
    operations = items(page.get("operations"))
    told = [text_or_none(inside(one, "metadata", field)) for one in operations for field in ("state", "displayName")]
    return bool(told) and all(told)
