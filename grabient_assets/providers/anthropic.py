"""Anthropic's Message Batches and single messages through its SDK.

A batch carries no label: only the results of an ended batch show whose it is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from grabient_assets.errors import ProviderUnreachableError, ResultsError, SlowResultsError
from grabient_assets.providers import anthropic_lines
from grabient_assets.providers.client import (
    ConnectionOptions,
    ProviderClient,
    origin,
    redacted_state,
    stream_from,
    url_at_origin,
)
from grabient_assets.providers.contract import Accepted, BatchFile, BatchState, Outcome, State
from grabient_assets.providers.values import (
    each_once,
    inside,
    iso_time,
    may_be_ours,
    newest_first,
    plain,
    whole_number,
)
from grabient_assets.registry.model import Model
from grabient_assets.secrets import redact

BASE_URL = "https://api.anthropic.com"
# The bodies in anthropic_lines are made for this version; another one refuses or misreads them.
API_VERSION = "2026-10-21"

_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
_STATES: Mapping[str, State] = {"in_progress": "running", "canceling": "cancelling", "ended": "ended"}


class AnthropicBatches(ProviderClient):
    """See `contract.BatchProvider`. A batch carries no label, so `find` can only prove a batch that has ended."""

    name = "anthropic"
    lines = anthropic_lines.FORMAT
    default_url = BASE_URL
    request_id_header = "request-id"

    def __init__(self, options: ConnectionOptions) -> None:
        import anthropic

        super().__init__(options)
        forced = {"authorization": f"Bearer {options.api_key}", "anthropic-version": API_VERSION}
        self._http = self._http_client(anthropic.DefaultHttpxClient, forced, base_url=self._base_url)
        self._client = anthropic.Anthropic(**self._sdk_options(self._http))

    @property
    def _batch_calls(self) -> Any:
        return self._client.messages.batches

    def _create(self, batch: BatchFile) -> Accepted:
        requests = [json.loads(line) for line in batch.lines]
        with self._translated(f"submitting batch {batch.batch_id}", creating=True):
            created = self._batch_calls.create(requests=requests, timeout=self._timeouts.transfer)
            value = plain(created, "id")
        return Accepted(value["id"], None, str(value.get("processing_status") or ""))

    def find(
        self,
        label: str,
        custom_ids: Collection[str],
        submitted_after: datetime | None,
        request_count: int,
        input_file_id: str | None = None,
        accounted: Collection[str] = (),
    ) -> list[BatchState]:
        wanted, give_up = set(custom_ids), time.monotonic() + self._timeouts.whole_transfer
        found: list[BatchState] = []
        for value in self._ask("listing batches", lambda: self._created_since(submitted_after)):
            state = self._state(value)
            if state.provider_batch_id in accounted or state.total not in (None, request_count):
                continue
            if value.get("archived_at"):  # its answers are gone, so its owner no longer matters
                continue
            answers = self._ownership(value, wanted, request_count, give_up)
            if answers != "another's":
                ours = label if answers == "ours" else None
                found.append(replace(state, label=ours, unread=answers == "unread"))
        return newest_first(found)

    def _created_since(self, submitted_after: datetime | None) -> list[dict[str, Any]]:
        """The batches of the workspace that may be that young. All pages are read: the newest come first, but the API
        does not guarantee it, and a batch that is overlooked is paid for twice."""
        listed = each_once(self._batch_calls.list(limit=1000))
        return [value for value in listed if may_be_ours(iso_time(value.get("created_at")), submitted_after)]

    def _ownership(
        self, value: dict[str, Any], wanted: Collection[str], request_count: int, give_up: float
    ) -> Ownership:
        """The owner of the batch, as far as its results can be read until then. Each batch could use all of the read
        time, so the time limit covers all of them together."""
        if value.get("processing_status") != "ended":
            return "unknown"
        if time.monotonic() >= give_up:
            return "unread"
        try:
            return ownership(self._lines(value), wanted, request_count)
        except ResultsError:
            return "unknown"

    def _lines(self, value: dict[str, Any]) -> Generator[bytes, None, None]:
        """The lines behind `results_url`, only ever from the origin that is set, because it is asked with the key."""
        batch = value["id"]
        address = value.get("results_url")
        if not isinstance(address, str) or not address:
            why = f"it is {value.get('processing_status')}"
            if value.get("archived_at"):
                why = f"they were removed on {value['archived_at']}; Anthropic keeps them 29 days"
            raise ResultsError(self.name, f"Batch {batch} has no results at Anthropic: {why}.")
        home = self._client.base_url
        with self._translated(f"reading where the results of batch {batch} lie"):
            named = home.join(address)
            url = url_at_origin(named, home, BASE_URL, f"v1/messages/batches/{batch}/results")
        where = (
            f"The results of batch {batch} are said to lie at {redact(origin(named), self._key)}, which is not "
            f"{origin(home)}, where Anthropic is asked."
        )
        if url is None:
            raise ResultsError(
                self.name,
                f"{where} Nothing was sent there, because the key would have gone along; check ANTHROPIC_BASE_URL.",
            )
        headers = {"accept": "application/binary"}
        opener = stream_from(self._http, str(url), headers, self._timeouts.transfer)
        lines = self._file_lines(opener, f"the results of batch {batch}")
        try:
            yield from lines
        except SlowResultsError:
            raise
        except ResultsError as error:
            if origin(named) in (origin(home), BASE_URL):
                raise
            raise ResultsError(
                self.name,
                f"{where} They were looked for at the latter only, because the key goes nowhere else: {error} Check "
                "ANTHROPIC_BASE_URL.",
            ) from None

    def send_directly(self, line: bytes, model: Model) -> bytes:
        import httpx2

        asked = json.loads(line)

        def post(seconds: float) -> Any:
            return self._client.post(
                "/v1/messages", cast_to=httpx2.Response, body=asked["params"], options={"timeout": seconds}
            )

        reply = self._reply(asked["custom_id"], model, post)
        result: dict[str, Any] = {"type": "succeeded", "message": reply.body}
        if not reply.succeeded:
            result = {"type": "errored", "error": {"type": "error", "request_id": reply.request_id, **reply.body}}
        return self._result_line({"custom_id": asked["custom_id"], "delivery": "direct", "result": result})

    def available_models(self) -> set[str]:
        return self._ask(
            "listing models", lambda: {model["id"] for model in each_once(self._client.models.list(limit=100))}
        )

    def _state(self, value: dict[str, Any]) -> BatchState:
        return redacted_state(_state_of(value), self._key)


def _state_of(value: dict[str, Any]) -> BatchState:
    raw = str(value.get("processing_status") or "")
    count = {name: whole_number(inside(value, "request_counts", name)) for name in _COUNTS}
    total = _total(count.values())
    failed = _total(count[name] for name in ("errored", "canceled", "expired"))
    state = _STATES.get(raw, "running")  # an unknown state does not count as an end
    ended = state == "ended"
    return BatchState(
        provider_batch_id=value["id"],
        state=state,
        raw_status=raw,
        outcome=_outcome(count) if ended else None,
        # No batch is empty: counts that are all 0 are as useless as missing ones.
        total=total or None,
        succeeded=count["succeeded"] if total else None,
        failed=failed if total else None,
        least_lines=(total or None) if ended else None,  # every request has one, however it ended
        created_at=iso_time(value.get("created_at")),
        ended_at=iso_time(value.get("ended_at")),
    )


def _total(counts: Iterable[int | None]) -> int | None:
    """The sum; None when one of the numbers is missing."""
    numbers = list(counts)
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None


def _outcome(count: Mapping[str, int | None]) -> Outcome:
    """Anthropic reports `ended` in every case; only the counts show the reason."""
    if count.get("canceled"):
        return "cancelled"
    return "expired" if count.get("expired") else "completed"


Ownership: TypeAlias = Literal["ours", "another's", "unknown", "unread"]


def ownership(lines: Generator[bytes, None, None], wanted: Collection[str], request_count: int) -> Ownership:
    """Ours as soon as a line names one of the `wanted`. Another's only when there is a line for every request and one
    of them can be read: a file may be truncated, empty or damaged in places, and ours must not be taken for another's.

    Unread when the time was too short: a caller with more time may decide. Otherwise unknown.
    """
    named: list[str | None] = []
    try:
        with closing(lines):
            for line in lines:
                named.append(_named_by(line))
                if named[-1] in wanted:
                    return "ours"
    except (SlowResultsError, ProviderUnreachableError):
        return "unread"
    except ResultsError:
        return "unknown"
    return "another's" if any(named) and len(named) >= request_count else "unknown"


def _named_by(line: bytes) -> str | None:
    """The id of the request that a result line answers; None for a line that cannot be read."""
    try:
        return anthropic_lines.read_line(line).custom_id
    except ResultsError:
        return None
