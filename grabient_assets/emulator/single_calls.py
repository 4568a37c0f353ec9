"""Calls that are answered at once, one request each, under the same faults as the requests of a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from grabient_assets.emulator.answering import Ending
from grabient_assets.emulator.endings import FORCED
from grabient_assets.emulator.questions import digest, share
from grabient_assets.emulator.wire import SINGLE_CALLS, Call, Line, Refused, State


class Faulty(Protocol):
    """What of an API is needed here."""

    provider: str

    def fault(self, status: int, message: str, kind: str | None, code: str | None) -> Refused: ...


class InFlight:
    """How many single calls are under way, and the most that were at the same time, by provider."""

    def __init__(self) -> None:
        self._now: Counter[str] = Counter()
        self.most: dict[str, int] = {}

    @contextmanager
    def counted(self, provider: str, route: str) -> Iterator[None]:
        """While a call is answered."""
        single = route in SINGLE_CALLS
        self._now[provider] += single
        self.most[provider] = max(self._now[provider], self.most.get(provider, 0))
        try:
            yield
        finally:
            self._now[provider] -= single


def call_key(call: Call) -> str:
    """What stands for the custom id, which these calls have not. The same call has the same key, so that a repeated one
    is known for one."""
    body = call.body.decode("utf-8", "surrogateescape")
    return f"call-{digest('call', call.provider, call.route, call.path.get('model', ''), body) % 16**20:020x}"


def answered_once(
    state: State, api: Faulty, call: Call, answered: Callable[[str, Ending | None], Line]
) -> dict[str, Any]:
    """The payload of the answer. `answered` answers the request of this key, forced to a bad end where a fault says so.

    A call that was answered badly before is answered well. Raises Refused.
    """
    key = call_key(call)
    step = _laid(call.plan, key)
    if step is not None and step["do"] == "errored":
        raise api.fault(step["status"], step["message"], step["type"], step["code"])
    forced = FORCED[step["do"]] if step else None
    if forced is None and state.batches.was_badly_answered(api.provider, key):
        forced = "complete"
    flawed = step is not None
    try:
        line = answered(key, forced)
        flawed = flawed or line.flawed
        return line.payload
    finally:
        if flawed:
            state.batches.note_badly_answered(api.provider, key)


def _laid(plan: Sequence[dict[str, Any]], key: str) -> dict[str, Any] | None:
    """The first fault that takes this call: each does, except one for a share of the requests."""
    for step in plan:
        if step["do"] not in (*FORCED, "errored"):
            continue
        if step.get("share") is None or share(step["do"], key) < step["share"]:
            return step
    return None
