"""What the four batch services do alike: batches are looked at, cancelled and ended, and requests are answered.

Faults of the script spoil answers and results, of batches as of single calls.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from grabient_assets.emulator.answering import Ending
from grabient_assets.emulator.billing import Billed, billed
from grabient_assets.emulator.database import NewFile
from grabient_assets.emulator.painting.edited import FaultyEdit
from grabient_assets.emulator.questions import digest, share
from grabient_assets.emulator.stored_batches import Batch, Phase, finished_share, phase, planned
from grabient_assets.emulator.wire import FETCHES, SINGLE_CALLS, Call, Line, Refused, World, reply

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
    "no_image_prompt": "no_image_prompt",
    "long_statement": "long_statement",
    "delimiters": "delimiters",
    "fenced": "fenced",
    "ungrounded": "ungrounded",
    "over_long": "over_long",
    "off_type": "off_type",
    "injected": "injected",
    "no_entries": "no_entries",
}
SPOILT_EDITS = ("leak", "resize")
OF_ANSWERS = (*FORCED, *SPOILT_EDITS, "errored")
"""Faults of one answer each."""
SPOILING = ("swap", "duplicate", "missing")
Request = tuple[str, dict[str, Any]]
"""A request of a batch: its key and what was sent."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The lines of a batch in the order of its results, and the keys of the requests that were never done."""

    lines: list[Line]
    unfinished: list[str]
    badly: list[str]
    """Keys of the requests that got no good answer. Asked again they get one, or nothing would ever repair them."""
    bills: list[Billed]
    """What was answered, also where a fault keeps the answer back."""


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """What is kept of a batch that has ended: facts for its document, its result files, the keys answered badly, and
    what is billed."""

    facts: dict[str, Any]
    files: Sequence[NewFile] = ()
    badly: Sequence[str] = ()
    bills: Sequence[Billed] = ()


class BatchService(ABC):
    """The batches and single calls of one provider. Subclasses say in which words it speaks."""

    provider: str

    def __init__(self, world: World) -> None:
        self.state = world.state
        self.served = world.models
        self.polls = world.polls

    @abstractmethod
    def fault(self, status: int, message: str, kind: str | None, code: str | None) -> Refused:
        """See `wire.Api`."""

    @abstractmethod
    def no_such_batch(self, batch_id: str) -> Refused:
        """The refusal of an id that was never given out."""

    @abstractmethod
    def has_ended(self, batch: Batch) -> Refused:
        """The refusal to cancel a batch that has ended."""

    @abstractmethod
    def document(self, batch: Batch, call: Call) -> dict[str, Any]:
        """The batch as the provider shows it."""

    @abstractmethod
    def ended(self, batch: Batch, now: Phase, at: float) -> BatchEnd:
        """What comes of a batch that ends in this phase."""

    @abstractmethod
    def answer_request(self, batch: Batch, key: str, request: dict[str, Any], forced: Ending | None) -> Line:
        """The line of one request of a batch. Raises Refused for a request that the provider does not accept."""

    @abstractmethod
    def error_line(self, key: str, refused: Refused) -> Line:
        """The line of a request that was refused."""

    # batches -------------------------------------------------------------------------------------------------------

    def retrieve(self, call: Call) -> Response:
        [batch] = self.state.batches.polled([self.batch(call)])
        return reply(self.document(self.settled(batch), call))

    def cancel(self, call: Call) -> Response:
        return reply(self.document(self.cancelled(call), call))

    def cancelled(self, call: Call) -> Batch:
        """The batch of the path, being cancelled from now on. Raises Refused when it has ended."""
        batch = self.settled(self.batch(call))
        if phase(batch).ended:
            raise self.has_ended(batch)
        if batch.cancelled_after is None:
            self.state.batches.cancel(batch)
        return self.settled(self.batch(call))

    def batch(self, call: Call) -> Batch:
        """The batch of the path. Raises Refused."""
        batch = self.state.batches.get(self.provider, call.path["id"])
        if batch is None:
            raise self.no_such_batch(call.path["id"])
        return batch

    def seen(self, batches: Iterable[Batch]) -> list[Batch]:
        """The batches of a list, each looked at once more."""
        return [self.settled(batch) for batch in self.state.batches.polled(batches)]

    def settled(self, batch: Batch) -> Batch:
        """The batch with the time of its phase noted and, when it has just ended, its results made."""
        if batch.ending is not None:
            return batch
        now = phase(batch)
        if not now.ended:
            self.state.batches.note_time(batch, now)
        else:
            at = self.state.now().timestamp()
            end = self.ended(batch, now, at)
            self.state.batches.end(batch, {"phase": now, "at": at, **end.facts}, end.files, end.badly, end.bills)
        return self.state.batches.get(self.provider, batch.id) or batch

    def resolved(self, batch: Batch, requests: Sequence[Request]) -> Resolution:
        """Answers the finished share of `requests`, in an order drawn from the keys: never the input's.

        Requests that were answered badly before are answered well; a fault forces others to a bad end.
        """
        before = self.state.batches.badly_answered(self.provider)
        seed = str((planned(batch, "shuffle") or {}).get("seed", ""))
        order = sorted(requests, key=lambda request: digest("order", seed, request[0]))
        count = math.floor(len(order) * finished_share(batch) + 1e-9)
        done, unfinished = order[:count], order[count:]
        forced = {key: step for step in batch.plan if step["do"] in OF_ANSWERS for key in chosen(step, done)}
        lines = []
        for key, request in done:
            step = forced.get(key)
            if step is not None and step["do"] == "errored":
                lines.append(self.error_line(key, self._fault_of(step)))
                continue
            outcome = ending_of(step) if step else "complete" if key in before else None
            try:
                lines.append(self.answer_request(batch, key, request, outcome))
            except Refused as refused:
                lines.append(self.error_line(key, refused))
            except Exception as error:
                # One request must not keep a whole batch from ending. What a provider cannot read is the request's
                # fault.
                logger.exception("The request %r of batch %s cannot be read.", key, batch.id)
                message = f"This emulation cannot read the request ({type(error).__name__})."
                lines.append(self.error_line(key, self.fault(400, message, None, None)))
        badly = {line.key for line in lines if line.flawed or not line.succeeded} | set(forced)
        for step in batch.plan:
            if step["do"] in SPOILING:
                badly.update(_spoilt(step, done))
        day = datetime.fromtimestamp(batch.created_at, UTC).date()
        bills = [one for line in lines for one in billed(self.provider, batch.model, "batch", day, line.payload)]
        return Resolution(_spoiled(lines, batch, done), [key for key, _ in unfinished], sorted(badly), bills)

    # single calls --------------------------------------------------------------------------------------------------

    def answered_once(self, call: Call, answered: Callable[[str, Ending | None], Line]) -> dict[str, Any]:
        """The payload of the answer to a single call. `answered` answers it under a key, forced to a bad end where a
        fault says so.

        A call that was answered badly before is answered well. Raises Refused.
        """
        key = call_key(call)
        step = _laid(call.plan, key)
        if step is not None and step["do"] == "errored":
            raise self._fault_of(step)
        forced = ending_of(step) if step else None
        if forced is None and self.state.batches.was_badly_answered(self.provider, key):
            forced = "complete"
        flawed = step is not None
        try:
            line = answered(key, forced)
            flawed = flawed or line.flawed
            self.state.bills.add(billed(self.provider, call.model, "direct", self.state.now().date(), line.payload))
            return line.payload
        finally:
            if flawed:
                self.state.batches.note_badly_answered(self.provider, key)

    def _fault_of(self, step: dict[str, Any]) -> Refused:
        return self.fault(step["status"], step["message"], step["type"], step["code"])


