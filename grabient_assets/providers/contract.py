"""What every provider can do, and the values that cross the line. No SDK and no HTTP here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from grabient_assets.errors import RequestRejectedError
from grabient_assets.registry.model import BatchLimits, Model
from grabient_assets.registry.usage import Usage

State: TypeAlias = Literal["running", "cancelling", "ended"]
Outcome: TypeAlias = Literal["completed", "failed", "expired", "cancelled"]
Fate: TypeAlias = Literal["answered", "errored", "refused", "truncated", "expired", "cancelled", "unreadable"]
"""What a result line says of its request. No provider says `unreadable`: that stands for a line without a meaning."""

EMPTY_ANSWER = "empty_answer"
"""Our own `error_code` for a response without any text."""

PICTURE_NOT_FETCHED = "picture_not_fetched"
"""Our own `error_code` of a request whose picture the provider could not fetch from its address."""


@dataclass(frozen=True, slots=True)
class ImageInput:
    """A picture sent with a request: an address the provider can fetch for 24 hours, or the bytes themselves."""

    url: str | None = None
    data: bytes | None = None
    media_type: str = "image/png"

    def __post_init__(self) -> None:
        if (self.url is None) == (self.data is None):
            raise ValueError("an image is given either as url or as data")


@dataclass(frozen=True, slots=True)
class RequestSpec:
    """What is asked, in no provider's words. Fields a model has no place for are left out of its request.

    `schema` is a plain JSON schema of the answer (None: free text); `thinking_budget` counts tokens and is part of
    `max_output_tokens`; `effort` is none, minimal, low, medium, high, xhigh or max, rounded to what the model knows.
    """

    custom_id: str
    system: str
    text: str
    max_output_tokens: int
    image: ImageInput | None = None
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    temperature: float | None = None
    thinking_budget: int | None = None
    effort: str | None = None


@dataclass(frozen=True, slots=True)
class BatchFile:
    """One submission for one model: `lines` are the request lines as archived, `custom_ids` theirs, in the same order.

    `batch_id` is ours; it is stamped on the batch wherever the provider has a place for a label. Raises
    RequestRejectedError when it is empty, or an id occurs twice.
    """

    batch_id: str
    model: Model
    lines: Sequence[bytes]
    custom_ids: Sequence[str]

    def __post_init__(self) -> None:
        ids = len(set(self.custom_ids))
        if not self.lines or len(self.lines) != len(self.custom_ids) or ids != len(self.custom_ids):
            raise RequestRejectedError(
                self.model.provider,
                f"Batch {self.batch_id} for {self.model.id} has {len(self.lines)} lines and {ids} different custom_ids "
                f"out of {len(self.custom_ids)}; every line needs one of its own.",
            )


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider's receipt for a batch."""

    provider_batch_id: str
    input_file_id: str | None
    raw_status: str


@dataclass(frozen=True, slots=True)
class BatchState:
    """Where a batch stands. `raw_status` is the provider's own word; the counts are None where it gives none.

    An `outcome` of completed means that processing reached its end, not that every request was answered; expired and
    cancelled batches hold the answers that were finished in time (not at Google). `label` is our batch id when the
    provider proves it, `failed` counts everything that is neither answered nor open. `unread`: its results would tell
    whose it is, but did not come whole in the time there was.

    By the provider's own counts the results of an ended batch hold at least `least_lines` lines, and `least_answers` of
    them with a response of the model.
    """

    provider_batch_id: str
    state: State
    raw_status: str
    outcome: Outcome | None = None
    total: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    least_lines: int | None = None
    least_answers: int | None = None
    error_code: str | None = None
    error: str | None = None
    created_at: datetime | None = None
    ended_at: datetime | None = None
    label: str | None = None
    input_file_id: str | None = None
    unread: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """One result line, read. `text` is what the model wrote (also when refused or truncated, as far as it came).

    `custom_id` is None when the line does not say which request it is for. `retryable` says whether the same request
    may succeed when it is sent again, of one that errored.
    """

    custom_id: str | None
    fate: Fate
    text: str | None = None
    error: str | None = None
    error_code: str | None = None
    retryable: bool = False
    usage: Usage | None = None
    served_model: str | None = None
    stop_reason: str | None = None
    request_id: str | None = None

    @property
    def has_response(self) -> bool:
        """Whether the line holds a response of the model, be it of no use, rather than the word that there is none."""
        return self.fate in ("answered", "refused", "truncated", "unreadable") or self.error_code == EMPTY_ANSWER


ReadLine: TypeAlias = Callable[[bytes], Result]
"""Reads one raw result line of a provider. Pure. Raises ResultsError for a line that cannot be read."""


class BatchProvider(Protocol):
    """One provider's batch API. Every method that talks to it raises the provider errors of `errors.py`."""

    name: str
    limits: BatchLimits

    def request_line(self, spec: RequestSpec, model: Model) -> bytes:
        """The request as one JSON line without line end. Pure: the same arguments give the same bytes.

        Raises RequestRejectedError when the model cannot take what is asked.
        """
        ...

    def submit(self, batch: BatchFile) -> Accepted:
        """Sends the batch with exactly one create call.

        Raises AmbiguousSubmissionError when that call ended without an answer: then look with `find` before sending
        again. After any other error no batch exists.
        """
        ...

    def find(
        self,
        label: str,
        custom_ids: Collection[str],
        submitted_after: datetime | None,
        request_count: int,
        input_file_id: str | None = None,
        accounted: Collection[str] = (),
    ) -> list[BatchState]:
        """Batches that are, or may be, the one submitted as `label`, newest first.

        `submitted_after` is a time of our wall clock; None when that cannot be said, so that all are looked at.
        `accounted` are the provider's ids of other batches: they are left out. A state whose `label` is set is ours for
        certain. Anthropic has no labels: a batch that fits by time and size comes with `label=None` while it runs, or
        while its results do not tell; ask again later. So does a batch at Groq that lost its metadata and its file.
        """
        ...

    def poll(self, provider_batch_id: str) -> BatchState:
        """Where the batch stands now."""
        ...

    def download(self, provider_batch_id: str) -> Iterator[bytes]:
        """The raw result lines, answered and failed ones, in no order.

        Raises ResultsError when the results break off: what came before must then be thrown away.
        """
        ...

    def read_line(self, line: bytes) -> Result:
        """One raw result line, read. Pure. Raises ResultsError for a line that cannot be read."""
        ...

    def cancel(self, provider_batch_id: str) -> None:
        """Asks the provider to stop. The batch ends later; poll it."""
        ...

    def available_models(self) -> set[str]:
        """The model ids served to this key."""
        ...

    def close(self) -> None:
        """Closes the connections."""
        ...
