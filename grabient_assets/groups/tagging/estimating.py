"""How probable each value and tag of a palette is, given how often which model errs.

The rates come from model_skills; nothing is fitted here, so a palette's figures do not depend on those it is counted
with. Colours that are not there have no probability: that much is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from grabient_assets.consensus.agreement import item_entropy
from grabient_assets.consensus.annotations import BLANK, categorical_annotations, tag_annotations
from grabient_assets.consensus.dawid_skene import posteriors
from grabient_assets.consensus.tag_model import tag_probabilities
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS
from grabient_assets.groups.tagging.consensus import OPEN_FIELDS, Consensus, ModelAnswer
from grabient_assets.groups.tagging.skills import Estimator, Skills
from grabient_assets.groups.tagging.tag_forms import tag_form

Estimates = dict[str, list[dict[str, Any]]]
"""field -> [{"value", "probability"}], most probable first, rounded to 4 decimals."""


def estimates_of(
    answers: Sequence[ModelAnswer], consensus: Consensus, skills: Mapping[tuple[str, str], Skills], method: Estimator
) -> Estimates:
    """The probabilities for one palette. `skills` by (field, method); a field without any has no probabilities.

    Categorical: every value of the enumeration. Tags: every tag that somebody named, in the spelling of the consensus.
    """
    used = [one for one in answers if not one.answer.is_empty]
    models = sorted({(one.provider, one.model) for one in used})
    number = {model: code for code, model in enumerate(models)}
    annotator = np.asarray([number[one.provider, one.model] for one in used], dtype=np.int64)
    found: Estimates = {}
    for field in (*CATEGORICAL_FIELDS, *LIST_FIELDS):
        rates = skills.get((field, method if field in CATEGORICAL_FIELDS else "full"))
        if rates is None or not used:
            found[field] = []
        elif field in CATEGORICAL_FIELDS:
            found[field] = _categorical(field, used, annotator, models, rates)
        else:
            found[field] = _tags(field, used, annotator, models, rates, consensus)
    return found


def mean_entropy(consensus: Consensus) -> float | None:
    """The entropy of the votes in bits, the mean of the categorical fields that have any; None without votes."""
    entropies: list[float] = []
    for field in CATEGORICAL_FIELDS:
        count = np.asarray([vote.models for vote in consensus.votes[field]], dtype=np.int64)
        if count.size:
            entropies.append(float(item_entropy(np.zeros(count.size, dtype=np.int64), count, 1)[0]))
    return sum(entropies) / len(entropies) if entropies else None


def _categorical(
    field: str, used: Sequence[ModelAnswer], annotator: Any, models: Sequence[tuple[str, str]], rates: Skills
) -> list[dict[str, Any]]:
    values = CATEGORICAL_VALUES[field]
    code = {value: number for number, value in enumerate(values)}
    said = np.asarray([code.get(getattr(one.answer, field), BLANK) for one in used], dtype=np.int64)
    if (said == BLANK).all():
        return []
    annotations = categorical_annotations(
        np.zeros(said.size, dtype=np.int64), annotator, said, items=1, annotators=len(models), values=len(values)
    )
    return _ranked(values, posteriors(annotations, rates.of(models))[0].tolist())


def _tags(
    field: str,
    used: Sequence[ModelAnswer],
    annotator: Any,
    models: Sequence[tuple[str, str]],
    rates: Skills,
    consensus: Consensus,
) -> list[dict[str, Any]]:
    form = tag_form if field in OPEN_FIELDS else str
    rows = [(number, form(tag)) for number, one in enumerate(used) for tag in getattr(one.answer, field)]
    words = sorted({word for _, word in rows})
    if not words:
        return []
    code = {word: number for number, word in enumerate(words)}
    annotations = tag_annotations(
        np.zeros(len(used), dtype=np.int64),
        annotator,
        np.asarray([number for number, _ in rows], dtype=np.int64),
        np.asarray([code[word] for _, word in rows], dtype=np.int64),
        items=1,
        annotators=len(models),
        tags=len(words),
    )
    shown = {form(vote.value): vote for vote in consensus.votes[field]}
    probability = tag_probabilities(annotations, rates.of(models)).tolist()
    kept = [
        (shown[word].value if word in shown else word, one)
        for word, one in zip(words, probability, strict=True)
        if word not in shown or not shown[word].contradicted
    ]
    return _ranked([value for value, _ in kept], [one for _, one in kept])


def _ranked(values: Sequence[str], probability: Sequence[float]) -> list[dict[str, Any]]:
    order = sorted(range(len(values)), key=lambda number: (-round(probability[number], 4), number))
    return [{"value": values[number], "probability": round(probability[number], 4)} for number in order]
