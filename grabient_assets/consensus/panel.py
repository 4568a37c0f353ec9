"""An adaptive panel: whom to ask first, and which items to ask about again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from math import comb

import numpy as np

from grabient_assets.consensus.grouping import Flags, Floats, Ints
from grabient_assets.errors import AnnotationsError

# All subsets are compared: no search, no chance. Ten models have 638 subsets of 3 to 5, thirty have 174,000.
MOST_SUBSETS = 250_000
# An annotator that was never wrong on gold may yet be: keeps accuracies off 0 and 1, where variance vanishes.
SURE = 0.01
# Added to the diagonal: makes correlations from different items invertible and keeps two copies from looking exact.
RIDGE = 0.05


@dataclass(frozen=True, slots=True)
class Wave:
    """The members to ask, ascending; what they cost; and `strength`, their part of the full panel's strength."""

    members: tuple[int, ...]
    cost: Decimal
    strength: float


@dataclass(frozen=True, slots=True)
class WaveRule:
    """A wave of `smallest` to `largest` members that costs at most `budget` dollars."""

    budget: Decimal
    smallest: int = 3
    largest: int = 5


def strength(accuracy: Floats, correlation: Floats, chance: float, members: Sequence[int]) -> float:
    """How well the members together tell right from wrong: Fisher's linear discriminant, m' S^-1 m.

    m: how far each accuracy lies above `chance` (1 / number of values); S: covariance of the errors, from
    `correlation` and the variance p (1 - p) of each. Skill adds, shared errors subtract. R. A. Fisher, "The use of
    multiple measurements in taxonomic problems", Annals of Eugenics 7 (1936).
    """
    return float(_strengths(accuracy, correlation, chance, np.asarray([members], dtype=np.int64))[0])


def choose_wave(costs: Sequence[Decimal], accuracy: Floats, correlation: Floats, chance: float, rule: WaveRule) -> Wave:
    """The strongest subset the rule allows; of equals the cheapest, then the one with the lowest numbers.

    Raises AnnotationsError when no subset costs as little, or when there are too many annotators to compare all.
    """
    annotators = len(costs)
    sizes = range(min(rule.smallest, annotators), min(rule.largest, annotators) + 1)
    if sum(comb(annotators, size) for size in sizes) > MOST_SUBSETS:
        raise AnnotationsError(
            f"{annotators} annotators have more than {MOST_SUBSETS:,} subsets of {rule.smallest} to {rule.largest}; "
            "make the wave smaller."
        )
    whole = strength(accuracy, correlation, chance, range(annotators))
    best: tuple[float, Decimal, tuple[int, ...]] | None = None
    for size in sizes:
        allowed = [
            members
            for members in combinations(range(annotators), size)
            if sum((costs[one] for one in members), Decimal(0)) <= rule.budget
        ]
        if not allowed:
            continue
        # Rounded, so that equal subsets are equal whatever the order of the sums.
        found = np.round(_strengths(accuracy, correlation, chance, np.asarray(allowed)), 9)
        top = [members for members, value in zip(allowed, found, strict=True) if value == found.max()]
        offers = [(-float(found.max()), sum((costs[one] for one in members), Decimal(0)), members) for members in top]
        best = min(offers if best is None else [best, *offers])
    if best is None:
        cheapest = sum(sorted(costs)[: sizes.start], Decimal(0))
        raise AnnotationsError(
            f"No {sizes.start} annotators cost {rule.budget} dollars or less; the cheapest cost {cheapest}."
        )
    return Wave(best[2], best[1], -best[0] / whole if whole > 0 else 0.0)


def _strengths(accuracy: Floats, correlation: Floats, chance: float, subsets: Ints) -> Floats:
    if not subsets.shape[1]:
        return np.zeros(len(subsets))
    sure = np.clip(accuracy, SURE, 1 - SURE)
    deviation = np.sqrt(sure * (1 - sure))
    covariance = (correlation + RIDGE * np.eye(len(correlation))) * np.outer(deviation, deviation)
    margin = np.maximum(sure - chance, 0.0)[subsets]
    parts = covariance[subsets[:, :, None], subsets[:, None, :]]
    return np.einsum("sa,sa->s", margin, np.linalg.solve(parts, margin[:, :, None])[:, :, 0])


def uncertain(posterior: Floats, threshold: float, margin: float = 0.0) -> Flags:
    """Which items should be asked about again, shape (items,).

    Those whose most probable value has less than `threshold`, or leads the next by less than `margin`.
    """
    if posterior.shape[1] < 2:
        return posterior[:, 0] < threshold
    two = np.partition(posterior, -2, axis=1)[:, -2:]
    return (two[:, 1] < threshold) | (two[:, 1] - two[:, 0] < margin)


def uncertain_tags(item: Ints, probability: Floats, items: int, low: float, high: float, most: int = 0) -> Flags:
    """Items with more than `most` candidates whose probability lies strictly between `low` and `high`.

    An item without candidates is uncertain: nobody named anything.
    """
    undecided = np.bincount(item, weights=(probability > low) & (probability < high), minlength=items)
    return (undecided > most) | (np.bincount(item, minlength=items) == 0)
