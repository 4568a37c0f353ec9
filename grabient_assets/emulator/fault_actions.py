"""What can go wrong: the actions of a fault script, on calls and on requests. docs/how-to/rehearse-faults.md says what
each does.

They are strict: an unknown key is an error.
"""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from grabient_assets.emulator.wire import FETCHES, SINGLE_CALLS


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Status(Strict):
    do: Literal["status"]
    status: int = Field(ge=400, le=599)
    code: str | None = None
    type: str | None = None
    message: str = "The emulator was told to answer like this."
    retry_after: float | None = Field(default=None, ge=0)
    after_accept: bool = False


class Html(Strict):
    do: Literal["html"]
    status: int = Field(default=502, ge=200, le=599)


class Drop(Strict):
    do: Literal["drop_before", "drop_after_accept"]


class Delay(Strict):
    do: Literal["delay"]
    seconds: float = Field(gt=0)


class Hold(Strict):
    do: Literal["hold"]
    seconds: float | None = Field(default=None, gt=0)
    after_accept: bool = False


class Cut(Strict):
    do: Literal["cut"]
    share: float = Field(default=0.5, ge=0, lt=1)
    clean: bool = False


class Unsuccessful(Strict):
    """HTTP 200 whose body says that the call failed."""

    do: Literal["success_false"]
    code: str | None = None
    message: str = "The emulator was told to answer like this."
    after_accept: bool = False


class VisibleAfter(Strict):
    """What a write did is not seen by so many looks at the index."""

    do: Literal["visible_after"]
    polls: int = Field(ge=1)


class Blocked(Strict):
    """A page that wants to see a person; at YouTube with `how` `login` a player that wants a login."""

    do: Literal["blocked"]
    how: Literal["captcha", "login"] = "captcha"


class NoTranscript(Strict):
    """What the player says of a video that has no transcript for us."""

    do: Literal["disabled", "unavailable", "age_restricted", "unplayable", "po_token"]


class EmptyBody(Strict):
    """HTTP 200 with nothing behind it: the captions of a video, or a page."""

    do: Literal["empty_body"]


class Changed(Strict):
    """Another text, and of pages another ETag and date. Each version has its own."""

    do: Literal["changed"]
    version: int = Field(default=2, ge=2)


class Selecting(Strict):
    """Actions on some requests of a batch: the named ones, or `count`, or a `share` of them."""

    count: int = Field(default=1, ge=1)
    share: float | None = Field(default=None, gt=0, le=1)
    custom_ids: list[str] = []


class SpoiltAnswer(Selecting):
    do: Literal["refuse", "refuse_input", "refuse_output", "no_image", "truncate", "garbage", "empty"]


class SpoiltStatement(Selecting):
    """Of an artist: without an image prompt, far too long, or in another form than asked for."""

    do: Literal["no_image_prompt", "long_statement", "delimiters", "fenced"]


class SpoiltEntries(Strict):
    """Of extraction: entries that the text does not hold, of 60 words, of an unknown type; one that repeats an
    instruction; none at all. All answers are meant, unless a share or custom ids are named."""

    do: Literal["ungrounded", "over_long", "off_type", "injected", "no_entries"]
    share: float = Field(default=1.0, gt=0, le=1)
    custom_ids: list[str] = []


class SpoiltEdit(Strict):
    """Of an editor. All edits are meant, unless custom ids are named."""

    custom_ids: list[str] = []


class Leak(SpoiltEdit):
    """This share of the pixels outside the region changes visibly."""

    do: Literal["leak"]
    leak: float = Field(alias="share", ge=0, le=1)


class Resize(SpoiltEdit):
    """An answer of another size: so many times the asked one, or WIDTHxHEIGHT."""

    do: Literal["resize"]
    factor: float = Field(default=1.0, gt=0, le=2)
    size: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,3}x[1-9][0-9]{0,3}$")

    @model_validator(mode="after")
    def _one_of_both(self) -> Resize:
        if (self.size is None) == (self.factor == 1):
            raise ValueError('resize needs a factor other than 1, or a size like "800x600", and not both')
        return self


