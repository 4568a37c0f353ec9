"""The fault script: what goes wrong, at which call, in which batch. docs/how-to/rehearse-faults.md describes the file.

A rule has a `match` and an `action`. Actions on calls spoil the HTTP answer; actions on batches are laid on the batch
that a matching create makes, and stay with it over a restart. The rules are strict: an unknown key is an error.
"""

from __future__ import annotations

import hashlib
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from grabient_assets.emulator.database import CallCounts
from grabient_assets.emulator.wire import FETCHES, ROUTE_NAMES, SINGLE_CALLS, Place
from grabient_assets.errors import EmulatorError
from grabient_assets.settings import Provider


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


Service = Provider | Literal["cloudflare", "youtube", "web"]


class Match(Strict):
    """Which calls a rule is about. What is left out matches everything; `nth`, `from`, `to` count from 1.

    `video` and `path` may hold `*` and `?`, and match only calls that fetch such a thing.
    """

    provider: Service | None = None
    model: str | None = None
    route: str | None = None
    video: str | None = None
    path: str | None = None
    step: Literal["watch", "player", "captions"] | None = None
    nth: int | list[int] | None = None
    first: int | None = Field(default=None, alias="from", ge=1)
    last: int | None = Field(default=None, alias="to", ge=1)
    times: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _known_route(self) -> Match:
        if self.route is not None and self.route not in ROUTE_NAMES:
            raise ValueError(f"route {self.route!r} is unknown; routes are {', '.join(ROUTE_NAMES)}")
        return self

    def fetches(self, place: Place | None) -> bool:
        """Whether a call for this is meant."""
        if place is None:
            return self.video is self.path is self.step is None
        return (
            (self.video is None or bool(place.video and fnmatchcase(place.video, self.video)))
            and (self.path is None or any(fnmatchcase(path, self.path) for path in place.paths))
            and self.step in (None, place.step)
        )

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


