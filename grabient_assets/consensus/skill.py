"""How good each annotator is, measured on items whose true class is known.

The unit is the item, not the answer: two answers of one model to one palette are not two measurements. An annotator
that was right in one of two answers counts half. Unknown and ambiguous items are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.gold import UNKNOWN, checked_gold
from grabient_assets.consensus.grouping import Floats, Ints
from grabient_assets.consensus.rates import Rates, wilson
from grabient_assets.consensus.tag_model import PRESENT


@dataclass(frozen=True, eq=False)
class Skill:
    """Measured on gold. `confusion[annotator, true value, given value]` in items; ballots of blanks are not in it.

    `accuracy`: shape (annotators,), of the items of which it named a value. `sensitivity` (said k when it was k) and
    `specificity` (did not say k when it was not): shape (annotators, values), of all items it answered; a blank says
    nothing, so it misses what was there and is no false alarm. All with 95 % intervals.
    """

    confusion: Floats
    accuracy: Rates
    sensitivity: Rates
    specificity: Rates


@dataclass(frozen=True, eq=False)
class TagSkill:
    """Measured on gold candidates, shape (annotators,): named a true tag, did not name a wrong candidate."""

    sensitivity: Rates
    specificity: Rates


def measure_skill(annotations: Annotations, gold: Ints) -> Skill:
    """Skill in a categorical field. `gold`: a code per item (gold.py); raises AnnotationsError when it does not fit."""
    gold = checked_gold(gold, annotations.items, annotations.values)
    named = _confusion(annotations, gold, annotations.entry_weight)
    right, given = np.einsum("akk->a", named), named.sum(axis=(1, 2))
    part = annotations.entry_times / annotations.ballot_answers[annotations.entry_ballot]
    said = _confusion(annotations, gold, part)
    asked = _asked(annotations, gold)
    hits = np.einsum("akk->ak", said)
    others = asked.sum(axis=1, keepdims=True) - asked
    false_alarms = said.sum(axis=1) - hits
    return Skill(named, wilson(right, given), wilson(hits, asked), wilson(others - false_alarms, others))


def blank_answers(annotations: Annotations) -> Ints:
    """How many usable answers of each annotator give no value of a categorical field, shape (annotators,)."""
    who, number = annotations.ballot_annotator, annotations.annotators
    answers = np.bincount(who, weights=annotations.ballot_answers, minlength=number)
    named = np.bincount(who[annotations.entry_ballot], weights=annotations.entry_times, minlength=number)
    return np.rint(answers - named).astype(np.int64)


def _confusion(annotations: Annotations, gold: Ints, weight: Floats) -> Floats:
    """The weight of entries on gold items, shape (annotators, true values, given values)."""
    ballot, values = annotations.entry_ballot, annotations.values
    true = gold[annotations.ballot_item[ballot]]
    known = true >= 0
    cell = (annotations.ballot_annotator[ballot].astype(np.int64) * values + true) * values + annotations.entry_value
    found = np.bincount(cell[known], weights=weight[known], minlength=annotations.annotators * values**2)
    return found.reshape(annotations.annotators, values, values).astype(np.float64)


def _asked(annotations: Annotations, gold: Ints) -> Floats:
    """On how many gold items of each true value each annotator has a ballot, shape (annotators, values)."""
    true, values = gold[annotations.ballot_item], annotations.values
    known = true >= 0
    cell = annotations.ballot_annotator[known].astype(np.int64) * values + true[known]
    found = np.bincount(cell, minlength=annotations.annotators * values)
    return found.reshape(annotations.annotators, values).astype(np.float64)


def measure_tag_skill(annotations: Annotations, gold: Ints) -> TagSkill:
    """Skill in a tag field. `gold`: a code per candidate (tag_model.tag_gold)."""
    of = annotations.candidates
    gold = checked_gold(gold, of.item.size, 2)
    said = np.zeros((of.item.size, annotations.annotators))
    ballot = annotations.entry_ballot
    said[of.of_entry, annotations.ballot_annotator[ballot]] = (
        annotations.entry_times / annotations.ballot_answers[ballot]
    )
    asked = annotations.present[of.item]
    true, wrong = gold == PRESENT, (gold > UNKNOWN) & (gold != PRESENT)
    return TagSkill(
        wilson(said[true].sum(axis=0), asked[true].sum(axis=0)),
        wilson((asked - said)[wrong].sum(axis=0), asked[wrong].sum(axis=0)),
    )


def errors_on_gold(annotations: Annotations, gold: Ints) -> Floats:
    """How wrong each annotator was on each gold item, shape (gold items, annotators): 0 right, 1 wrong, NaN silent."""
    gold = checked_gold(gold, annotations.items, annotations.values)
    ballot = annotations.entry_ballot
    errors = np.full((annotations.items, annotations.annotators), np.nan)
    where = annotations.ballot_item[ballot], annotations.ballot_annotator[ballot]
    errors[where] = 1.0
    hit = annotations.entry_value == gold[where[0]]
    errors[where[0][hit], where[1][hit]] = 1 - annotations.entry_weight[hit]
    return errors[gold >= 0]
