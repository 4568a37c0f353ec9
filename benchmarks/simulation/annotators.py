"""Invented annotators of known skill, with and without shared errors. Everything follows from the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grabient_assets.consensus.annotations import Annotations, categorical_annotations, tag_annotations
from grabient_assets.consensus.gold import UNKNOWN
from grabient_assets.consensus.grouping import Flags, Ints

ANNOTATORS, ANALYSES, VALUES = 10, 2, 4
SKILLS = np.array([0.9, 0.85, 0.8, 0.75, 0.72, 0.7, 0.65, 0.62, 0.58, 0.55])
FAMILIES = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
GOLD_SHARE = 0.4
SCENARIOS = ("independent", "families", "trap", "spammers", "adversary", "easy gold")
SCENARIO_WORDS = {
    "independent": "ten skills from 55 to 90 %, errors on their own",
    "families": "the same skills; members of three families share 70 % of their answers",
    "trap": "the same skills; seven of ten take one value for another in 75 % of the cases",
    "spammers": "five of ten answer by chance or always the same",
    "adversary": "the best one says the wrong thing on purpose in 90 % of the cases",
    "easy gold": "the trap lies in the hard half of the items only, and gold in the easy half",
}


@dataclass(frozen=True)
class Field:
    """One categorical field: what was said, one row per answer, the truth, and gold for a part of the items."""

    item: Ints
    annotator: Ints
    value: Ints
    truth: Ints
    gold: Ints

    def annotations(self) -> Annotations:
        """The answers, counted into ballots."""
        return categorical_annotations(
            self.item, self.annotator, self.value, items=self.truth.size, annotators=ANNOTATORS, values=VALUES
        )


def categorical_field(scenario: str, items: int, seed: int, analyses: int = ANALYSES) -> Field:
    """A field of four values with unequal prevalence under a scenario."""
    random = np.random.default_rng([seed, SCENARIOS.index(scenario), items])
    truth = random.choice(VALUES, size=items, p=[0.4, 0.3, 0.2, 0.1])
    hard = np.arange(items) % 2 == 1
    opinion = _opinions(scenario, truth, hard, random)
    # A second analysis repeats the first in nine cases of ten.
    said = np.repeat(opinion.ravel(), analyses)
    again = (random.random(said.size) < 0.1) & (np.arange(said.size) % analyses > 0)
    said[again] = random.integers(0, VALUES, int(again.sum()))
    item, annotator = _who(items, analyses)
    share = np.where(hard, 0.0, 2 * GOLD_SHARE) if scenario == "easy gold" else GOLD_SHARE
    gold = np.where(random.random(items) < share, truth, UNKNOWN)
    return Field(item, annotator, said, truth, gold)


def _opinions(scenario: str, truth: Ints, hard: Flags, random: np.random.Generator) -> Ints:
    shape = (truth.size, ANNOTATORS)
    opinion = _say(truth[:, None], random.random(shape) < SKILLS, random)
    if scenario == "families":
        head = _say(truth[:, None], random.random((truth.size, 3)) < 0.72, random)
        opinion = np.where(random.random(shape) < 0.7, head[:, FAMILIES], opinion)
    if scenario in ("trap", "easy gold"):
        there = (truth == 2) & (hard | (scenario == "trap"))
        caught = there[:, None] & (np.arange(ANNOTATORS) < 7) & (random.random(shape) < 0.75)
        opinion = np.where(caught, 1, opinion)
    if scenario == "spammers":
        opinion[:, [1, 4, 7]] = random.integers(0, VALUES, (truth.size, 3))
        opinion[:, [2, 8]] = 0
    if scenario == "adversary":
        opinion[:, 0] = np.where(random.random(truth.size) < 0.9, (truth + 1) % VALUES, truth)
    return opinion


def _say(truth: Ints, right: Flags, random: np.random.Generator) -> Ints:
    return np.where(right, truth, (truth + random.integers(1, VALUES, right.shape)) % VALUES)


def _who(items: int, analyses: int) -> tuple[Ints, Ints]:
    return np.repeat(np.arange(items), ANNOTATORS * analyses), np.tile(
        np.repeat(np.arange(ANNOTATORS), analyses), items
    )


@dataclass(frozen=True)
class TagKind:
    """A tag field: how many different tags exist, how many an item really has, how many more come to mind."""

    name: str
    tags: int
    true: int
    near: int
    stray: float


# Like the six tag fields of a palette. About 20 distinct tags per item in the open ones.
TAG_KINDS = (
    TagKind("harmony", 8, 1, 3, 0.0),
    TagKind("seasonal", 4, 1, 1, 0.0),
    TagKind("dominant_colors", 41, 3, 4, 0.1),
    TagKind("style", 10_000, 4, 8, 0.5),
    TagKind("mood", 10_000, 4, 8, 0.5),
    TagKind("associations", 10_000, 7, 10, 0.5),
)


@dataclass(frozen=True)
class TagField:
    """One tag field: the item and annotator of every answer, and (answer, tag) pairs."""

    kind: TagKind
    items: int
    item: Ints
    annotator: Ints
    answer: Ints
    tag: Ints

    def annotations(self) -> Annotations:
        """The answers, counted into ballots."""
        return tag_annotations(
            self.item,
            self.annotator,
            self.answer,
            self.tag,
            items=self.items,
            annotators=ANNOTATORS,
            tags=self.kind.tags,
        )


def tag_field(kind: TagKind, items: int, seed: int, analyses: int = ANALYSES) -> TagField:
    """Every answer names a true tag with 60 %, one that comes to mind with 10 %, and some a stray one."""
    random = np.random.default_rng([seed, kind.tags, kind.true, items])
    pool = kind.true + kind.near
    # Popular tags first: squaring a uniform draw gives the low codes most of the mass.
    first = (random.random((items, 1)) ** 2 * kind.tags).astype(np.int32)
    step = 1 if kind.tags < 100 else 97
    tags = (first + step * np.arange(pool, dtype=np.int32)) % kind.tags
    answers = items * ANNOTATORS * analyses
    chance = np.where(np.arange(pool) < kind.true, 154, 26).astype(np.uint8)
    named = random.integers(0, 256, (answers, pool), dtype=np.uint8) < chance
    # Both analyses of an annotator share two thirds of their tags.
    same = named.reshape(-1, analyses, pool)
    keep = random.integers(0, 256, same.shape, dtype=np.uint8) < 170
    same[:, 1:] = np.where(keep[:, 1:], same[:, :1], same[:, 1:])
    answer, place = np.nonzero(named)
    tag = tags[answer // (ANNOTATORS * analyses), place]
    stray = np.flatnonzero(random.random(answers, dtype=np.float32) < kind.stray)
    answer = np.concatenate([answer, stray]).astype(np.int32)
    tag = np.concatenate([tag, random.integers(0, kind.tags, stray.size, dtype=np.int32)])
    item, annotator = _who(items, analyses)
    return TagField(kind, items, item, annotator, answer, tag)
