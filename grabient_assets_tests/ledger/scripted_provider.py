"""A batch API in memory: it keeps what it is sent, answers when told to, and remembers every call.

It behaves as `providers.contract` promises, and misbehaves only where a test says so: `before_submit` and
`after_submit` run inside the create call, before and after the batch exists, and may raise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from grabient_assets.errors import RequestRejectedError, ResultsError
from grabient_assets.ledger.connection import Connection
from grabient_assets.providers.contract import (
    Accepted,
    BatchFile,
    BatchResults,
    BatchState,
    Outcome,
    RequestSpec,
    Result,
    Spec,
)
from grabient_assets.providers.values import may_be_ours
from grabient_assets.registry.model import BatchLimits, Model
from grabient_assets.registry.usage import Usage

SETTLING = timedelta(seconds=60)


def nothing(*_: object) -> None:
    """The hook that does nothing."""


@dataclass
class Held:
    """One batch as the provider has it. `lines` are the result lines; None while it runs."""

    file: BatchFile
    created_at: datetime
    state: BatchState
    lines: list[bytes] | None = None
    breaks_off: bool = False


@dataclass
class ScriptedProvider:
    """The API of one provider. `labels` False is Anthropic's way: batches carry no name of ours."""

    name: str = "openai"
    limits: BatchLimits = field(default_factory=lambda: BatchLimits(50_000, 10_000_000))
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    labels: bool = True
    account: str = "emulator"
    budget_usd: Decimal | None = None
    journal: Path | None = None
    before_submit: Callable[[BatchFile], None] = nothing
    after_submit: Callable[[BatchFile], None] = nothing
    before_poll: Callable[[str], None] = nothing
    held: dict[str, Held] = field(default_factory=dict)
    closed: int = 0

    def request_line(self, spec: Spec, model: Model) -> bytes:
        assert isinstance(spec, RequestSpec)
        said = {"custom_id": spec.custom_id, "model": model.id, "text": spec.text}
        for image in spec.images:
            said["image"] = image.url or f"{len(image.data or b'')} bytes"
        return json.dumps(said).encode()

    def submit(self, batch: BatchFile) -> Accepted:
        self.before_submit(batch)
        if any(len(line) + 1 > self.limits.max_bytes for line in batch.lines):
            raise RequestRejectedError(self.name, "The file is too large.")
        known = f"{self.name}-{len(self.held) + 1}"
        now = self.clock()
        label = batch.batch_id if self.labels else None
        state = BatchState(known, "running", "in_progress", total=len(batch.lines), created_at=now, label=label)
        self.held[known] = Held(batch, now, state)
        if self.journal:
            with self.journal.open("a") as file:
                file.writelines(f"{one}\n" for one in batch.custom_ids)
        self.after_submit(batch)
        return Accepted(known, f"file-{known}", "in_progress")

    def find(
        self,
        label: str,
        custom_ids: Collection[str],
        submitted_after: datetime | None,
        request_count: int,
        input_file_id: str | None = None,
        accounted: Collection[str] = (),
    ) -> list[BatchState]:
        found: list[BatchState] = []
        for one in reversed(self.held.values()):
            if one.state.provider_batch_id in accounted:
                continue
            if self.labels:
                found += [one.state] if one.state.label == label else []
            elif may_be_ours(one.created_at, submitted_after) and one.state.total in (None, request_count):
                ours = self._answers_any(one, set(custom_ids), request_count) if one.state.state == "ended" else None
                found += [] if ours is False else [replace(one.state, label=label if ours else None)]
        return found

    def _answers_any(self, one: Held, wanted: set[str], request_count: int) -> bool | None:
        """As Anthropic's client tells whose an ended batch is: by any id in its results; None when they do not tell."""
        named: set[str | None] = set()
        for line in one.lines or []:
            with suppress(ResultsError):
                named.add(self.read_line(line).custom_id)
        named.discard(None)
        if named & wanted:
            return True
        return False if named and len(one.lines or []) >= request_count else None

    def poll(self, provider_batch_id: str) -> BatchState:
        self.before_poll(provider_batch_id)
        return self.held[provider_batch_id].state

    def results(self, provider_batch_id: str) -> BatchResults:
        state = self.poll(provider_batch_id)
        return BatchResults(state, self.lines(provider_batch_id)) if state.state == "ended" else BatchResults(state)

    def lines(self, provider_batch_id: str) -> Iterator[bytes]:
        one = self.held[provider_batch_id]
        lines = one.lines or []
        for number, line in enumerate(lines):
            if one.breaks_off and number == len(lines) // 2:
                raise ResultsError(self.name, "The results broke off.")
            yield line

    def read_line(self, line: bytes) -> Result:
        try:
            said: dict[str, Any] = json.loads(line)
            usage = said.pop("usage", None)
            return Result(**said, usage=Usage(**usage) if usage else None)
        except (ValueError, TypeError) as error:
            raise ResultsError(self.name, f"it is not a result ({error})") from error

    def send_directly(self, line: bytes, model: Model) -> bytes:
        raise AssertionError(f"no direct call to {model.id} is scripted: {line[:80]!r}")

    def cancel(self, provider_batch_id: str) -> None:
        one = self.held[provider_batch_id]
        one.state = replace(one.state, state="cancelling", raw_status="cancelling")

    def available_models(self) -> set[str]:
        return {one.file.model.id for one in self.held.values()}

    def close(self) -> None:
        self.closed += 1

    # What a test does to it.

    def end(
        self,
        provider_batch_id: str,
        lines: list[bytes] | None = None,
        outcome: Outcome = "completed",
        **state: Any,
    ) -> None:
        """The batch ends with these result lines; without any named, every request is answered."""
        one = self.held[provider_batch_id]
        one.lines = [answered(i) for i in one.file.custom_ids] if lines is None else lines
        one.state = replace(
            one.state, state="ended", raw_status=outcome, outcome=outcome, ended_at=self.clock(), **state
        )

    def end_all(self) -> None:
        """Every batch that still runs ends with every request answered."""
        for known, one in self.held.items():
            if one.state.state != "ended":
                self.end(known)

    @property
    def sent(self) -> list[str]:
        """The custom_ids of all batches, in the order in which they came."""
        return [custom_id for one in self.held.values() for custom_id in one.file.custom_ids]

    def connection(self) -> Connection:
        """This provider as the cycle sees it."""
        return Connection(self, self.account, "emulator", SETTLING, self.budget_usd)

    @contextmanager
    def connect(self, name: str) -> Iterator[Connection]:
        """A `Connect` for this provider alone."""
        assert name == self.name
        yield self.connection()


ANSWER = {
    "temperature": "warm",
    "contrast": "high",
    "brightness": "light",
    "saturation": "vibrant",
    "mood": ["calm", "dreamy"],
    "style": ["minimal"],
    "dominant_colors": ["blue"],
    "harmony": ["analogous"],
    "seasonal": ["summer"],
    "associations": ["ocean"],
}
USAGE = {"input_tokens": 1000, "output_tokens": 200}


def answered(custom_id: str, text: str | None = None, **more: Any) -> bytes:
    """The result line of a request that was answered: with good tags and 1000 + 200 tokens if nothing else is said."""
    said = json.dumps({"ref": custom_id, **ANSWER}) if text is None else text
    return result_line(custom_id, "answered", text=said, **{"usage": USAGE, **more})


def result_line(custom_id: str, fate: str, **more: Any) -> bytes:
    """Any result line."""
    return json.dumps({"custom_id": custom_id, "fate": fate, **more}).encode()
