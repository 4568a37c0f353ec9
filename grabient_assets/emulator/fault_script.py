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

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from grabient_assets.emulator.database import CallCounts
from grabient_assets.emulator.fault_actions import (
    AT_BATCHES,
    CUT_CALLS,
    OF_ALL_ANSWERS,
    OF_ANSWERS,
    OF_SOURCES,
    ONLY_AT,
    BatchAction,
    Blocked,
    CallAction,
    Changed,
    Cut,
    EmptyBody,
    NoTranscript,
    Strict,
    VisibleAfter,
    actions,
)
from grabient_assets.emulator.wire import FETCHES, ROUTE_NAMES, SINGLE_CALLS, Place
from grabient_assets.errors import EmulatorError
from grabient_assets.settings import Provider

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
    def _of_all(self) -> bool:
        """Of these `answer` means answers in batches, too."""
        return isinstance(self.action, OF_ALL_ANSWERS)

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
            and (self.match.route in (None, route) or (self._of_all and (self.match.route, route) == AT_BATCHES))
            and route in laid
            and self.match.fetches(place)
        )


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
        return f"action {place[1]} takes " + ", ".join(key.alias or name for name, key in keys.items() if name != "do")
    return "a rule takes match and action"
