"""The consensus of the panel: one vote per model, whatever the number of its answers.

The rules, written out with examples in docs/tags-and-consensus.md:

- A model votes for the value of a categorical field that most of its own answers give.
- A model votes for a tag that at least half of its usable answers give. (Any answer would let a model asked twenty
  times vote for far more tags than one asked once; all answers would let one odd answer erase the others.)
- Open tags (mood, style, associations) are counted in one form (tag_forms.py): "sunsets" and "sunset" are one tag.
  Shown is the spelling that most models wrote, then that with most support, then the first of the alphabet.
- A colour that the palette's colours contradict is marked. It stands in the table, and goes no further.
- Values stand in the order of their models, then of their support (the sum over models of the part of the model's
  answers that give the value), then in a fixed order: that of the enumeration, for tags the alphabet.
- A model of two minds about a categorical field votes for the value with more support, then by the fixed order.

Nothing depends on the order in which answers arrive.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any

from grabient_assets.gradient.palette import RGB
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, OPEN_FIELDS, Answer
from grabient_assets.groups.tagging.imagined import is_hallucinated
from grabient_assets.groups.tagging.tag_forms import tag_form

# The refiner sees this many words per field; further ones have few votes and cost tokens.
MAX_PROMPT_WORDS = 20

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
    """`models` models of the panel voted for `value`; `share` is their part of all models with a usable answer.

    `contradicted`: it names a colour that no colour of the palette comes near to.
    """

    value: str
    models: int
    share: float
    contradicted: bool = False

    def plain(self) -> dict[str, Any]:
        """As JSON data: the share rounded to 4 decimals, `contradicted` only where it is true."""
        found: dict[str, Any] = {"value": self.value, "models": self.models, "share": round(self.share, 4)}
        return {**found, "contradicted": True} if self.contradicted else found


Panel = dict[tuple[str, str], dict[int, Answer]]
"""(provider, model) -> analysis_index -> answer."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One field of one palette. Values stand in the form in which they are counted; `spelling` is how each is shown.

    `chosen`: what each model of the panel votes for. `support`: of every value that was named.
    """

    chosen: dict[tuple[str, str], list[str]]
    support: dict[str, float]
    spelling: dict[str, str]


@dataclass(frozen=True, slots=True)
class Consensus:
    """`models` models gave `answers` usable answers; `votes` lists for every field its values, most votes first.

    `probability`: field -> value -> how probable it is, where that decides what is strongest instead of the votes.
    `rgb`: the colours of the palette, as far as they are known here; the estimates leave out what contradicts them.
    """

    models: int
    answers: int
    votes: dict[str, tuple[Vote, ...]]
    probability: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    rgb: Sequence[RGB] = dataclasses.field(default=(), compare=False, repr=False)

    def standing(self, field: str) -> tuple[Vote, ...]:
        """The votes of `field` that the colours do not contradict, strongest first."""
        standing = (vote for vote in self.votes[field] if not vote.contradicted)
        probability = self.probability.get(field, {})
        return tuple(sorted(standing, key=lambda vote: -probability.get(vote.value, 0.0)))

    def top(self, field: str) -> str | None:
        """The strongest value of `field`, or None when no model voted on it."""
        standing = self.standing(field)
        return standing[0].value if standing else None

    def votes_json(self) -> dict[str, list[dict[str, Any]]]:
        """The votes as plain data: {field: [Vote.plain()]}, contradicted ones included."""
        return {field: [vote.plain() for vote in votes] for field, votes in self.votes.items()}


def build_consensus(answers: Iterable[ModelAnswer], rgb: Sequence[RGB] = ()) -> Consensus:
    """The consensus on one palette under one prompt version. `rgb`: its colours; without them nothing is contradicted.

    Answers that hold nothing do not count. Of several answers with the same provider, model and analysis_index only
    one counts (the least by content, so that it is always the same one).
    """
    panel = panel_of(answers)
    votes = {field: votes_of(field, count_field(field, panel), rgb) for field in (*CATEGORICAL_FIELDS, *LIST_FIELDS)}
    return Consensus(models=len(panel), answers=sum(map(len, panel.values())), votes=votes, rgb=rgb)


def panel_of(answers: Iterable[ModelAnswer]) -> Panel:
    """The answers that count: those that hold something, one per slot."""
    slots: dict[tuple[str, str, int], Answer] = {}
    for item in answers:
        if item.answer.is_empty:
            continue
        slot = (item.provider, item.model, item.analysis_index)
        known = slots.get(slot)
        if known is None or (known is not item.answer and repr(item.answer) < repr(known)):
            slots[slot] = item.answer
    panel: defaultdict[tuple[str, str], dict[int, Answer]] = defaultdict(dict)
    for (provider, model, index), answer in slots.items():
        panel[provider, model][index] = answer
    return dict(panel)


def count_field(field: str, panel: Panel) -> Counted:
    """The votes of each model in this field, and the support of each value."""
    responses = {model: list(answers.values()) for model, answers in panel.items()}
    return _count_words(field, responses) if field in _ORDER else _count_tags(field, responses)


def votes_of(field: str, counted: Counted, rgb: Sequence[RGB]) -> tuple[Vote, ...]:
    """The values of this field that a model votes for, strongest first."""
    models = Counter(value for chosen in counted.chosen.values() for value in chosen)
    order: Mapping[str, Any] = _ORDER.get(field, counted.spelling)
    ranked = sorted(models, key=lambda value: (-models[value], -counted.support[value], order[value]))
    shown, panel = counted.spelling, len(counted.chosen)
    return tuple(
        Vote(shown[value], models[value], models[value] / panel, is_hallucinated(field, shown[value], rgb))
        for value in ranked
    )


def consensus_for_prompt(consensus: Consensus) -> dict[str, Any]:
    """The votes as the refiner reads them: {"models": N, field: {word: "n/N"}}, at most 20 words per field.

    What the colours contradict is not among them.
    """
    counts: dict[str, Any] = {"models": consensus.models}
    for field in consensus.votes:
        shown = consensus.standing(field)[:MAX_PROMPT_WORDS]
        counts[field] = {vote.value: f"{vote.models}/{consensus.models}" for vote in shown}
    return counts


def _count_words(field: str, responses: Mapping[tuple[str, str], list[Answer]]) -> Counted:
    order = _ORDER[field]
    counts = {
        model: Counter(value for answer in answers if (value := getattr(answer, field)) in order)
        for model, answers in responses.items()
    }
    support = _support(counts, responses)
    chosen = {
        model: [max(own, key=lambda value: (own[value], support[value], -order[value]))] if own else []
        for model, own in counts.items()
    }
    return Counted(chosen, support, {value: value for value in support})


def _count_tags(field: str, responses: Mapping[tuple[str, str], list[Answer]]) -> Counted:
    written = {
        model: Counter(tag for answer in answers for tag in set(getattr(answer, field)))
        for model, answers in responses.items()
    }
    counts, spelling = written, {tag: tag for own in written.values() for tag in own}
    if field in OPEN_FIELDS:
        counts = {
            model: Counter(tag for answer in answers for tag in _forms(answer, field))
            for model, answers in responses.items()
        }
        spelling = _spellings(written, responses)
    chosen = {
        model: [form for form, times in own.items() if 2 * times >= len(responses[model])]
        for model, own in counts.items()
    }
    return Counted(chosen, _support(counts, responses), spelling)


def _forms(answer: Answer, field: str) -> set[str]:
    return {tag_form(tag) for tag in getattr(answer, field)}


def _spellings(
    written: Mapping[tuple[str, str], Counter[str]], responses: Mapping[tuple[str, str], list[Answer]]
) -> dict[str, str]:
    """For every form the spelling that is shown."""
    writers = Counter(tag for own in written.values() for tag in own)
    support = _support(written, responses)
    shown: dict[str, str] = {}
    for tag in sorted(writers, key=lambda tag: (-writers[tag], -support[tag], tag)):
        shown.setdefault(tag_form(tag), tag)
    return shown


def _support(
    counts: Mapping[tuple[str, str], Counter[str]], responses: Mapping[tuple[str, str], list[Answer]]
) -> dict[str, float]:
    parts: defaultdict[str, list[float]] = defaultdict(list)
    for model, own in counts.items():
        for value, times in own.items():
            parts[value].append(times / len(responses[model]))
    # fsum is exact: the sum does not depend on the order of its parts.
    return {value: fsum(values) for value, values in parts.items()}
