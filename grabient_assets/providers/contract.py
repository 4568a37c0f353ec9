"""The interface of every provider, and its values. No SDK and no HTTP here."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from grabient_assets.errors import RequestRejectedError
from grabient_assets.registry.model import BatchLimits, Kind, Model, Task
from grabient_assets.registry.usage import Usage

State: TypeAlias = Literal["running", "cancelling", "ended"]
Outcome: TypeAlias = Literal["completed", "failed", "expired", "cancelled"]
Fate: TypeAlias = Literal["answered", "errored", "refused", "truncated", "expired", "cancelled", "unreadable"]
"""The result that a line reports for its request. No provider reports `unreadable`: it stands for a line that cannot be
understood."""

EMPTY_ANSWER = "empty_answer"
"""Our own `error_code` for a response without any text."""

NO_IMAGE = "no_image"
"""Our own `error_code` for a response without the image that was asked for."""

BAD_IMAGE = "bad_image"
"""Our own `error_code` for a response whose image cannot be read, or that holds several."""

BAD_VECTOR = "bad_vector"
"""Our own `error_code` for a response with no vector, several, or one that is not as long or as finite as it should."""

MODERATED = "moderation_blocked"
"""OpenAI's `error_code` of a refusal of images. It comes as an error: there is no response of the model."""

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
    """A text that is asked for, in no provider's words. Fields a model has no place for are left out of its request.

    `images` go along in their order, before the text. `schema` is a plain JSON schema of the answer (None: free text);
    `thinking_budget` counts tokens and is part of `max_output_tokens`; `effort` is none, minimal, low, medium, high,
    xhigh or max, rounded to what the model knows.
    """

    custom_id: str
    system: str
    text: str
    max_output_tokens: int
    images: tuple[ImageInput, ...] = ()
    schema: Mapping[str, Any] | None = None
    schema_name: str = "answer"
    temperature: float | None = None
    thinking_budget: int | None = None
    effort: str | None = None


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """An image that is asked for: made from the prompt alone, or out of `images`, of which the first is the base.

    `mask` is a PNG as large as the base, transparent where it may change. `size` is WIDTHxHEIGHT; a model that knows
    only ratios makes the nearest one. `size`, `quality`, `format` and `background` None: the provider's default. A
    model without qualities, or without a choice of formats, is sent none.
    """

    custom_id: str
    prompt: str
    images: tuple[ImageInput, ...] = ()
    mask: ImageInput | None = None
    size: str | None = None
    quality: str | None = None
    format: Literal["png", "jpeg", "webp"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    effort: str | None = None


@dataclass(frozen=True, slots=True)
class VectorSpec:
    """A vector of `text` that is asked for. `dimensions` None: the registry's default for the model."""

    custom_id: str
    text: str
    dimensions: int | None = None
    task: Task = "document"


Spec: TypeAlias = RequestSpec | ImageSpec | VectorSpec


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
class BatchResults:
    """Where a batch stands, and its raw result lines, answered and failed ones, in no order: none before it has ended.

    `lines` are fetched while they are read, once, and raise ResultsError when they break off: what came before must
    then be thrown away.
    """

    state: BatchState
    lines: Iterable[bytes] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """One result line, read. `text` is what the model wrote (also when refused or truncated, as far as it came).

    `custom_id` is None when the line does not say which request it is for. `retryable` says whether the same request
    may succeed when it is sent again, of one that errored. An answer is a text, an `image` of `media_type`, which may
    have a text beside it, or a `vector` of float32 numbers. A refusal says whether it was what was sent (`input`) or
    what was made (`output`) that is not wanted, and for what, in the provider's own categories.
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
    image: bytes | None = field(default=None, repr=False)
    media_type: str | None = None
    vector: array[float] | None = field(default=None, hash=False, repr=False)
    refused_at: Literal["input", "output"] | None = None
    refused_for: tuple[str, ...] = ()

    @property
    def has_response(self) -> bool:
        """Whether the line holds a response of the model, be it of no use, rather than the word that there is none."""
        if self.error_code in (EMPTY_ANSWER, NO_IMAGE, BAD_IMAGE, BAD_VECTOR):
            return True
        return self.fate in ("answered", "refused", "truncated", "unreadable") and self.error_code != MODERATED

    def holding(self, kind: Kind, dimensions: int | None = None) -> Result:
        """This result, or an errored one when it is an answer of another kind, or a vector of other dimensions.

        A line does not say what was asked for. A sentence instead of an image becomes the reason why there is none.
        """
        if self.fate != "answered":
            return self
        if kind == "image" and self.image is None:
            return self._spoilt(NO_IMAGE, self.text or "the response holds no image")
        if kind == "vector" and self.vector is None:
            return self._spoilt(BAD_VECTOR, "the response holds no vector")
        if kind == "text" and self.text is None:
            return self._spoilt(EMPTY_ANSWER, "the response holds no text")
        if self.vector is not None and dimensions not in (None, len(self.vector)):
            return self._spoilt(BAD_VECTOR, f"the vector has {len(self.vector)} dimensions instead of {dimensions}")
        return self

    def _spoilt(self, code: str, why: str) -> Result:
        # An image is never asked for again by itself: each one costs as much as a hundred texts.
        again = code in (EMPTY_ANSWER, BAD_VECTOR)
        return replace(
            self, fate="errored", error=why, error_code=code, retryable=again, image=None, media_type=None, vector=None
        )


ReadLine: TypeAlias = Callable[[bytes], Result]
"""Reads one raw result line of a provider. Pure. Raises ResultsError for a line that cannot be read."""


@dataclass(frozen=True, slots=True)
class LineFormat:
    """How one provider's request lines and result lines are written. Pure: no SDK, no key, no connection.

    `request_line` and `read_line` are those of `BatchProvider`. `usage_in` reads the tokens out of an object that has a
    receipt (`usage` or `usageMetadata`), wherever in a line it stands.
    """

    request_line: Callable[[Spec, Model], bytes]
    read_line: ReadLine
    usage_in: Callable[[Mapping[str, Any]], Usage | None]


class BatchProvider(Protocol):
    """One provider's batch API. Every method that talks to it raises the provider errors of `errors.py`."""

    name: str
    limits: BatchLimits

    def request_line(self, spec: Spec, model: Model) -> bytes:
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

        `submitted_after` is a time of our wall clock; None when it is not known, so that all are looked at.
        `accounted` are the provider's ids of other batches: they are left out. A state whose `label` is set is ours for
        certain. Anthropic has no labels: a batch that fits by time and size comes with `label=None` while it runs, or
        while its results do not tell; ask again later. So does a batch at Groq that lost its metadata and its file.
        """
        ...

    def poll(self, provider_batch_id: str) -> BatchState:
        """Where the batch stands now."""
        ...

    def results(self, provider_batch_id: str) -> BatchResults:
        """Where the batch stands now and, when it has ended, its result lines, with one look at the batch."""
        ...

    def read_line(self, line: bytes) -> Result:
        """One raw result line, read. Pure. Raises ResultsError for a line that cannot be read."""
        ...

    def send_directly(self, line: bytes, model: Model) -> bytes:
        """Sends one archived request line with exactly one call; its answer, as a result line of a batch.

        What the provider says about this one request (a refusal, an invalid body) is an answer too. Raises
        AmbiguousSubmissionError when the call may have been answered and billed, but its answer did not come whole:
        nobody can look for it. After any other error nothing was billed.
        """
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
