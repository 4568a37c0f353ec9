"""Ratings from duels: how likely one is chosen over another, on a scale where 100 points are 64 % of the duels.

R. A. Bradley and M. E. Terry, "Rank Analysis of Incomplete Block Designs", Biometrika 39 (1952) 324-345: one of
strength s wins against one of strength t with probability s / (s + t). Strengths are found by the
minorization-maximization of D. R. Hunter, "MM Algorithms for Generalized Bradley-Terry Models", Annals of Statistics 32
(2004) 384-406, which approaches the best ones from anywhere, and the last digits by Newton's method. A tie is half a
win for each.

One that has won every duel would have an infinite rating. So each also has half a tie with an opponent of average
strength, which after a few duels hardly matters.

Ratings compare those that met, or met others that did, in a chain. The mean of each such group is 1,000, so ratings of
different groups say nothing about each other: show a table for each group, and say why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log
from statistics import NormalDist

import numpy as np

from grabient_assets.consensus.grouping import Floats, Ints
from grabient_assets.errors import AnnotationsError

CONFIDENCE = 0.95
MEAN, POINTS = 1000.0, 400.0
"""POINTS more are ten times the strength, as in chess."""
PRIOR_DUELS = 0.5
CHOICES = {"left": 1.0, "tie": 0.5, "right": 0.0}
"""What part of a win each choice is for the left one."""
MOST_STEPS, MOST_NEWTON = 200, 100
CLOSE = 1e-10


@dataclass(frozen=True, slots=True)
class Vote:
    """One duel: `choice` is left, right or tie."""

    left: str
    right: str
    choice: str


@dataclass(frozen=True, slots=True)
class Rating:
    """`rating` of one that was in `votes` duels, and its 95 % interval; None for one that was in none.

    Only ratings of the same `group` may be compared; 0 is the largest group.
    """

    name: str
    votes: int
    rating: float
    low: float | None
    high: float | None
    group: int


def rate(votes: Iterable[Vote], names: Iterable[str] = ()) -> list[Rating]:
    """Ratings of all that voters compared, and of the `names` that nobody did: by group, the highest first.

    A duel of one with itself says nothing and is not counted. Raises AnnotationsError for an unknown choice.
    """
    duels = list(votes)
    for vote in duels:
        if vote.choice not in CHOICES:
            raise AnnotationsError(f"A vote has the choice {vote.choice!r}; there are {', '.join(CHOICES)}.")
    everybody = sorted({*names, *(vote.left for vote in duels), *(vote.right for vote in duels)})
    place = {name: number for number, name in enumerate(everybody)}
    wins = np.zeros((len(everybody), len(everybody)))
    for vote in duels:
        if vote.left != vote.right:
            left, right, won = place[vote.left], place[vote.right], CHOICES[vote.choice]
            wins[left, right] += won
            wins[right, left] += 1 - won
    met = wins + wins.T
    rated: list[Rating] = []
    for group, members in enumerate(_groups(met)):
        inside = np.ix_(members, members)
        rating, reach = _fitted(wins[inside])
        for name, duels_of, value, width in zip(
            [everybody[one] for one in members], met[inside].sum(axis=1), rating, reach, strict=True
        ):
            known = len(members) > 1
            low, high = (float(value - width), float(value + width)) if known else (None, None)
            rated.append(Rating(name, round(float(duels_of)), float(value), low, high, group))
    return sorted(rated, key=lambda one: (one.group, -one.rating, one.name))


def duel_share(difference: float) -> float:
    """The share of duels that one wins against another rated so many points lower: 0.64 for 100."""
    return 1 / (1 + 10 ** (-difference / POINTS))


def _groups(met: Floats) -> list[Ints]:
    """Who is connected by duels, the largest group first, then by the first member."""
    left = set(range(len(met)))
    groups: list[Ints] = []
    while left:
        found, border = set(), {min(left)}
        while border:
            found |= border
            border = {int(one) for one in np.flatnonzero(met[sorted(border)].any(axis=0))} - found
        left -= found
        groups.append(np.array(sorted(found)))
    return sorted(groups, key=lambda members: (-len(members), members[0]))


def _fitted(wins: Floats) -> tuple[Floats, Floats]:
    """Ratings and half the width of their intervals, of one group."""
    strength = _minorized(wins)
    log_strength = _polished(np.log(strength), wins)
    covariance = np.linalg.inv(_information(log_strength, wins))
    # A rating is the distance from the mean of the group, so that is what the interval is about.
    apart = np.eye(len(wins)) - 1 / len(wins)
    spread = np.sqrt(np.maximum(np.diag(apart @ covariance @ apart.T), 0))
    scale = POINTS / log(10)
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    return MEAN + scale * (log_strength - log_strength.mean()), z * scale * spread


def _minorized(wins: Floats) -> Floats:
    """Hunter's steps, with the average opponent at strength 1."""
    strength = np.ones(len(wins))
    met, won = wins + wins.T, wins.sum(axis=1) + PRIOR_DUELS / 2
    for _ in range(MOST_STEPS):
        shares = (met / (strength[:, None] + strength[None, :])).sum(axis=1) + PRIOR_DUELS / (strength + 1)
        step = won / shares
        close = np.abs(np.log(step / strength)).max() < CLOSE
        strength = step
        if close:
            break
    return strength


def _polished(log_strength: Floats, wins: Floats) -> Floats:
    """Newton's steps, halved while they make it worse. The likelihood has one maximum only."""
    for _ in range(MOST_NEWTON):
        step = np.linalg.solve(_information(log_strength, wins), _slope(log_strength, wins))
        if np.abs(step).max() < CLOSE:
            break
        reached = _log_likelihood(log_strength, wins)
        while _log_likelihood(log_strength + step, wins) < reached and np.abs(step).max() >= CLOSE:
            step = step / 2
        log_strength = log_strength + step
    return log_strength


def _chances(log_strength: Floats) -> tuple[Floats, Floats]:
    """Of each against each, and of each against the average opponent."""
    return _logistic(log_strength[:, None] - log_strength[None, :]), _logistic(log_strength)


def _log_likelihood(log_strength: Floats, wins: Floats) -> float:
    between = -np.logaddexp(0, log_strength[None, :] - log_strength[:, None])
    prior = -np.logaddexp(0, -log_strength) - np.logaddexp(0, log_strength)
    return float((wins * between).sum() + PRIOR_DUELS / 2 * prior.sum())


def _slope(log_strength: Floats, wins: Floats) -> Floats:
    chance, average = _chances(log_strength)
    met = wins + wins.T
    return (wins - met * chance).sum(axis=1) + PRIOR_DUELS * (0.5 - average)


def _information(log_strength: Floats, wins: Floats) -> Floats:
    """The observed information: the curvature of the likelihood, prior included."""
    chance, average = _chances(log_strength)
    pairs = (wins + wins.T) * chance * (1 - chance)
    return np.diag(pairs.sum(axis=1) + PRIOR_DUELS * average * (1 - average)) - pairs


def _logistic(value: Floats) -> Floats:
    return 1 / (1 + np.exp(-value))
