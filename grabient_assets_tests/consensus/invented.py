"""Invented annotators of known accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grabient_assets.consensus.annotations import Annotations, categorical_annotations
from grabient_assets.consensus.grouping import Ints


def invented(
    skills: Sequence[float], *, items: int, values: int, seed: int, analyses: int = 1
) -> tuple[Annotations, Ints]:
    """Every annotator answers every item, right with its skill, wrong in all ways alike; and the truth."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, values, items)
    shape = (items, len(skills), analyses)
    wrong = (truth[:, None, None] + random.integers(1, values, shape)) % values
    said = np.where(random.random(shape) < np.array(skills)[:, None], truth[:, None, None], wrong)
    item, annotator, _ = np.indices(shape)
    annotations = categorical_annotations(
        item.ravel(), annotator.ravel(), said.ravel(), items=items, annotators=len(skills), values=values
    )
    return annotations, truth
