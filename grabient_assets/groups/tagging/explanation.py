"""The explanation of the consensus on one palette: the values of each model, their weights, and the result.

Nothing is decided here. Votes and probabilities are the stored ones, which the refiner read; who votes for what is
counted by the rule that built them (consensus.py), and `adds_up` says whether the answers stored now still give them.
Error rates may have been fitted again since the probabilities were stored, so both are shown: the stored probability,
and the one that the present rates give.

The weights of answers are in bits. One bit makes a value twice as likely against another. Under Dawid and Skene's model
bits add up: those of the prior (how often each value occurs), and those of every model. A model asked
several times has one vote, made of its answers in equal parts, as in the estimates (estimating.py). Where models share
mistakes each of them weighs less, by what the panel of the palette is worth together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np

from grabient_assets.consensus.gold import ABSENT, PRESENT
from grabient_assets.consensus.independence import vote_weight
from grabient_assets.gradient.vectorized import clear_harmonies
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.palettes.tables import PaletteRecord
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, OPEN_FIELDS, Answer
from grabient_assets.groups.tagging.consensus import (
    Consensus,
    Counted,
    ModelAnswer,
    Panel,
    count_field,
    panel_of,
    votes_of,
)
from grabient_assets.groups.tagging.estimating import Estimates
from grabient_assets.groups.tagging.imagined import is_hallucinated
from grabient_assets.groups.tagging.model_reports import ModelReport
from grabient_assets.groups.tagging.skills import Skills
from grabient_assets.groups.tagging.tag_forms import tag_form


@dataclass(frozen=True, slots=True)
class TagWeight:
    """What naming a tag in every answer weighs for it, and what never naming it does."""

    named: float
    unnamed: float

    def bits(self, part: float) -> float:
        """For a tag that stands in this part of a model's answers."""
        return part * self.named + (1 - part) * self.unnamed


def weigh_words(
    field: str, panel: Panel, rates: Skills, result: str, rival: str
) -> tuple[float, dict[tuple[str, str], float]]:
    """The prior and every model's bits for `result` against `rival` in a categorical field."""
    values = CATEGORICAL_VALUES[field]
    of, code = rates.of(list(panel)), {value: number for number, value in enumerate(values)}
    one, other = code[result], code[rival]
    words = [[value for answer in panel[who].values() if (value := getattr(answer, field)) in code] for who in panel]
    weight = float(vote_weight(np.asarray(sum(map(bool, words))), rates.correlation))
    found: dict[tuple[str, str], float] = {}
    for who, confusion, given in zip(panel, of.confusion, words, strict=True):
        counts = Counter(given)
        found[who] = weight * sum(
            times / counts.total() * log2(confusion[one, code[value]] / confusion[other, code[value]])
            for value, times in counts.items()
        )
    return log2(of.prevalence[one] / of.prevalence[other]), found


def weigh_tags(panel: Panel, rates: Skills) -> tuple[float, dict[tuple[str, str], TagWeight]]:
    """The prior of a tag that somebody named, and what each model's naming it or not weighs."""
    of = rates.of(list(panel))
    weight = float(vote_weight(np.asarray(len(panel)), rates.correlation))
    found = {
        who: TagWeight(
            weight * log2(confusion[PRESENT, PRESENT] / confusion[ABSENT, PRESENT]),
            weight * log2(confusion[PRESENT, ABSENT] / confusion[ABSENT, ABSENT]),
        )
        for who, confusion in zip(panel, of.confusion, strict=True)
    }
    return log2(of.prevalence[PRESENT] / of.prevalence[ABSENT]), found


@dataclass(frozen=True, slots=True)
class Annotator:
    """A model that gave a value, in which of its analyses (from 0), and whether it votes for the value."""

    provider: str
    model: str
    analyses: tuple[int, ...]
    votes: bool


@dataclass(frozen=True, slots=True)
class Value:
    """A value that somebody gave. `models`, `share`, `probability` and `contradicted` are those of the consensus.

    `models` is 0 for one that nobody votes for. `support`: the sum over models of the part of their answers that give
    it. `spellings`: other ways in which it was written. `probability_now`: under the present error rates, from which
    `bits` are, all that speaks for a tag against its absence; None in categorical fields (see Weight).
    """

    value: str
    models: int
    share: float
    support: float
    probability: float | None
    probability_now: float | None
    contradicted: bool
    spellings: tuple[str, ...]
    said_by: tuple[Annotator, ...]  # a key of `grabient explain --json`, as is `said` below
    bits: float | None


