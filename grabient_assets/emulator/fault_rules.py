"""The rules of a fault script: what may be matched, what may be done. Strict: an unknown key is an error."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from grabient_assets.emulator.wire import ROUTE_NAMES

ProviderName = Literal["anthropic", "openai", "groq", "google"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Match(Strict):
    """Which calls a rule is about. What is left out matches everything; `nth`, `from`, `to` count from 1."""

    provider: ProviderName | None = None
    model: str | None = None
    route: str | None = None
    nth: int | list[int] | None = None
    first: int | None = Field(default=None, alias="from", ge=1)
    last: int | None = Field(default=None, alias="to", ge=1)
    times: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _known_route(self) -> Match:
        if self.route is not None and self.route not in ROUTE_NAMES:
            raise ValueError(f"route {self.route!r} is unknown; routes are {', '.join(ROUTE_NAMES)}")
        return self

    def numbers(self, seen: int) -> bool:
        """Whether the seen-th matching call is meant."""
        if self.nth is not None and seen not in ([self.nth] if isinstance(self.nth, int) else self.nth):
            return False
        return (self.first or 1) <= seen and (self.last is None or seen <= self.last)


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


class Selecting(Strict):
    """Actions on some requests of a batch: the named ones, or `count`, or a `share` of them."""

    count: int = Field(default=1, ge=1)
    share: float | None = Field(default=None, gt=0, le=1)
    custom_ids: list[str] = []


class SpoiltAnswer(Selecting):
    do: Literal["refuse", "truncate", "garbage", "empty"]


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


CallAction = Status | Html | Drop | Delay | Hold | Cut
BatchAction = (
    SpoiltAnswer
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
)
ONLY_AT = {
    "null_file_ids": ("openai", "groq"),
    "empty_file_ids": ("openai", "groq"),
    "object_file_ids": ("openai", "groq"),
    "results_host": ("anthropic",),
    "no_keys": ("google",),
}


class Rule(Strict):
    """One fault."""

    match: Match = Match()
    action: Annotated[CallAction | BatchAction, Field(discriminator="do")]

    @model_validator(mode="after")
    def _fits(self) -> Rule:
        do, provider = self.action.do, self.match.provider
        if self.on_batch and self.match.route not in (None, "create"):
            raise ValueError(f"{do} is laid on a batch when it is created: leave route out, or write create")
        if do in ONLY_AT and provider is not None and provider not in ONLY_AT[do]:
            raise ValueError(f"{do} exists only at {' and '.join(ONLY_AT[do])}")
        if isinstance(self.action, Cut) and self.match.route not in ("results", "file_content"):
            raise ValueError("cut needs route results or file_content")
        return self

    @property
    def on_batch(self) -> bool:
        return isinstance(self.action, get_args(BatchAction))

    def about(self, provider: str, model: str, route: str) -> bool:
        wanted_route = "create" if self.on_batch else self.match.route
        return (
            self.match.provider in (None, provider)
            and self.match.model in (None, model)
            and wanted_route in (None, route)
        )


def actions() -> dict[str, type[Strict]]:
    """Every action by the word in `do`."""
    kinds: tuple[type[Strict], ...] = (*get_args(CallAction), *get_args(BatchAction))
    return {word: kind for kind in kinds for word in get_args(kind.model_fields["do"].annotation)}