OF_ANSWERS = (SpoiltAnswer, SpoiltStatement, SpoiltEntries, SpoiltVector, ErroredResult)
"""Actions that a single answer can be spoilt by, too."""
OF_SOURCES = (Blocked, NoTranscript, EmptyBody, Changed)
"""Actions that what is fetched can be spoilt by."""
CallAction = Status | Unsuccessful | Html | Drop | Delay | Hold | Cut
BatchAction = (
    SpoiltAnswer
    | SpoiltStatement
    | SpoiltEntries
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
AT_BATCHES = ("answer", "create")
CUT_CALLS = (*SINGLE_CALLS, *FETCHES)
ONLY_AT = {
    "null_file_ids": ("openai", "groq"),
    "empty_file_ids": ("openai", "groq"),
    "object_file_ids": ("openai", "groq"),
    "results_host": ("anthropic",),
    "no_keys": ("google",),
    "no_image": ("openai", "google"),
    "wrong_dimensions": ("openai", "groq", "google"),
    "short_vectors": ("openai", "groq", "google"),
    "success_false": ("cloudflare",),
    "visible_after": ("cloudflare",),
    **dict.fromkeys(get_args(NoTranscript.model_fields["do"].annotation), ("youtube",)),
    "blocked": ("youtube", "web"),
    "empty_body": ("youtube", "web"),
    "changed": ("youtube", "web"),
}


class Rule(Strict):
    """One fault."""

    match: Match = Match()
    action: Annotated[CallAction | BatchAction, Field(discriminator="do")]

    @model_validator(mode="after")
    def _fits(self) -> Rule:
        do, provider = self.action.do, self.match.provider
        if self.on_batch and self.match.route not in (None, *self._laid_at):
            when = "a write of vectors" if do == "visible_after" else "a batch when it is created"
            when = "what is fetched" if isinstance(self.action, OF_SOURCES) else when
            raise ValueError(f"{do} is laid on {when}: leave route out, or write {' or '.join(self._laid_at)}")
        if do in ONLY_AT and provider is not None and provider not in ONLY_AT[do]:
            raise ValueError(f"{do} exists only at {' and '.join(ONLY_AT[do])}")
        if isinstance(self.action, Cut) and self.match.route not in ("results", "file_content", *CUT_CALLS):
            raise ValueError(f"cut needs route results or file_content, or one of {', '.join(CUT_CALLS)}")
        return self

    @property
    def on_batch(self) -> bool:
        return isinstance(self.action, get_args(BatchAction))

    @property
    def _of_entries(self) -> bool:
        """Of these `answer` means answers in batches, too."""
        return isinstance(self.action, SpoiltEntries)

    @property
    def _laid_at(self) -> tuple[str, ...]:
        """Where an action on requests is laid on them: at the creation of a batch, and at calls that are answered at
        once where it is about the answer and names no custom ids, which such calls have not."""
        if isinstance(self.action, VisibleAfter):
            return ("vectors", "delete")
        if isinstance(self.action, OF_SOURCES):
            return ("transcript",) if isinstance(self.action, NoTranscript) else FETCHES
        one = isinstance(self.action, OF_ANSWERS) and not self.action.custom_ids
        return ("create", *SINGLE_CALLS) if one else ("create",)

    def _step(self) -> tuple[str, ...]:
        """The calls for a transcript that the action can spoil."""
        if isinstance(self.action, Blocked):
            return ("watch",) if self.action.how == "captcha" else ("player",)
        if isinstance(self.action, NoTranscript):
            return ("player",)
        return ("captions",) if isinstance(self.action, EmptyBody | Changed) else ()

    def about(self, provider: str, model: str, route: str, place: Place | None) -> bool:
        laid = self._laid_at if self.on_batch else (route,)
        if place is not None and place.step and isinstance(self.action, OF_SOURCES) and place.step not in self._step():
            return False
        return (
            self.match.provider in (None, provider)
            and provider in ONLY_AT.get(self.action.do, (provider,))
            and self.match.model in (None, model)
            and (self.match.route in (None, route) or (self._of_entries and (self.match.route, route) == AT_BATCHES))
            and route in laid
            and self.match.fetches(place)
        )


def actions() -> dict[str, type[Strict]]:
    """Every action by the word in `do`."""
    kinds: tuple[type[Strict], ...] = (*get_args(CallAction), *get_args(BatchAction))
    return {word: kind for kind in kinds for word in get_args(kind.model_fields["do"].annotation)}


_RULES = TypeAdapter(Rule)


class FaultScript:
    """Rules in order. Of the rules on calls the first that fires wins; rules on batches add up."""

    def __init__(self, rules: list[Rule], counts: CallCounts) -> None:
        self._counts = counts
        self.rules = [(_name(place, rule), rule) for place, rule in enumerate(rules, start=1)]

    def of_call(
        self, provider: str, model: str, route: str, place: Place | None = None
    ) -> tuple[CallAction | None, tuple[dict[str, Any], ...]]:
        """What is to happen to this call, and the faults to be laid on what it creates, asks for or fetches."""
        spoil: CallAction | None = None
        plan: list[dict[str, Any]] = []
        for name, rule in self.rules:
            if not rule.about(provider, model, route, place):
                continue
            seen, fired = self._counts.count_match(name)
            if not rule.match.numbers(seen) or (rule.match.times is not None and fired >= rule.match.times):
                continue
            if rule.on_batch:
                plan.append(rule.action.model_dump())
            elif spoil is None:
                spoil = rule.action  # type: ignore[assignment]
            else:
                continue
            self._counts.count_fired(name)
        return spoil, tuple(plan)


def _name(place: int, rule: Rule) -> str:
    """The rule's name in the counts: its place and text, so that a changed rule starts counting anew."""
    return f"{place}:{hashlib.sha256(rule.model_dump_json().encode()).hexdigest()[:16]}"


def load_rules(path: Path) -> list[Rule]:
    """The rules of a TOML or YAML file.

    Raises EmulatorError naming the file, the rule and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise EmulatorError(f"Fault script {path} cannot be read: {error.strerror or error}.") from error
    try:
        document = tomllib.loads(text) if path.suffix == ".toml" else _yaml(text)
    except ValueError as error:
        raise EmulatorError(f"Fault script {path} is not valid {path.suffix.lstrip('.').upper()}: {error}.") from error
    return read_rules(document, str(path))


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def read_rules(document: Any, source: str) -> list[Rule]:
    """Rules from a document `{"rules": [...]}`; `source` names it in errors. Raises EmulatorError."""
    if not isinstance(document, dict) or set(document) != {"rules"} or not isinstance(document["rules"], list):
        raise EmulatorError(f"Fault script {source} must hold one list, `rules`, and nothing else.")
    rules = []
    for place, entry in enumerate(document["rules"], start=1):
        try:
            rules.append(_RULES.validate_python(entry))
        except ValidationError as error:
            raise EmulatorError(f"Fault script {source}, rule {place}: {_reason(error)}.") from error
    return rules


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"action.do is missing or unknown; actions are {', '.join(sorted(actions()))}"
    if first["type"] == "extra_forbidden":
        return f"{place} is not a key here; {_allowed(first['loc'])}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _allowed(place: tuple[int | str, ...]) -> str:
    if place[0] == "match":
        return "match takes " + ", ".join(field.alias or name for name, field in Match.model_fields.items())
    if place[0] == "action" and len(place) > 1:
        keys = actions()[str(place[1])].model_fields
        return f"action {place[1]} takes " + ", ".join(name for name in keys if name != "do")
    return "a rule takes match and action"
