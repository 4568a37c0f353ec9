"""The fault script: what goes wrong, at which call, in which batch. docs/how-to/rehearse-faults.md describes the file.

A rule has a `match` and an `action`. Actions on calls spoil the HTTP answer; actions on batches are laid on the batch
that a matching create makes, and stay with it over a restart.
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from grabient_assets.emulator.fault_rules import CallAction, Match, Rule, actions
from grabient_assets.emulator.storage.counts import Counts
from grabient_assets.errors import EmulatorError

_RULES = TypeAdapter(Rule)


class FaultScript:
    """Rules in order. Of the rules on calls the first that fires wins; rules on batches add up."""

    def __init__(self, rules: list[Rule], counts: Counts) -> None:
        self._counts = counts
        self.rules = [(_name(place, rule), rule) for place, rule in enumerate(rules, start=1)]

    def of_call(self, provider: str, model: str, route: str) -> tuple[CallAction | None, tuple[dict[str, Any], ...]]:
        """What is to happen to this call, and the faults to be laid on the batch it creates."""
        spoil: CallAction | None = None
        plan: list[dict[str, Any]] = []
        for name, rule in self.rules:
            if not rule.about(provider, model, route):
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