class SpoiltVector(Selecting):
    """Of other dimensions than asked for; shorter than 1, although the model makes vectors of unit length."""

    do: Literal["wrong_dimensions", "short_vectors"]


class SpoiltResult(Selecting):
    do: Literal["missing", "duplicate"]


class ErroredResult(Selecting):
    do: Literal["errored"]
    status: int = Field(default=500, ge=400, le=599)
    code: str | None = None
    type: str | None = None
    message: str = "The emulator was told to fail this request."


class Swap(Strict):
    do: Literal["swap"]
    custom_ids: list[str] = Field(default=[], max_length=2)


class Shuffle(Strict):
    do: Literal["shuffle"]
    seed: int = 1


class Expire(Strict):
    do: Literal["expire"]
    share: float = Field(default=0.5, ge=0, le=1)


class Fail(Strict):
    do: Literal["fail"]
    code: str = "token_limit_exceeded"
    message: str = "The emulator was told to fail this batch."


class Pending(Strict):
    do: Literal["pending"]
    polls: int | None = Field(default=None, ge=1)


class FileIds(Strict):
    do: Literal["null_file_ids", "empty_file_ids", "object_file_ids"]
    of: Literal["missing", "output", "error", "both"] = "missing"


class ResultsHost(Strict):
    do: Literal["results_host"]
    url: str


class NoKeys(Strict):
    do: Literal["no_keys"]


OF_ANSWERS = (SpoiltAnswer, SpoiltStatement, SpoiltEntries, Leak, Resize, SpoiltVector, ErroredResult)
"""Actions that a single answer can be spoilt by, too."""
OF_SOURCES = (Blocked, NoTranscript, EmptyBody, Changed)
"""Actions that what is fetched can be spoilt by."""
CallAction = Status | Unsuccessful | Html | Drop | Delay | Hold | Cut
BatchAction = (
    SpoiltAnswer
    | SpoiltStatement
    | SpoiltEntries
    | Leak
    | Resize
    | SpoiltVector
    | SpoiltResult
    | ErroredResult
    | Swap
    | Shuffle
    | Expire
    | Fail
    | Pending
    | FileIds
    | ResultsHost
    | NoKeys
    | VisibleAfter
    | Blocked
    | NoTranscript
    | EmptyBody
    | Changed
)
OF_ALL_ANSWERS = (SpoiltEntries, Leak, Resize)
"""Actions that are about all answers, single ones and those in batches, unless they name some."""
AT_BATCHES = ("answer", "create")
CUT_CALLS = (*SINGLE_CALLS, *FETCHES)
ONLY_AT = {
    "null_file_ids": ("openai", "groq"),
    "empty_file_ids": ("openai", "groq"),
    "object_file_ids": ("openai", "groq"),
    "results_host": ("anthropic",),
    "no_keys": ("google",),
    "no_image": ("openai", "google"),
    "leak": ("openai", "google"),
    "resize": ("openai", "google"),
    "wrong_dimensions": ("openai", "groq", "google"),
    "short_vectors": ("openai", "groq", "google"),
    "success_false": ("cloudflare",),
    "visible_after": ("cloudflare",),
    **dict.fromkeys(get_args(NoTranscript.model_fields["do"].annotation), ("youtube",)),
    "blocked": ("youtube", "web"),
    "empty_body": ("youtube", "web"),
    "changed": ("youtube", "web"),
}


def actions() -> dict[str, type[Strict]]:
    """Every action by the word in `do`."""
    kinds: tuple[type[Strict], ...] = (*get_args(CallAction), *get_args(BatchAction))
    return {word: kind for kind in kinds for word in get_args(kind.model_fields["do"].annotation)}
