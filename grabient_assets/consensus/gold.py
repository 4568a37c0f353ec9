"""Items whose true class is known, as codes beside the items.

A code is a class (0 or more), UNKNOWN or AMBIGUOUS. An unknown item teaches like any other. An ambiguous one, of which
two readings are right, gets its probabilities from what others teach, and teaches nothing itself.
"""

from __future__ import annotations

import numpy as np

from grabient_assets.consensus.grouping import Ints
from grabient_assets.errors import AnnotationsError

UNKNOWN = -1
AMBIGUOUS = -2


def checked_gold(gold: Ints | None, items: int, classes: int) -> Ints:
    """`gold` as int64, all UNKNOWN when it is None. Raises AnnotationsError when it does not fit."""
    if gold is None:
        return np.full(items, UNKNOWN, dtype=np.int64)
    if gold.shape != (items,) or (items and not AMBIGUOUS <= int(gold.min()) <= int(gold.max()) < classes):
        raise AnnotationsError(
            f"Gold should hold {items} codes from {AMBIGUOUS} to {classes - 1}; it has shape {gold.shape} "
            f"and runs from {gold.min(initial=0)} to {gold.max(initial=0)}."
        )
    return gold.astype(np.int64)


def folds_of(gold: Ints, folds: int) -> Ints:
    """The fold of every item whose class is known, -1 for the others: in turn, so every fold is as large."""
    known = np.flatnonzero(gold >= 0)
    fold = np.full(gold.size, -1, dtype=np.int64)
    fold[known] = np.arange(known.size) % folds
    return fold