@dataclass(frozen=True, slots=True)
class Weight:
    """What one model counts in a field; in a majority that is one vote.

    `said`: a categorical field's value in each analysis. `measured`: its row of model_reports. In bits under the
    present error rates: categorical, `bits` for the result against its rival; tags, `named` and
    `unnamed`.
    """

    provider: str
    model: str
    answers: int
    said: tuple[str | None, ...]
    votes_for: tuple[str, ...]
    measured: ModelReport | None
    bits: float | None
    named: float | None
    unnamed: float | None


@dataclass(frozen=True, slots=True)
class FieldExplanation:
    """One field.

    `result`: the values that stand, strongest first; of a categorical field the first is the consensus. `computed`:
    what the colours alone say, None where nothing is computed; `clear_cut`: whether they are far from every threshold,
    None where there is none. `rival`: the value with which bits compare the result; `prior`: the bits before anybody
    has spoken. `adds_up`: whether the answers give exactly these votes.
    """

    field: str
    result: tuple[str, ...]
    computed: tuple[str, ...] | None
    clear_cut: bool | None
    values: tuple[Value, ...]
    weights: tuple[Weight, ...]
    rival: str | None
    prior: float | None
    adds_up: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about one palette.

    `estimates`: the stored probabilities, `present` those under the present error rates, `skills`, by field.
    `measured`: rows of model_reports by provider, model and field.
    """

    palette: PaletteRecord
    answers: Sequence[ModelAnswer]
    consensus: Consensus
    estimates: Estimates
    present: Estimates
    skills: Mapping[str, Skills]
    measured: Mapping[tuple[str, str, str], ModelReport]


def explain_fields(evidence: Evidence) -> tuple[FieldExplanation, ...]:
    """Every field, the categorical ones first."""
    panel = {who: dict(sorted(answers.items())) for who, answers in sorted(panel_of(evidence.answers).items())}
    return tuple(_explained(field, evidence, panel) for field in (*CATEGORICAL_FIELDS, *LIST_FIELDS))


def _explained(field: str, evidence: Evidence, panel: Panel) -> FieldExplanation:
    counted = count_field(field, panel)
    annotators = _annotators(field, panel, counted)
    result = tuple(vote.value for vote in evidence.consensus.standing(field))
    rival, prior = None, None
    words: dict[tuple[str, str], float] = {}
    tags: dict[tuple[str, str], TagWeight] = {}
    rates = evidence.skills.get(field) if panel else None
    if field in CATEGORICAL_FIELDS:
        rival = _rival(field, evidence, result)
        if rates and rival:
            prior, words = weigh_words(field, panel, rates, result[0], rival)
    elif rates:
        prior, tags = weigh_tags(panel, rates)
    computed, clear_cut = _computed(field, evidence.palette)
    recounted = votes_of(field, counted, evidence.palette.rgb)
    return FieldExplanation(
        field,
        result,
        computed,
        clear_cut,
        _values(field, evidence, counted, annotators, _Bits(prior, tags, panel)),
        tuple(_weight(field, who, evidence, panel, counted, words.get(who), tags.get(who)) for who in panel),
        rival,
        prior,
        [one.plain() for one in recounted] == [one.plain() for one in evidence.consensus.votes.get(field, ())],
    )


@dataclass(frozen=True, slots=True)
class _Bits:
    prior: float | None
    tags: Mapping[tuple[str, str], TagWeight]
    panel: Panel

    def of(self, annotators: Sequence[Annotator]) -> float | None:
        if self.prior is None or not self.tags:
            return None
        times = {(one.provider, one.model): len(one.analyses) for one in annotators}
        parts = {who: times.get(who, 0) / len(answers) for who, answers in self.panel.items()}
        return self.prior + sum(self.tags[who].bits(part) for who, part in parts.items())


def _form(field: str, tag: str) -> str:
    return tag_form(tag) if field in OPEN_FIELDS else tag


def _given(field: str, answer: Answer) -> tuple[str, ...]:
    if field in LIST_FIELDS:
        return getattr(answer, field)
    value = getattr(answer, field)
    return (value,) if value in CATEGORICAL_VALUES[field] else ()


def _annotators(field: str, panel: Panel, counted: Counted) -> dict[str, tuple[Annotator, ...]]:
    """The annotators of each value, by form."""
    found: defaultdict[str, list[Annotator]] = defaultdict(list)
    for (provider, model), answers in panel.items():
        analyses: defaultdict[str, list[int]] = defaultdict(list)
        for index, answer in answers.items():
            for form in dict.fromkeys(_form(field, tag) for tag in _given(field, answer)):
                analyses[form].append(index)
        votes = counted.chosen[provider, model]
        for form, where in analyses.items():
            found[form].append(Annotator(provider, model, tuple(where), form in votes))
    return {form: tuple(ones) for form, ones in found.items()}


def _values(
    field: str, evidence: Evidence, counted: Counted, annotators: Mapping[str, tuple[Annotator, ...]], bits: _Bits
) -> tuple[Value, ...]:
    """The values of the consensus in their order, contradicted ones after them, then those that nobody votes for."""
    votes = {vote.value: vote for vote in evidence.consensus.votes.get(field, ())}
    stored, present = (_probabilities(found, field) for found in (evidence.estimates, evidence.present))
    shown = {counted.spelling[form]: form for form in counted.support}
    standing = [vote.value for vote in evidence.consensus.standing(field)]
    order = dict.fromkeys((*standing, *votes, *sorted(shown, key=lambda v: (-counted.support[shown[v]], v))))
    written = _written(field, evidence.answers)
    found: list[Value] = []
    for value in order:
        vote, form = votes.get(value), shown.get(value, _form(field, value))
        who = annotators.get(form, ())
        found.append(
            Value(
                value,
                vote.models if vote else 0,
                vote.share if vote else 0.0,
                counted.support.get(form, 0.0),
                stored.get(form),
                present.get(form),
                vote.contradicted if vote else is_hallucinated(field, value, evidence.palette.rgb),
                tuple(sorted(written.get(form, set()) - {value})),
                who,
                bits.of(who),
            )
        )
    return tuple(found)


def _weight(
    field: str,
    who: tuple[str, str],
    evidence: Evidence,
    panel: Panel,
    counted: Counted,
    bits: float | None,
    tag: TagWeight | None,
) -> Weight:
    categorical = field in CATEGORICAL_FIELDS
    return Weight(
        *who,
        len(panel[who]),
        tuple(getattr(answer, field) for answer in panel[who].values()) if categorical else (),
        tuple(counted.spelling[form] for form in counted.chosen[who]),
        evidence.measured.get((*who, field)),
        bits,
        tag.named if tag else None,
        tag.unnamed if tag else None,
    )


def _rival(field: str, evidence: Evidence, result: Sequence[str]) -> str | None:
    """The most probable other value, without probabilities the one with most votes."""
    if not result:
        return None
    probable = [one["value"] for one in (evidence.present or evidence.estimates).get(field, [])]
    return next((value for value in (*probable, *result) if value != result[0]), None)


def _probabilities(estimates: Estimates, field: str) -> dict[str, float]:
    """By form: a tag that nobody votes for stands in its form there, and here in the spelling most models wrote."""
    found: list[dict[str, Any]] = estimates.get(field, [])
    return {_form(field, one["value"]): one["probability"] for one in found}


def _written(field: str, answers: Sequence[ModelAnswer]) -> dict[str, set[str]]:
    """By form, the spellings in which it was written."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for one in answers:
        for tag in _given(field, one.answer):
            found[_form(field, tag)].add(tag)
    return found


def _computed(field: str, palette: PaletteRecord) -> tuple[tuple[str, ...] | None, bool | None]:
    if field in CATEGORICAL_FIELDS:
        return (getattr(palette, field),), field in palette.clear_cut
    if field == "dominant_colors":
        return tuple(palette.color_names), None
    if field == "harmony":
        return tuple(palette.harmonies), bool((clear_harmonies(np.asarray([palette.rgb])) >= 0).all())
    return None, None
