"""How probable each value and tag of a palette is, given how often which model errs.

The rates come from model_skills; nothing is fitted here, so a palette's figures do not depend on those it is counted
with. Colours that are not there have no probability: that much is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from grabient_assets.consensus.agreement import item_entropy
from grabient_assets.consensus.annotations import BLANK, Annotations, categorical_annotations, tag_annotations
from grabient_assets.consensus.dawid_skene import posteriors, tag_probabilities
from grabient_assets.consensus.grouping import Ints
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, OPEN_FIELDS, Answer
from grabient_assets.groups.tagging.consensus import Consensus, ModelAnswer
from grabient_assets.groups.tagging.imagined import is_hallucinated
from grabient_assets.groups.tagging.skills import Estimator, Skills
from grabient_assets.groups.tagging.tag_forms import tag_form

Estimates = dict[str, list[dict[str, Any]]]
"""field -> [{"value", "probability"}], most probable first, rounded to 4 decimals."""


@dataclass(frozen=True, slots=True)
class _Panel:
    """The usable answers about several palettes: who gave each (`annotator`, a number in `models`), about which
    palette (`item`)."""

    answers: Sequence[Answer]
    item: Ints
    annotator: Ints
    models: Sequence[tuple[str, str]]
    items: int


def estimates_of(
    palettes: Sequence[tuple[Sequence[ModelAnswer], Consensus]],
    skills: Mapping[tuple[str, str], Skills],
    method: Estimator,
) -> list[Estimates]:
    """The probabilities for each palette, from its answers and its consensus, all under one prompt version.

    `skills` by (field, method); a field without any has no probabilities. Categorical: every value of the enumeration.
    Tags: every tag that somebody named, in the spelling of the consensus.
    """
    panel = _panel([answers for answers, _ in palettes])
    by_field: dict[str, list[list[dict[str, Any]]]] = {}
    for field in (*CATEGORICAL_FIELDS, *LIST_FIELDS):
        rates = skills.get((field, method if field in CATEGORICAL_FIELDS else "full"))
        if rates is None or not panel.answers:
            by_field[field] = [[] for _ in palettes]
        elif field in CATEGORICAL_FIELDS:
            by_field[field] = _categorical(field, panel, rates)
        else:
            by_field[field] = _tags(field, panel, rates, [consensus for _, consensus in palettes])
    return [{field: found[number] for field, found in by_field.items()} for number in range(len(palettes))]


def _panel(palettes: Sequence[Sequence[ModelAnswer]]) -> _Panel:
    used = [(item, one) for item, answers in enumerate(palettes) for one in answers if not one.answer.is_empty]
    models = sorted({(one.provider, one.model) for _, one in used})
    number = {model: code for code, model in enumerate(models)}
    return _Panel(
        [one.answer for _, one in used],
        np.asarray([item for item, _ in used], dtype=np.int64),
        np.asarray([number[one.provider, one.model] for _, one in used], dtype=np.int64),
        models,
        len(palettes),
    )


def mean_entropies(palettes: Sequence[Sequence[ModelAnswer]]) -> list[float | None]:
    """The entropy of the answers about each palette in bits, the mean of the categorical fields that have any; None
    without. A model of two minds counts half for each, whatever the panel thinks (agreement.py)."""
    panel = _panel(palettes)
    found = np.asarray([item_entropy(_categorical_annotations(field, panel)) for field in CATEGORICAL_FIELDS])
    known = np.isfinite(found)
    number, total = known.sum(axis=0), np.where(known, found, 0.0).sum(axis=0)
    return [float(sum_) / int(n) if n else None for sum_, n in zip(total, number, strict=True)]


def _categorical(field: str, panel: _Panel, rates: Skills) -> list[list[dict[str, Any]]]:
    values, annotations = CATEGORICAL_VALUES[field], _categorical_annotations(field, panel)
    answered = np.diff(annotations.candidates.starts) > 0
    found = posteriors(annotations, rates.of(panel.models), rates.correlation).tolist()
    return [ranked_values(values, one) if known else [] for one, known in zip(found, answered.tolist(), strict=True)]


def _categorical_annotations(field: str, panel: _Panel) -> Annotations:
    values = CATEGORICAL_VALUES[field]
    code = {value: number for number, value in enumerate(values)}
    codes = np.asarray([code.get(getattr(one, field), BLANK) for one in panel.answers], dtype=np.int64)
    return categorical_annotations(
        panel.item, panel.annotator, codes, items=panel.items, annotators=len(panel.models), values=len(values)
    )


def _tags(field: str, panel: _Panel, rates: Skills, consensus: Sequence[Consensus]) -> list[list[dict[str, Any]]]:
    form = _form_of(field)
    rows = [(number, form(tag)) for number, one in enumerate(panel.answers) for tag in getattr(one, field)]
    words = sorted({word for _, word in rows})
    if not words:
        return [[] for _ in consensus]
    code = {word: number for number, word in enumerate(words)}
    annotations = tag_annotations(
        panel.item,
        panel.annotator,
        np.asarray([number for number, _ in rows], dtype=np.int64),
        np.asarray([code[word] for _, word in rows], dtype=np.int64),
        items=panel.items,
        annotators=len(panel.models),
        tags=len(words),
    )
    probability = tag_probabilities(annotations, rates.of(panel.models), rates.correlation).tolist()
    named: list[list[tuple[str, float]]] = [[] for _ in consensus]
    of = annotations.candidates
    for item, tag, one in zip(of.item.tolist(), of.value.tolist(), probability, strict=True):
        named[item].append((words[tag], one))
    return [shown_tags(field, found, votes) for found, votes in zip(named, consensus, strict=True)]


def shown_tags(field: str, found: Sequence[tuple[str, float]], consensus: Consensus) -> list[dict[str, Any]]:
    """The candidates (form, probability) that the colours do not contradict, spelt as in the consensus."""
    form = _form_of(field)
    shown = {form(vote.value): vote for vote in consensus.votes[field]}
    kept: list[tuple[str, float]] = []
    for word, one in found:
        vote = shown.get(word)
        if not (vote.contradicted if vote else is_hallucinated(field, word, consensus.rgb)):
            kept.append((vote.value if vote else word, one))
    return ranked_values([value for value, _ in kept], [one for _, one in kept])


def _form_of(field: str) -> Callable[[str], str]:
    return tag_form if field in OPEN_FIELDS else str


def ranked_values(values: Sequence[str], probability: Sequence[float]) -> list[dict[str, Any]]:
    """As estimates are stored: most probable first, of equals as they were given."""
    order = sorted(range(len(values)), key=lambda number: (-round(probability[number], 4), number))
    return [{"value": values[number], "probability": round(probability[number], 4)} for number in order]
