"""How far the models agree under a prompt version, on the answers that two versions are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.annotations import categorical_annotations
from grabient_assets.consensus.grouping import Floats, Ints
from grabient_assets.consensus.majority import majority
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES


@dataclass(frozen=True, slots=True)
class Share:
    """A part of `of` cases, 0-1."""

    share: float
    of: int


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """What the compared answers say, one row per answer: `side` (1 or 2), palette and model as numbers, and for each
    field the place of the value in its enumeration, -1 for none."""

    side: Ints
    palette: Ints
    model: Ints
    values: Mapping[str, Ints]


def winning_shares(said: Said, side: int) -> dict[str, Floats]:
    """By field the share of the models behind the value that wins, a number per palette, in the order of the palettes'
    numbers; one vote per model."""
    rows = said.side == side
    palettes, item = np.unique(said.palette[rows], return_inverse=True)
    found: dict[str, Floats] = {}
    for field, values in CATEGORICAL_VALUES.items():
        annotations = categorical_annotations(
            item,
            said.model[rows],
            said.values[field][rows],
            items=palettes.size,
            annotators=int(said.model.max()) + 1,
            values=len(values),
        )
        winning = np.zeros(palettes.size)
        np.maximum.at(winning, annotations.candidates.item, majority(annotations).share)
        found[field] = winning
    return found
