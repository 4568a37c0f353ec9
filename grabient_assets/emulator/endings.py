"""The end of a batch: every request that got done is answered, and faults of the script spoil the results."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from grabient_assets.emulator.answering import Ending
from grabient_assets.emulator.batches import Batch, finished_share, planned
from grabient_assets.emulator.questions import digest
from grabient_assets.emulator.wire import Line

logger = logging.getLogger(__name__)

FORCED: dict[str, Ending] = {
    "refuse": "refusal",
    "refuse_input": "refuse_input",
    "refuse_output": "refuse_output",
    "no_image": "no_image",
    "truncate": "truncated",
    "garbage": "garbage",
    "empty": "empty",
    "wrong_dimensions": "wrong_dimensions",
    "short_vectors": "short_vectors",
}
SPOILING = ("swap", "duplicate", "missing")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resolution(Generic[T]):
    """The lines of a batch in the order of its results, and the requests that were never done."""

    lines: list[Line]
    unfinished: list[tuple[str, T]]
    badly: list[str]
    """Keys of the requests that got no good answer. Asked again they get one, or nothing would ever repair them."""


def resolve(
    batch: Batch,
    requests: Sequence[tuple[str, T]],
    answered: Callable[[str, T, Ending | None], Line],
    errored: Callable[[str, T, dict[str, Any]], Line],
    before: Collection[str] = (),
) -> Resolution[T]:
    """Answers the finished share of `requests` (key, request), in an order drawn from the keys: never the input's.

    `answered` answers one request, forced to a bad end where a fault says so; `errored` makes the error line that a
    fault asks for. `before` are the keys of requests that were answered badly before: they are answered well.
    """
    seed = str((planned(batch, "shuffle") or {}).get("seed", ""))
    order = sorted(requests, key=lambda request: digest("order", seed, request[0]))
    count = math.floor(len(order) * finished_share(batch) + 1e-9)
    done, unfinished = order[:count], order[count:]
    forced = {key: step for step in batch.plan if step["do"] in (*FORCED, "errored") for key in chosen(step, done)}
    lines = []
    for key, request in done:
        step = forced.get(key)
        if step is not None and step["do"] == "errored":
            lines.append(errored(key, request, step))
            continue
        outcome: Ending | None = FORCED[step["do"]] if step else "complete" if key in before else None
        try:
            lines.append(answered(key, request, outcome))
        except Exception as error:
            # One request must not keep a whole batch from ending. What a provider cannot read is the request's fault.
            logger.exception("The request %r of batch %s cannot be read.", key, batch.id)
            message = f"This emulation cannot read the request ({type(error).__name__})."
            lines.append(errored(key, request, {"status": 400, "message": message, "type": None, "code": None}))
    badly = {line.key for line in lines if line.flawed or not line.succeeded} | set(forced)
    for step in batch.plan:
        if step["do"] in SPOILING:
            badly.update(_spoilt(step, done))
    return Resolution(_spoiled(lines, batch, done), unfinished, sorted(badly))


def chosen(step: dict[str, Any], requests: Sequence[tuple[str, Any]]) -> list[str]:
    """Which requests a fault takes: those it names, or as many as `count` or `share` say, drawn from the keys."""
    keys = [key for key, _ in requests]
    if named := step.get("custom_ids"):
        return [key for key in keys if key in named]
    share = step.get("share")
    count = step.get("count", 1) if share is None else math.ceil(share * len(keys))
    return sorted(keys, key=lambda key: digest(step["do"], key))[:count]


def _spoilt(step: dict[str, Any], done: Sequence[tuple[str, Any]]) -> list[str]:
    """The keys whose results a fault of SPOILING spoils."""
    return chosen({"count": 2, **step}, done)[:2] if step["do"] == "swap" else chosen(step, done)


def _spoiled(lines: list[Line], batch: Batch, done: Sequence[tuple[str, Any]]) -> list[Line]:
    for step in batch.plan:
        if step["do"] == "swap":
            lines = _swapped(lines, _spoilt(step, done))
        elif step["do"] == "duplicate":
            twice = set(_spoilt(step, done))
            lines = lines + [line for line in lines if line.key in twice]
        elif step["do"] == "missing":
            gone = set(_spoilt(step, done))
            lines = [line for line in lines if line.key not in gone]
    return lines


def _swapped(lines: list[Line], pair: Sequence[str]) -> list[Line]:
    """The lines with the answers of two keys exchanged, so that each answer's `ref` names the other."""
    if len(pair) < 2:
        return lines
    other = {pair[0]: pair[1], pair[1]: pair[0]}
    return [replace(line, key=other.get(line.key, line.key)) for line in lines]