class InFlight:
    """How many single calls and fetches are under way (`now`), and the most that were at the same time, by provider."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: dict[str, int] = {}

    @contextmanager
    def counted(self, provider: str, route: str) -> Iterator[None]:
        """While a call is answered."""
        single = route in (*SINGLE_CALLS, *FETCHES)
        self.now[provider] += single
        self.most[provider] = max(self.now[provider], self.most.get(provider, 0))
        try:
            yield
        finally:
            self.now[provider] -= single


def call_key(call: Call) -> str:
    """What stands for the custom id, which these calls have not. The same call has the same key, so that a repeated one
    is known for one."""
    body = call.body.decode("utf-8", "surrogateescape")
    return f"call-{digest('call', call.provider, call.route, call.path.get('model', ''), body) % 16**20:020x}"


def _laid(plan: Sequence[dict[str, Any]], key: str) -> dict[str, Any] | None:
    """The first fault that takes this call: each does, except one for a share of the requests."""
    for step in plan:
        if step["do"] not in OF_ANSWERS:
            continue
        if step.get("share") is None or share(step["do"], key) < step["share"]:
            return step
    return None


def ending_of(step: dict[str, Any]) -> Ending:
    """How a fault of an answer makes it end."""
    if step["do"] == "leak":
        return FaultyEdit(leak=step["leak"])
    if step["do"] == "resize":
        width, _, height = (step["size"] or "").partition("x")
        return FaultyEdit(factor=step["factor"], size=(int(width), int(height)) if height else None)
    return FORCED[step["do"]]


def chosen(step: dict[str, Any], requests: Sequence[Request]) -> list[str]:
    """Which requests a fault takes: those it names, or as many as `count` or `share` say, drawn from the keys; all
    where it says neither."""
    keys = [key for key, _ in requests]
    if named := step.get("custom_ids"):
        return [key for key in keys if key in named]
    share = step.get("share")
    count = step.get("count", len(keys)) if share is None else math.ceil(share * len(keys))
    return sorted(keys, key=lambda key: digest(step["do"], key))[:count]


def _spoilt(step: dict[str, Any], done: Sequence[Request]) -> list[str]:
    """The keys whose results a fault of SPOILING spoils."""
    return chosen({"count": 2, **step}, done)[:2] if step["do"] == "swap" else chosen(step, done)


def _spoiled(lines: list[Line], batch: Batch, done: Sequence[Request]) -> list[Line]:
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
