"""What the answers of each model weigh under its error rates, in bits.

One bit makes a value twice as likely against another. Under Dawid and Skene's model bits add up: those before anybody
has spoken (how often each value occurs), and those of every model. A model asked several times has one voice, made of
its answers in equal parts, as in the estimates (estimating.py). Where models share mistakes each of them weighs less,
by what the panel of the palette is worth together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import log2

import numpy as np

from grabient_assets.consensus.gold import ABSENT, PRESENT
from grabient_assets.consensus.independence import vote_weight
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.consensus import Panel
from grabient_assets.groups.tagging.skills import Skills


@dataclass(frozen=True, slots=True)
class Said:
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
        said = Counter(given)
        found[who] = weight * sum(
            times / said.total() * log2(confusion[one, code[value]] / confusion[other, code[value]])
            for value, times in said.items()
        )
    return log2(of.prevalence[one] / of.prevalence[other]), found


def weigh_tags(panel: Panel, rates: Skills) -> tuple[float, dict[tuple[str, str], Said]]:
    """The prior of a tag that somebody named, and what each model's naming it or not weighs."""
    of = rates.of(list(panel))
    weight = float(vote_weight(np.asarray(len(panel)), rates.correlation))
    found = {
        who: Said(
            weight * log2(confusion[PRESENT, PRESENT] / confusion[ABSENT, PRESENT]),
            weight * log2(confusion[PRESENT, ABSENT] / confusion[ABSENT, ABSENT]),
        )
        for who, confusion in zip(panel, of.confusion, strict=True)
    }
    return log2(of.prevalence[PRESENT] / of.prevalence[ABSENT]), found
