"""What the panel says together: one vote per model, however often it was asked.

The rules, written out with examples in docs/tags-and-consensus.md:

- A model votes for the value of a categorical field that most of its own answers give.
- A model votes for a tag that at least half of its usable answers give. (Any answer would let a model asked twenty
  times vote for far more tags than one asked once; all answers would let one odd answer erase the others.)
- Values stand in the order of their models, then of their support (the sum over models of the part of the model's
  answers that give the value), then in a fixed order: that of the enumeration, for tags the alphabet.
- A model of two minds about a categorical field votes for the value with more support, then by the fixed order.

Nothing depends on the order in which answers arrive.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from math import fsum
from typing import Any, TypeVar

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, Answer

# The refiner sees this many words per field; further ones have few votes and cost tokens.
MAX_PROMPT_WORDS = 20

Key = TypeVar("Key", bound=Hashable)
_ORDER = {field: {value: place for place, value in enumerate(values)} for field, values in CATEGORICAL_VALUES.items()}


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """One usable answer of one model to one palette under one prompt version."""

    provider: str
    model: str
    analysis_index: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Vote:
    """`models` models of the panel voted for `value`; `share` is their part of all models with a usable answer."""

    value: str
    models: int
    share: float


@dataclass(frozen=True, slots=True)
class Consensus:
    """`models` models gave `answers` usable answers; `votes` lists for every field its values, strongest first."""

    models: int
    answers: int
    votes: dict[str, tuple[Vote, ...]]

    def top(self, field: str) -> str | None:
        """The strongest value of `field`, or None when no model voted on it."""
        return self.votes[field][0].value if self.votes[field] else None

    def votes_json(self) -> dict[str, list[dict[str, Any]]]:
        """The votes as plain data: {field: [{"value", "models", "share"}]}, shares rounded to 4 decimals."""
        return {
            field: [{"value": vote.value, "models": vote.models, "share": round(vote.share, 4)} for vote in votes]
            for field, votes in self.votes.items()
        }


def build_consensus(answers: Iterable[ModelAnswer]) -> Consensus:
    """The consensus on one palette under one prompt version.

    Answers that hold nothing do not count. Of several answers with the same provider, model and analysis_index only
    one counts (the least by content, so that it is always the same one).
    """
    by_model = _by_model(answers)
    votes: dict[str, tuple[Vote, ...]] = {}
    for field in CATEGORICAL_FIELDS:
        votes[field] = _categorical_votes(field, by_model)
    for field in LIST_FIELDS:
        votes[field] = _tag_votes(field, by_model)
    return Consensus(models=len(by_model), answers=sum(map(len, by_model)), votes=votes)


def build_consensuses(rows: Iterable[tuple[Key, ModelAnswer]]) -> dict[Key, Consensus]:
    """The consensus of every key (such as a seed) in `rows`, in order of the key's first row."""
    groups: defaultdict[Key, list[ModelAnswer]] = defaultdict(list)
    for key, answer in rows:
        groups[key].append(answer)
    return {key: build_consensus(answers) for key, answers in groups.items()}


def consensus_for_prompt(consensus: Consensus) -> dict[str, Any]:
    """The votes as the refiner reads them: {"models": N, field: {word: "n/N"}}, at most 20 words per field."""
    counts: dict[str, Any] = {"models": consensus.models}
    for field, votes in consensus.votes.items():
        counts[field] = {vote.value: f"{vote.models}/{consensus.models}" for vote in votes[:MAX_PROMPT_WORDS]}
    return counts


def _by_model(answers: Iterable[ModelAnswer]) -> list[list[Answer]]:
    slots: dict[tuple[str, str, int], Answer] = {}
    for item in answers:
        if item.answer.is_empty:
            continue
        slot = (item.provider, item.model, item.analysis_index)
        known = slots.get(slot)
        if known is None or (known is not item.answer and repr(item.answer) < repr(known)):
            slots[slot] = item.answer
    models: defaultdict[tuple[str, str], list[Answer]] = defaultdict(list)
    for (provider, model, _), answer in slots.items():
        models[provider, model].append(answer)
    return list(models.values())


def _categorical_votes(field: str, by_model: list[list[Answer]]) -> tuple[Vote, ...]:
    order = _ORDER[field]
    counts = [
        Counter(value for answer in answers if (value := getattr(answer, field)) in order) for answers in by_model
    ]
    support = _support(counts, by_model)
    models: Counter[str] = Counter()
    for own in counts:
        if own:
            models[max(own, key=lambda value: (own[value], support[value], -order[value]))] += 1
    ranked = sorted(models, key=lambda value: (-models[value], -support[value], order[value]))
    return _as_votes(ranked, models, len(by_model))


def _tag_votes(field: str, by_model: list[list[Answer]]) -> tuple[Vote, ...]:
    counts = [Counter(tag for answer in answers for tag in set(getattr(answer, field))) for answers in by_model]
    support = _support(counts, by_model)
    models: Counter[str] = Counter()
    for own, answers in zip(counts, by_model, strict=True):
        models.update(tag for tag, times in own.items() if 2 * times >= len(answers))
    ranked = sorted(models, key=lambda tag: (-models[tag], -support[tag], tag))
    return _as_votes(ranked, models, len(by_model))


def _support(counts: list[Counter[str]], by_model: list[list[Answer]]) -> dict[str, float]:
    parts: defaultdict[str, list[float]] = defaultdict(list)
    for own, answers in zip(counts, by_model, strict=True):
        for value, times in own.items():
            parts[value].append(times / len(answers))
    # fsum is exact: the sum does not depend on the order of its parts.
    return {value: fsum(values) for value, values in parts.items()}


def _as_votes(ranked: Iterable[str], models: Counter[str], panel: int) -> tuple[Vote, ...]:
    return tuple(Vote(value, models[value], models[value] / panel) for value in ranked)
