"""Which annotators a panel needs: whom to ask first, which items to ask about again, and who could go.

The consensus is a function from the annotators that are left to one value per item (-1 for none), so that every way of
counting can be examined: `PartMajority(annotations)`, which counts many parts of one panel fast, or
`lambda left: estimate(annotations.of_annotators(left)).top`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from math import comb

import numpy as np

from grabient_assets.consensus.annotations import Annotations
from grabient_assets.consensus.gold import UNKNOWN, checked_gold
from grabient_assets.consensus.grouping import Flags, Floats, Ints
from grabient_assets.consensus.independence import effective_votes
from grabient_assets.errors import AnnotationsError

# All subsets are compared: no search, no chance. Ten models have 638 subsets of 3 to 5, thirty have 174,000.
MOST_SUBSETS = 250_000
# Keeps accuracies off 0 and 1, where variance is 0: an annotator that was never wrong on gold can still be wrong.
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

    An item without candidates is uncertain: no annotator named a tag.
    """
    undecided = np.bincount(item, weights=(probability > low) & (probability < high), minlength=items)
    return (undecided > most) | (np.bincount(item, minlength=items) == 0)


Consensus = Callable[[Sequence[int]], Ints]


@dataclass(frozen=True, slots=True)
class Without:
    """The consensus without `annotator`, in a row of removals without all before it as well.

    `changed`: part of the items with a consensus of the full panel on which it is another one or none now. `accuracy`:
    part of the gold items on which it is right, None without gold; `accuracy_change`: minus that of the full panel.
    `saved`: dollars that are not spent. `votes`: effective votes that are left, None where they are not known.
    """

    annotator: int
    changed: float
    accuracy: float | None
    accuracy_change: float | None
    saved: Decimal
    votes: float | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a part of the panel changes on items by which it was not chosen: of so many `items` with a consensus of the
    full panel `changed` have another one or none, and of the `gold` ones `gained` more are right (fewer, below 0)."""

    changed: int
    items: int
    gained: int
    gold: int


class _Comparison:
    """The full panel's consensus, and how a part of the panel compares with it."""

    def __init__(
        self,
        annotations: Annotations,
        consensus: Consensus,
        gold: Ints | None,
        costs: Sequence[Decimal],
        correlation: Floats,
        among: Flags | None = None,
    ) -> None:
        if len(costs) != annotations.annotators or correlation.shape != (annotations.annotators,) * 2:
            raise AnnotationsError(
                f"{annotations.annotators} annotators need as many costs and a correlation matrix of that size; "
                f"there are {len(costs)} costs and a matrix of shape {correlation.shape}."
            )
        self.annotations, self.consensus, self.costs = annotations, consensus, costs
        self.correlation = correlation
        self.gold = checked_gold(gold, annotations.items, annotations.values)
        self.full = consensus(range(annotations.annotators))
        self.decided = self.full >= 0
        if among is not None:
            self.gold, self.decided = np.where(among, self.gold, UNKNOWN), self.decided & among
        self._before = self._accuracy(self.full)

    def _accuracy(self, top: Ints) -> float | None:
        known = self.gold >= 0
        return float((top[known] == self.gold[known]).mean()) if known.any() else None

    def without(self, annotator: int, gone: Sequence[int]) -> Without:
        left = [one for one in range(self.annotations.annotators) if one != annotator and one not in gone]
        top = self.consensus(left)
        decided = self.decided
        accuracy, before = self._accuracy(top), self._before
        return Without(
            annotator,
            float((top != self.full)[decided].mean()) if decided.any() else 0.0,
            accuracy,
            None if accuracy is None or before is None else accuracy - before,
            sum((self.costs[one] for one in (*gone, annotator)), Decimal(0)),
            effective_votes(self.correlation, left),
        )


def leave_one_out(
    annotations: Annotations,
    consensus: Consensus,
    costs: Sequence[Decimal],
    correlation: Floats,
    gold: Ints | None = None,
) -> list[Without]:
    """For each annotator, the consensus of the others. `costs`: dollars per annotator; `correlation` of errors."""
    comparison = _Comparison(annotations, consensus, gold, costs, correlation)
    return [comparison.without(annotator, ()) for annotator in range(annotations.annotators)]


def removals(
    annotations: Annotations,
    consensus: Consensus,
    costs: Sequence[Decimal],
    correlation: Floats,
    gold: Ints | None = None,
    among: Flags | None = None,
) -> list[Without]:
    """One annotator after the other, until one is left: always the one whose going changes least per dollar saved.

    Change is measured against the full panel. Of equals the dearer goes, then the higher number; those that cost
    nothing go last. Greedy: a good order, not a proof that no better subset exists. n^2 / 2 consensuses.

    `among`: the items to look at, shape (items,). What was chosen because it changes least changes less there than
    elsewhere, so keep others back to judge it.
    """
    comparison = _Comparison(annotations, consensus, gold, costs, correlation, among)
    gone: list[int] = []
    steps: list[Without] = []
    while len(gone) < annotations.annotators - 1:
        left = [one for one in range(annotations.annotators) if one not in gone]
        step = min((comparison.without(one, gone) for one in left), key=lambda one: _price(one, costs))
        steps.append(step)
        gone.append(step.annotator)
    return steps


def judge(
    annotations: Annotations, consensus: Consensus, steps: Sequence[Without], among: Flags, gold: Ints | None = None
) -> list[Judgement]:
    """For every step of `removals` what it changes, with all before it, on the items `among`."""
    gold = checked_gold(gold, annotations.items, annotations.values)
    full, left = consensus(range(annotations.annotators)), list(range(annotations.annotators))
    decided, known = (full >= 0) & among, (gold >= 0) & among
    found: list[Judgement] = []
    for step in steps:
        left.remove(step.annotator)
        top = consensus(left)
        gained = int((top == gold)[known].sum()) - int((full == gold)[known].sum())
        found.append(Judgement(int((top != full)[decided].sum()), int(decided.sum()), gained, int(known.sum())))
    return found


def _price(step: Without, costs: Sequence[Decimal]) -> tuple[float, Decimal, int]:
    cost = costs[step.annotator]
    return (step.changed / float(cost) if cost > 0 else np.inf, -cost, -step.annotator)
